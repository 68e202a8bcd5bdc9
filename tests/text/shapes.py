"""Texts of every shape for properties: rows, turns, entries, elements, and what only looks like them."""

from __future__ import annotations

import json

from hypothesis import strategies as st

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n\r|\"'"), max_size=60)
CELLS = st.one_of(
    WORDS, st.from_regex(r"-?[0-9]{1,6}(\.[0-9]{2})?", fullmatch=True), st.just('"a, ""b""\nc"')
)


def _csv(rows: list[list[str]], mark: str) -> str:
    return "".join(mark.join(row) + "\n" for row in rows)


def _markdown(rows: list[list[str]]) -> str:
    head, *rest = ["| " + " | ".join(cell.replace("\n", " ") for cell in row) + " |\n" for row in rows]
    return f"# Prices\n\nWhat it costs.\n\n{head}|---|---|---|\n{''.join(rest)}\nAnd no more.\n"


def _chat(said: list[tuple[str, str]], form: str) -> str:
    lines = [form.format(n // 60 % 24, n % 60, who, what) for n, (who, what) in enumerate(said)]
    return "Time: 20260506_12:00\n" + "\n".join(lines)


ROWS = st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=3, max_size=30)
SAID = st.lists(st.tuples(st.sampled_from(["Ann", "Bob B."]), WORDS), min_size=4, max_size=30)
FORMS = (
    "{2}: {3}",
    "**{2}:** {3}",
    "[02/01/2024, {0:02}:{1:02}:00] {2}: {3}",
    "2024-01-02T{0:02}:{1:02}:00.123Z {3}",
)
JSON = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(max_size=80)),
    lambda inner: st.one_of(st.lists(inner, max_size=8), st.dictionaries(WORDS, inner, max_size=8)),
    max_leaves=60,
)
SETTINGS = ("[a.b]\n", "# c\n", "key = 1\n", "top:\n", "  - x\n", "k: v\n", "\n")
SCRAPS = (
    *'",|-:{}[]\n a1é\u0301\\',
    *("Ann: ", "12:30 ", "2024-01-02", "|---|", "\r\n", "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}"),
)
SHAPED = st.one_of(
    st.builds(_csv, ROWS, st.sampled_from(list(",;\t|"))),
    st.builds(_markdown, ROWS),
    st.builds(_chat, SAID, st.sampled_from(FORMS)),
    st.builds(json.dumps, JSON, indent=st.sampled_from([None, 1]), ensure_ascii=st.booleans()),
    st.lists(st.builds(json.dumps, JSON), max_size=20).map("\n".join),
    st.lists(st.sampled_from(SETTINGS)).map("".join),
    st.lists(st.sampled_from(SCRAPS), max_size=200).map("".join),
)
"""Well-formed or not: what cuts a text must keep its promises of both."""
