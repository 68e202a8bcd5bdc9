"""Tables of a web page that only lay it out: old pages and newsletters put their paragraphs into cells.

A converter would make one row of a whole page. It knows tables and what may stand in their cells by the
tags alone, and parses no tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TAG = re.compile(
    r"<!--(?:.*?-->|.*)|<(?P<raw>script|style)\b(?:.*?</(?P=raw)\b|.*)"
    r"|<(?P<end>/?)(?P<name>table|tr|t[dh]|tbody|thead|tfoot|p|br|div|h[1-6]|ul|ol|pre|blockquote|hr)"
    r"(?P<rest>(?=[\s/>])(?:(?:\"[^\"]*+\"|'[^']*+'|[^<>\"'])*+|[^<>]*+))>",
    re.IGNORECASE | re.DOTALL,
)
_SAID = re.compile(r"\brole\s*=\s*[\"']?(?:presentation|none)\b", re.IGNORECASE)
_PARTS = frozenset({"table", "tr", "td", "th", "tbody", "thead", "tfoot"})
BETWEEN = "<div></div>"
"""In the place of a tag of such a table: it parts what stands around it, and holds nothing."""


@dataclass(slots=True)
class _Table:
    """One that is open: its own tags, and what speaks for a table of data."""

    is_said: bool
    tags: list[tuple[int, int]] = field(default_factory=list)
    rows: int = 0
    cells: int = 0
    cells_max: int = 0
    has_blocks: bool = False

    def lays_out(self) -> bool:
        """Whether it has a single row or column, in which there is more than words."""
        return self.is_said or (self.has_blocks and min(self.rows, self.cells_max) <= 1)


def without_layout(page: str) -> str:
    """The page with breaks in the place of such tables. One that is never closed stays."""
    pieces: list[str] = []
    at = 0
    for start, end in sorted(_tags_of_layout(page)):
        pieces += (page[at:start], BETWEEN)
        at = end
    return "".join((*pieces, page[at:]))


def _tags_of_layout(page: str) -> list[tuple[int, int]]:
    """Where the tags of all such tables stand."""
    found: list[tuple[int, int]] = []
    tables: list[_Table] = []
    for tag in _TAG.finditer(page):
        name, is_end = (tag["name"] or "").lower(), bool(tag["end"])
        if name == "table" and not is_end:
            if tables:
                tables[-1].has_blocks = True
            tables.append(_Table(is_said=bool(_SAID.search(tag["rest"]))))
        if not name or not tables:
            continue
        _note(tables[-1], name, tag.span(), is_end=is_end)
        if name == "table" and is_end and (table := tables.pop()).lays_out():
            found += table.tags
    return found


def _note(table: _Table, name: str, span: tuple[int, int], *, is_end: bool) -> None:
    """A tag within a table, and in no other one that is within it."""
    if name not in _PARTS:
        table.has_blocks = True
        return
    table.tags.append(span)
    if name == "tr" and not is_end:
        table.rows, table.cells = table.rows + 1, 0
    elif name in {"td", "th"} and not is_end:
        table.rows = table.rows or 1
        table.cells += 1
        table.cells_max = max(table.cells_max, table.cells)
