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


def as_markdown(
    nodes: Sequence[Mapping[str, Any]], plain: Mapping[int, str]
) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text, and (offset in characters, page number) of each page that has text, ascending.

    `plain` is each page's bare text by its number. The parser leaves out of its nodes what it takes for the
    running head or foot of a page, which may be the only place of a telephone number: such lines are put at
    the end of their page.
    """
    blocks: dict[int, list[str]] = {page: [] for page in sorted(plain)}
    current = min(plain, default=1)
    for node in nodes:
        current = max(current, int(node.get("page") or current))
        if block := _block(node.get("content") or {}):
            blocks.setdefault(current, []).append(block)
    for page, text in plain.items():
        blocks[page] += _left_out(text, blocks[page])
    return joined(blocks)


def by_marks(nodes: Sequence[Mapping[str, Any]], mark: re.Pattern[str]) -> list[Mapping[str, Any]]:
    """The nodes with their pages, from `mark` in a paragraph of its own before each page; without the marks.

    The parser tells the page of few nodes of a presentation, but puts marks where it is asked to.
    """
    page, found = 1, list[Mapping[str, Any]]()
    for node in nodes:
        if at := mark.fullmatch(str((node.get("content") or {}).get("text") or "").strip()):
            page = int(at[1])
        else:
            found.append({**node, "page": page})
    return found


def joined(blocks: Mapping[int, Sequence[str]]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The blocks of each page with blank lines between, and (offset, page number) of each page with text."""
    parts: list[str] = []
    starts: list[tuple[int, int]] = []
    length = 0
    for page, all_of_page in sorted(blocks.items()):
        if of_page := [block for block in all_of_page if block.strip()]:
            starts.append((length, page))
            parts.append("".join(f"{block}\n\n" for block in of_page))
            length += len(parts[-1])
    return "".join(parts), tuple(starts)


def _left_out(plain: str, blocks: Sequence[str]) -> list[str]:
    """The lines of a page that have a word which none of its blocks has, in one block more."""
    there = _bare("".join(blocks))
    lines = [line.strip() for line in plain.translate(_UNWANTED).splitlines()]
    lost = [line for line in lines if any(_bare(word) not in there for word in line.split())]
    return ["\n".join(_LOOKS_LIKE_MARKUP.sub(r"\\", line) for line in lost)] if lost else []


def _bare(text: str) -> str:
    """Letters and digits alone: a word that was parted at the end of a line is then found whole."""
    return "".join(char for char in text.casefold() if char.isalnum())


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
    """Rows in order, cells parted by bars, and the line of dashes below the first that makes it a table."""
    rows: dict[int, list[str]] = {}
    for cell in grid.get("cells") or ():
        text = " ".join(str(cell.get("content") or "").translate(_UNWANTED).split())
        rows.setdefault(int(cell.get("row") or 0), []).append(text)
    lines = [f"| {' | '.join(cells)} |" for _, cells in sorted(rows.items())]
    if lines:
        lines.insert(1, f"|{' --- |' * max(len(cells) for cells in rows.values())}")
    return "\n".join(lines)
