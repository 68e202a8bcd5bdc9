"""The rows of a damaged database, put into a new one as they were: each that fits its table, and no other.

Nothing is judged here but whether a row can be one of its table. What can be made from others is left out. A
text that is no text any more comes with marks in the place of what is damaged, and is noted.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import apsw

from pi_rag.store import Connection, jobs
from pi_rag.store.rows import all_rows, value
from pi_rag.store.salvage.cells import Cell, Unreadable, Value
from pi_rag.store.salvage.layout import Layout, Table
from pi_rag.store.salvage.trees import Forest
from pi_rag.store.vectors import FLOAT_BYTES
from pi_rag.types import Fingerprint

DERIVED = frozenset({"query_uses", "query_vectors", "removed_chunks", "memory_signs", "sqlite_sequence"})
"""Made anew, or missed by nobody; so are the word indexes."""

PASSING_NOTES = frozenset({"index_snapshot", "reindex", "log_holds_erased", "query_vectors_of"})
"""What `meta` says of things that are not taken along."""

FINGERPRINTS = {"vectors": "fingerprint", "memory_vectors": "memory_fingerprint"}

NORM_ERROR_MAX = 1e-3
"""How far from 1 the length of a vector may be. A flipped bit that matters moves it further."""

_EMPTY_JSON = {
    ("documents", "metadata"): "{}",
    ("document_items", "metadata"): "{}",
    ("memories", "tags"): "[]",
}
"""A row is not given up for these."""


@dataclass(slots=True)
class Filled:
    """What came of it, by the names of tables."""

    saved: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    """Cells that are no rows or none of their table, and rows that come twice."""
    suspect: dict[str, set[int]] = field(default_factory=dict)
    """Rows of which something is known to be wrong."""

    def note(self, table: str, rowid: Value) -> None:
        """Something is wrong with this row."""
        self.suspect.setdefault(table, set()).add(rowid)


def fill(db: Connection, forest: Forest, layout: Layout) -> Filled:
    """Put what fits into an empty database of the same schema, in one transaction for each table."""
    filled = Filled()
    names = sorted(layout.schema.tables, key=lambda name: (name != "meta", name))
    for name in names:
        if name in layout.roots and name not in DERIVED and not _is_of_words(name):
            db.execute("BEGIN IMMEDIATE")
            _fill_table(db, forest, layout, layout.schema.tables[name], filled)
            db.execute("COMMIT")
    _number_on(db, forest, layout)
    return filled


def missing(layout: Layout) -> list[str]:
    """Tables that there must be and that were not found: what they held is lost. Derived ones are no loss."""
    names = layout.schema.tables.keys() - layout.roots.keys() - DERIVED
    return sorted(name for name in names if not _is_of_words(name))


VOUCHED = frozenset({"chunks", "document_texts", "memory_parts", "memory_vectors", "vectors"})
"""Of what their pages held another table knows, so that a loss is named."""


def unvouched(forest: Forest, layout: Layout, filled: Filled) -> list[str]:
    """Tables of which a page or a row cannot be read, where what it held may be missed by nobody."""
    names = layout.roots.keys() & layout.schema.tables.keys() - DERIVED - VOUCHED
    return sorted(
        name
        for name in names
        if not _is_of_words(name) and (filled.refused.get(name) or forest.unread(layout.roots[name]))
    )


def _is_of_words(table: str) -> bool:
    return table.startswith(("chunks_fts", "hashes_fts", "memory_fts"))


def _fill_table(db: Connection, forest: Forest, layout: Layout, table: Table, filled: Filled) -> None:
    saved = refused = 0
    sql = f'INSERT INTO "{table.name}" ({{}}) VALUES ({{}})'
    width = _width(db, table.name)
    for cell in forest.rows(layout.roots[table.name], of_an_index=table.without_rowid):
        row = _row(table, cell, filled)
        if row is not None and table.name == "meta" and row[0] in PASSING_NOTES:
            continue
        if row is None or not _is_plausible(table.name, row, width):
            refused += 1
            continue
        columns = ", ".join(f'"{column.name}"' for column in table.columns[: len(row)])
        try:
            db.execute(sql.format(columns, ", ".join("?" * len(row))), row)
            saved += 1
        except apsw.ConstraintError:
            refused += 1
            filled.note(table.name, row[0])
    refused += forest.skipped(layout.roots[table.name])
    filled.saved[table.name], filled.refused[table.name] = saved, refused


def _row(table: Table, cell: Cell, filled: Filled) -> tuple[Value, ...] | None:
    """The row as it can be stored; what is damaged in it is noted, where the rest is worth having."""
    row = table.row(cell)
    if row is None:
        return None
    values = list(row)
    for place, column in enumerate(table.columns[: len(row)]):
        if isinstance(values[place], Unreadable):
            values[place] = values[place].data.decode("utf-8", "replace")
            filled.note(table.name, cell.rowid or values[0])
        if (table.name, column.name) in _EMPTY_JSON and not _is_json(values[place]):
            values[place] = _EMPTY_JSON[table.name, column.name]
            filled.note(table.name, cell.rowid or values[0])
    return tuple(values)


def _is_json(text: Value) -> bool:
    try:
        json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _width(db: Connection, table: str) -> int:
    """Bytes of a vector of this table, by the model that made them; 0 where that is not known."""
    key = FINGERPRINTS.get(table)
    model = read_fingerprint(value(db, "SELECT value FROM meta WHERE key = ?", (key,))) if key else None
    return model.dimensions * FLOAT_BYTES if model else 0


def read_fingerprint(text: Value) -> Fingerprint | None:
    """A fingerprint as `meta` has it; None for what is none any more."""
    try:
        found = Fingerprint(**json.loads(text))
    except (ValueError, TypeError):
        return None
    return found if isinstance(found.dimensions, int) and 0 < found.dimensions <= 65536 else None


def _is_plausible(table: str, row: tuple[Value, ...], width: int) -> bool:
    if table in FINGERPRINTS:
        return len(row) == 2 and width > 0 and len(row[1]) == width and is_unit(row[1])
    if table == "meta":
        is_model = row[0] in FINGERPRINTS.values()
        is_number = row[0] != jobs.ENDS or row[1].isdecimal()
        return is_number and (not is_model or read_fingerprint(row[1]) is not None)
    return True


def is_unit(vector: bytes) -> bool:
    """Whether these are float32 numbers of a vector of length 1; what is not finite never is."""
    return abs(math.hypot(*array("f", vector)) - 1.0) <= NORM_ERROR_MAX


def _number_on(db: Connection, forest: Forest, layout: Layout) -> None:
    """No number that was given once is given again: each table goes on from where it was."""
    noted = dict(_sequences(forest, layout))
    for (name,) in all_rows(db, "SELECT name FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%'"):
        highest = value(db, f'SELECT max(rowid) FROM "{name}"') or 0
        db.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        last = max(highest, noted.get(name, 0))
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, last))


NUMBERS_MAX = 2**32
"""A table that says it has given more numbers is not believed."""


def _sequences(forest: Forest, layout: Layout) -> Iterator[tuple[str, int]]:
    root = layout.roots.get("sqlite_sequence")
    for cell in forest.rows(root, of_an_index=False) if root else ():
        if len(cell.values) == 2 and isinstance(cell.values[0], str) and isinstance(cell.values[1], int):
            yield cell.values[0], cell.values[1] if 0 < cell.values[1] < NUMBERS_MAX else 0
