"""Promises of pi_rag/ingest/structure.py."""

from __future__ import annotations

from typing import Any

from pi_rag.ingest.structure import as_markdown


def node(kind: str, text: str = "", page: int | None = 1, **more: Any) -> dict[str, Any]:
    """One node as the parser gives it."""
    return {"content": {"node_type": kind, "text": text, **more}, "page": page}


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


def test_lists_and_tables_are_kept() -> None:
    """Each item is a line, each row is a line."""
    cells = [{"content": text, "row": row} for row, text in ((0, "a"), (0, "b\nc"), (1, "1"), (1, "2"))]
    text, _ = as_markdown(
        [node("list"), node("list_item", "first"), node("table", grid={"rows": 2, "cells": cells})]
    )
    assert text == "- first\n\n| a | b c |\n| 1 | 2 |\n\n"


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
