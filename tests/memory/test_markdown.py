"""Facts as a list in Markdown."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.memory.markdown import Section, items, written
from pi_rag.memory_types import NewFact
from tests.store.memory.keeping import fact

TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=60),
    st.sampled_from(
        ["**a**: b", "[note] x", "- x\n- y", "a\n\n  b\n# c", "x <!-- {} -->", "## user", "<!-- {"]
    ),
).filter(str.strip)
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
TIMES = st.sampled_from([1000.0, 1_800_000_000.0]) | st.floats(-62_135_596_800, 253_402_300_799)


@given(
    TEXTS,
    st.none() | WORDS,
    st.sampled_from(["preference", "decision", "instruction", "state", "note"]),
    st.lists(WORDS, max_size=2),
    st.floats(0, 1),
    st.booleans(),
    TIMES,
    st.none() | TIMES,
    st.none() | TIMES,
)
def test_what_is_written_is_read_again(
    text: str,
    topic: str | None,
    kind: str,
    tags: list[str],
    importance: float,
    pinned: bool,
    at: float,
    valid_to: float | None,
    expires_at: float | None,
) -> None:
    """Whatever a fact says, it comes back as it was, between two others."""
    it = replace(
        fact(text.strip(), topic),
        kind=kind,
        tags=tuple(tags),
        importance=importance,
        pinned=pinned,
        at=at,
        valid_to=valid_to,
        expires_at=expires_at,
    )

    read = list(items(written([Section("project:x", [fact("before"), it, fact("after")])]), "user"))

    assert [item.fact.text for item in read] == ["before", text.strip(), "after"]
    begins = at != it.created_at or valid_to is not None
    assert read[1].fact == NewFact(
        text.strip(),
        "project:x",
        topic,
        kind,  # type: ignore[arg-type]
        importance=importance,
        tags=tuple(tags),
        pinned=pinned,
        valid_from=at if begins else None,
        valid_to=valid_to,
        expires_at=expires_at,
    )


def test_a_list_of_a_person_is_read() -> None:
    """Plain items are notes of the scope asked for, until a heading names another; the rest is read over."""
    text = "# A\n\nB.\n\n- Milk is out\n* [state] **boiler**: off\n  since Monday\n\n## project:x\n+ Yes\n"
    text += "10. Ten\n    or so\n2) Two"

    assert [(item.line, item.fact) for item in items(text, "user")] == [
        (5, NewFact("Milk is out")),
        (6, NewFact("off\nsince Monday", topic="boiler", kind="state")),
        (10, NewFact("Yes", "project:x")),
        (11, NewFact("Ten\nor so", "project:x")),
        (13, NewFact("Two", "project:x")),
    ]


def test_a_summary_is_for_the_reader_alone() -> None:
    """What a session has left stands beside the facts, and is not taken for one."""
    summary = replace(fact("- all done\n- really"), type="summary", at=0.0)

    text = written([Section("user", [], [summary])])

    assert "### Session of 1970-01-01" in text
    assert list(items(text, "user")) == []


@pytest.mark.parametrize(
    "comment", ["<!-- {no json} -->", "<!-- {} --> more", '<!-- {"tags": 3, "pinned": 1, "text": "x"} -->']
)
def test_a_strange_comment_breaks_nothing(comment: str) -> None:
    """What is none of ours stays text, and wrong fields of ours are named."""
    [item] = items(f"- x {comment}", "user")

    assert item.fact.text.startswith("x")
    assert (item.fact.tags, item.fact.pinned) == ((), False)
    assert all(name in item.wrong for name in ("tags", "pinned", "text") if name in comment)
    assert bool(item.wrong) == ("tags" in comment)


@pytest.mark.parametrize(
    "comment",
    [
        '{"pinned": true} -- >',
        '{"pinned": true, } -->',
        '{"pinned": true}',
        "{tags: x} -->",
        '"topic": "x" -->',
    ],
)
def test_a_comment_that_was_meant_for_a_fact_is_no_text(comment: str) -> None:
    """One slip of the pen would else be remembered, and what it says be lost."""
    [item] = items(f"- x <!-- {comment}", "user")
    assert "Its comment says what cannot be" in item.wrong


def test_no_item_is_lost_for_where_it_stands() -> None:
    """What stands deeper in an item is a part of it, by tabs as by spaces; alone it is an item of its own."""
    for deeper in ("\t", "  ", "    "):
        text = f"{deeper}- a\n\n# B\n- c\n{deeper}- d\n- e"
        found = [" ".join(item.fact.text.split()) for item in items(text, "user")]
        assert found == ["a", "c - d", "e"]


@pytest.mark.parametrize(
    "heading", ["## Project: garden", "## Project:garden", "# users: me", "### AGENT :ann", "## user:"]
)
def test_a_heading_that_was_meant_for_a_scope_is_not_read_over(heading: str) -> None:
    """What stands beneath it would land in another scope than its writer thinks, until the next scope."""
    found = items(f"- a\n{heading}\n- b\n\n## agent:x\n- c\n## https://project:x\n- d", "user")

    assert [(item.fact.text, bool(item.wrong)) for item in found] == [
        ("a", False),
        ("b", True),
        ("c", False),
        ("d", False),
    ]


def test_a_time_is_a_date_to_the_reader() -> None:
    """Times are written as dates where these say all, and read as dates or seconds; others are named."""
    lasts = replace(fact("x"), at=0.0, valid_to=86_400.5)

    text = written([Section("user", [lasts])])

    assert (
        '{"valid_from": "1970-01-01T00:00:00+00:00", "valid_to": "1970-01-02T00:00:00.500000+00:00"}' in text
    )
    [item] = items('- x <!-- {"valid_from": 5, "valid_to": "soon"} -->', "user")
    assert (item.fact.valid_from, item.fact.valid_to) == (5, None)
    assert "valid_to" in item.wrong


def test_a_day_holds_until_its_end() -> None:
    """As at the command line: until a day is all of it, from a day is from its beginning."""
    day = '"2026-03-31"'
    comment = f'{{"valid_from": {day}, "valid_to": {day}, "expires_at": {day}}}'

    [item] = items(f"- x <!-- {comment} -->", "user")

    begins, ends = datetime(2026, 3, 31).timestamp(), datetime(2026, 4, 1).timestamp()
    assert (item.fact.valid_from, item.fact.valid_to, item.fact.expires_at) == (begins, ends, ends)
