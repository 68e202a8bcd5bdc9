"""Promises of pi_rag/ingest/structure.py."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pi_rag.ingest import structure


def node(kind: str, text: str = "", page: int | None = 1, **more: Any) -> dict[str, Any]:
    """One node as the parser gives it."""
    return {"content": {"node_type": kind, "text": text, **more}, "page": page}


def as_markdown(
    nodes: Sequence[Mapping[str, Any]], plain: dict[int, str] | None = None
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Nodes of pages that hold nothing else, unless said."""
    return structure.as_markdown(nodes, plain or {})


def test_what_the_parser_leaves_out_of_a_page_is_put_at_its_end() -> None:
    """A running head may be the only place of a telephone number; what is there already is not repeated."""
    nodes = [node("paragraph", "The boiler is exam\x02ined.", 1), node("paragraph", "Paid.", 2)]
    plain = {1: "Phone (416) 555\nThe boiler is exam-\nined.", 2: "Phone (425) 111\nPaid."}

    text, pages = as_markdown(nodes, plain)

    assert text == "The boiler is examined.\n\nPhone (416) 555\n\nPaid.\n\nPhone (425) 111\n\n"
    assert [text[offset:][:3] for offset, _ in pages] == ["The", "Pai"]


def test_pages_begin_where_their_first_words_stand() -> None:
    """Offsets are into the text; a page without words has no entry."""
    text, pages = as_markdown(
        [node("paragraph", "One.", 1), node("page_break", page=None), node("heading", "Third", 3, level=2)]
    )
    assert text == "One.\n\n## Third\n\n"
    assert [(text[offset:].split("\n")[0], number) for offset, number in pages] == [
        ("One.", 1),
        ("## Third", 3),
    ]


def test_only_a_short_line_of_words_is_a_heading() -> None:
    """Formulas and addresses in large type are paragraphs."""
    for text in ("x = 1", "Two\nlines of it", "word " * 60):
        assert not as_markdown([node("heading", text, level=1)])[0].startswith("#")


def test_marks_tell_where_pages_begin() -> None:
    """They stand in paragraphs of their own, and are not part of the text."""
    nodes = [
        node("paragraph", text, None) for text in ("page-1", "Birds.", "page-2", "Bees.", "They say page-3.")
    ]
    text, pages = as_markdown(structure.by_marks(nodes, re.compile(r"page-(\d+)")))
    assert text == "Birds.\n\nBees.\n\nThey say page-3.\n\n"
    assert pages == ((0, 1), (8, 2))


def test_lists_and_tables_are_kept() -> None:
    """Each item is a line, each row is a line, and dashes below the first make it a table of Markdown."""
    cells = [{"content": text, "row": row} for row, text in ((0, "a"), (0, "b\nc"), (1, "1"), (1, "2"))]
    text, _ = as_markdown(
        [node("list"), node("list_item", "first"), node("table", grid={"rows": 2, "cells": cells})]
    )
    assert text == "- first\n\n| a | b c |\n| --- | --- |\n| 1 | 2 |\n\n"


def test_a_paragraph_does_not_turn_into_markup() -> None:
    """A line that Markdown would take for a heading or a fence is kept from it."""
    text, _ = as_markdown([node("paragraph", "# 5 of them\n---\n```\nend")])
    assert text == "\\# 5 of them\n\\---\n\\```\nend\n\n"


def test_words_parted_at_the_end_of_a_line_are_joined() -> None:
    """The parser marks a hyphenation; a reader searches for the word."""
    assert as_markdown([node("paragraph", "adip\x02iscing, co\xadoperate")])[0] == "adipiscing, cooperate\n\n"


def test_what_has_no_words_makes_no_text() -> None:
    """Groups, pictures, empty and unknown nodes."""
    assert as_markdown([node("group"), node("image"), node("paragraph", "  "), {}]) == ("", ())
