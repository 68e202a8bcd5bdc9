"""What is found in a text by rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.text.entities import ENTITIES_MAX, KEY_CHARS_MAX, entities_in


def keys(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entity in entities_in(text):
        found.setdefault(entity.kind, []).append(entity.key)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann lives in New York with Bob's dog.", {"name": ["ann", "new york", "bob"]}),
        ("Meet at the Bank of England.", {"name": ["bank of england"]}),
        ("Buy milk. Then call her. It was late on Monday in May.", {}),
        ("Wolfgang: Sure.\nYuriko: Fine, ask Wolfgang.", {"name": ["wolfgang"]}),
        ("Yuriko met Thane at the gym.", {"name": ["yuriko", "thane"]}),
        ("The BBC said so.", {"name": ["bbc"]}),
        ("see https://www.Example.org/a/?q=1).", {"url": ["example.org/a/?q=1"]}),
        ("at pi.local or 192.168.1.1:8080", {"url": ["pi.local", "192.168.1.1:8080"]}),
        ("write to Bob.Smith@example.com!", {"email": ["bob.smith@example.com"]}),
        (
            "in src/app/main.py and ~/notes.md",
            {"file": ["src/app/main.py", "main.py", "~/notes.md", "notes.md"]},
        ),
        ("edit /etc/fstab.", {"file": ["/etc/fstab", "fstab"]}),
        ("open C:\\Notes\\a.txt", {"file": ["c:/notes/a.txt", "a.txt"]}),
        ("call `getUser()` or snake_case", {"code": ["getUser", "snake_case"]}),
        ("run it with --read-only", {"code": ["--read-only"]}),
        ("fixes #12, PROJ-34 and 1f5e0d6", {"code": ["#12", "PROJ-34", "1f5e0d6"]}),
        ("`docs/api.md` is new", {"file": ["docs/api.md", "api.md"]}),
        ("#Garden and #pi-5", {"tag": ["garden", "pi-5"]}),
        ("costs 10.50 or version 1.2.3, 5 of 7", {}),
        ("99.99.2026 and 2026-13-01", {}),
    ],
)
def test_each_kind_is_found(text: str, expected: dict[str, list[str]]) -> None:
    """Names, files, URLs, mail addresses, code and tags are found, and what only looks like one is not."""
    assert keys(text) == expected


@pytest.mark.parametrize(
    "text", ["2026-11-22", "22.11.2026", "22 November 2026", "November 22nd, 2026", "2026-11-22T10:00:00Z"]
)
def test_a_date_has_one_key_however_it_is_written(text: str) -> None:
    """Texts that mean one day are linked by it."""
    assert keys(f"It was due on {text}.") == {"date": ["2026-11-22"]}


def test_a_date_says_no_more_than_the_text() -> None:
    """A month stays a month, and a day without a year is a day of any year."""
    assert keys("in March 2025, or on 3 May") == {"date": ["2025-03", "--05-03"]}


def test_tags_that_were_given_come_first() -> None:
    """A tag beside the text is the same as one within it."""
    found = entities_in("Sown #garden today", tags=("Garden", "home"))

    assert [(entity.kind, entity.key) for entity in found] == [("tag", "garden"), ("tag", "home")]


@pytest.mark.parametrize("unit", ["a@", "a.", "a/", "A ", "Ab", "#", "_", "1-", "a_", "`", "a.b_c-", "May "])
def test_a_text_made_to_take_long_is_read_all_the_same(unit: str) -> None:
    """No pattern looks at a text again and again: this would last for minutes if one did."""
    assert len(entities_in(unit * 10_000)) <= ENTITIES_MAX


@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=3))
def test_any_text_gives_few_things_each_once(text: str, tags: list[str]) -> None:
    """Whatever the text is, keys are bounded, not empty, and no two are equal."""
    found = entities_in(text, tags)
    pairs = [(entity.kind, entity.key) for entity in found]

    assert len(pairs) == len(set(pairs)) <= ENTITIES_MAX
    assert all(0 < len(key) <= KEY_CHARS_MAX for _, key in pairs)
