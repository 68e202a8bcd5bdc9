"""The rows of tables: texts of separated values (CSV, TSV), and tables within Markdown.

Every row below the header has the header as its context. What is no table for certain is left alone: a wrong
guess would only cost a context, but so would none. Quotes are read as RFC 4180 has them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice, pairwise

from pi_rag.text.outline import label
from pi_rag.text.records import ROW_CHARS_MIN, Record, joined
from pi_rag.text.turns import stamp

SAMPLE_ROWS = 50
"""So many rows tell whether a text is a table; a million others need not be asked."""

ROWS_MIN = 3
"""A header and two rows. Two lines with as many commas may be anything."""

QUOTED_LINES_MAX = 50
"""A cell of more lines than this was not closed: then its quote is a character like any other."""

ROW_CHARS_MAX = 20_000
"""A longer line is no row, but a text without line breaks."""

RULE_LINES_MAX = 4
"""So far down the dashes are looked for: a line with a bar may stand right above a table."""

SEPARATORS = "\t;,|"
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_FIELD = {mark: re.compile(rf'[ ]*+"(?:[^"]|"")*+"[^{mark}]*+|[^{mark}]*+') for mark in SEPARATORS}
_OPENED = {mark: re.compile(rf'(?:^|[{mark}])[ ]?"') for mark in SEPARATORS}
_NUMBER = re.compile(r"[-+]?[\d.,:/% -]*\d[\d.,:/% -]*")
_YEAR = re.compile(r"(?:19|20)\d\d")
_MARKDOWN_ROWS = re.compile(r"(?:^(?=[^\n|]*\|)[^\n]+(?:\n|\Z)){2,}", re.MULTILINE)
_RULE = re.compile(r"[ \t>]*+\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?\s*+")
_BARRED = re.compile(r"[ \t>]{0,20}\|[^\n]*\|\s*")


def separated_rows(text: str) -> list[Record]:
    """All rows of a text that is one table of separated values; empty when it is none."""
    for mark in SEPARATORS:
        sample = list(islice(_rows(text, mark), SAMPLE_ROWS))
        if _is_table([text[start:end] for start, end in sample], mark):
            header = _header(_fields(text[slice(*sample[0])], mark))
            return list(joined(_under(header, _rows(text, mark)), ROW_CHARS_MIN))
    return []


def markdown_rows(text: str) -> list[Record]:
    """The rows of all tables within a Markdown text, ascending; what is between the tables is left out.

    A table has a line of dashes below its header, or a bar at both ends of every line.
    """
    found: list[Record] = []
    for block in _MARKDOWN_ROWS.finditer(text):
        found += joined(_markdown_table(text, block), ROW_CHARS_MIN)
    return found


def _markdown_table(text: str, block: re.Match[str]) -> Iterator[Record]:
    """The rows of one block of lines that have a bar each; the dashes belong to the header."""
    first = [line.span() for line in islice(_LINE.finditer(text, *block.span()), RULE_LINES_MAX)]
    rule = next((n for n, line in enumerate(first) if n and _RULE.fullmatch(text, *line)), 0)
    if not rule and not _is_barred(text, block):
        return iter(())
    head = first[max(0, rule - 1)][0], first[rule][1]
    header = _header(text[head[0] : first[max(0, rule - 1)][1]].strip("|> \t\r\n").split("|"))
    rows = (line.span() for line in _LINE.finditer(text, head[1], block.end()))
    return _under(header, chain((head,), rows))


def _is_barred(text: str, block: re.Match[str]) -> bool:
    """Whether it has some lines, each from bar to bar."""
    if len(list(islice(_LINE.finditer(text, *block.span()), ROWS_MIN))) < ROWS_MIN:
        return False
    return all(_BARRED.fullmatch(text, *line.span()) for line in _LINE.finditer(text, *block.span()))


def _under(header: str, rows: Iterable[tuple[int, int]]) -> Iterator[Record]:
    """Rows as records; all but the first are read under the header."""
    above = (header,) if header else ()
    for number, (start, end) in enumerate(rows):
        yield Record(start, end, above if number else (), above)


def _rows(text: str, mark: str) -> Iterator[tuple[int, int]]:
    """Start and end of each row: a line, or several when a quoted cell has line breaks."""
    start = 0
    while start < len(text):
        end = _line_end(text, start)
        if text.count('"', start, end) % 2 and _OPENED[mark].search(text[start:end]):
            end = _closed(text, end) or end
        yield start, end
        start = end


def _closed(text: str, end: int) -> int:
    """The end of the line that closes a cell which is open at `end`; 0 when none near does."""
    for _ in range(QUOTED_LINES_MAX):
        if end >= len(text):
            return 0
        start, end = end, _line_end(text, end)
        if text.count('"', start, end) % 2:
            return end
    return 0


def _line_end(text: str, start: int) -> int:
    return text.find("\n", start) + 1 or len(text)


def _is_table(rows: Sequence[str], mark: str) -> bool:
    """Whether nearly all rows have as many cells, and the marks part cells rather than sentences."""
    rows = [row for row in rows if row.strip()]
    if len(rows) < ROWS_MIN or mark not in rows[0] or len(max(rows, key=len)) > ROW_CHARS_MAX:
        return False
    counts = Counter(len(_fields(row, mark)) for row in rows)
    usual, often = counts.most_common(1)[0]
    if len(_fields(rows[0], mark)) != usual or usual < 2 or often * 10 < len(rows) * 9:
        return False
    whole = "".join(rows)
    return mark in "\t|" or whole.count(mark + " ") * 2 < whole.count(mark)


def _fields(row: str, mark: str) -> list[str]:
    """The cells of a row, without their quotes."""
    cells, at, row = [], 0, row.rstrip("\r\n")
    while at <= len(row):
        cell = _FIELD[mark].match(row, at)
        assert cell is not None, "the pattern matches nothing too"
        cells.append(cell[0].strip().strip('"'))
        at = cell.end() + 1
    return cells


def _header(cells: Sequence[str]) -> str:
    """The names of the columns on one line; empty when the first row has values as the others do."""
    named = [cell.strip() for cell in cells if cell.strip()]
    values = [cell for cell in named if _NUMBER.fullmatch(cell[:50]) or stamp(cell, 0)]
    if len(named) * 2 < len(cells) or (values and not _are_years(values)):
        return ""
    return label(" | ".join(named))


def _are_years(values: Sequence[str]) -> bool:
    """Whether they are some years one after the other, which head columns."""
    years = [int(value) for value in values if _YEAR.fullmatch(value)]
    steps = {later - earlier for earlier, later in pairwise(years)}
    return len(years) == len(values) and steps in ({1}, {-1})
