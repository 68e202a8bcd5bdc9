"""From a list of document nodes to Markdown, with the offset where each page begins.

The nodes are what the parser found on the pages of a PDF: headings, paragraphs, lists, tables. Its own
Markdown does not say where a page begins, and escapes characters that a search would trip over.
It reads no file and does not know the parser beyond the shape of a node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

HEADING_CHARS_MAX = 120
"""A longer one is a paragraph in bold."""

_LETTERS = re.compile(r"[^\W\d_]{3}")
_UNWANTED = {0x02: None, 0xAD: None, 0xFFFE: None}
"""Hyphens at the end of a line, as the parser writes them: the two halves are one word."""

_LOOKS_LIKE_MARKUP = re.compile(r"^(?= {0,3}(?:#{1,6}(?:\s|$)|```|~~~|(?:==+|---+)[ \t]*$))", re.MULTILINE)


def as_markdown(nodes: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text, and (offset in characters, page number) of each page that has text, ascending."""
    parts: list[str] = []
    pages: list[tuple[int, int]] = []
    length = 0
    for node in nodes:
        block = _block(node.get("content") or {})
        if not block:
            continue
        page = node.get("page")
        if page is not None and (not pages or page > pages[-1][1]):
            pages.append((length, int(page)))
        parts.append(block + "\n\n")
        length += len(parts[-1])
    return "".join(parts), tuple(pages)


def _block(content: Mapping[str, Any]) -> str:
    """The Markdown of one node; empty for those that only hold others."""
    kind = content.get("node_type")
    if kind == "table":
        return _table(content.get("grid") or {})
    if kind in {"group", "image", "page_break", "list"}:
        return ""
    text = str(content.get("text") or "").translate(_UNWANTED).replace("\r\n", "\n").strip()
    if kind in {"heading", "title"} and _is_heading(text):
        return f"{'#' * _level(content)} {text}"
    text = _LOOKS_LIKE_MARKUP.sub(r"\\", text)
    return f"- {text}" if kind == "list_item" and text else text


def _level(content: Mapping[str, Any]) -> int:
    return min(max(int(content.get("level") or 1), 1), 6)


def _is_heading(text: str) -> bool:
    """Large type is taken for a heading by the parser; a formula or an address in large type is none."""
    return len(text) <= HEADING_CHARS_MAX and "\n" not in text and bool(_LETTERS.search(text))


def _table(grid: Mapping[str, Any]) -> str:
    """Rows in order, cells parted by bars, as much of a table as words need."""
    rows: dict[int, list[str]] = {}
    for cell in grid.get("cells") or ():
        text = " ".join(str(cell.get("content") or "").translate(_UNWANTED).split())
        rows.setdefault(int(cell.get("row") or 0), []).append(text)
    return "\n".join(f"| {' | '.join(cells)} |" for _, cells in sorted(rows.items()))
