"""What a database holds, as a few checksums: the same for the same rows, however they lie in pages.

Each table is one sha256 over its rows in the order of their key. A value goes in as its kind, its length in
bytes and its bytes, so that no two rows read alike. A large value is read piece by piece: what is hashed may
be larger than the RAM that may be spent on it.

It knows which tables are content and which are derived from it or pass by, and nothing else of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pi_rag.store import Connection
from pi_rag.store.rows import Row, all_rows

CONTENT = {
    "documents": ("collections", "documents", "document_texts"),
    "passages": ("chunks",),
    "vectors": ("vectors",),
    "memories": (
        "memory_scopes",
        "memory_sessions",
        "memories",
        "memory_texts",
        "memory_changes",
        "memory_changed",
    ),
}
"""What people and agents gave, and what was made of it at some cost. The other tables are the queue, notes
for the next start, and what can be made from these."""

CARD = "pi_rag_backup"
"""The one table that a backup has and its database has not."""

PIECE_BYTES = 64 * 1024
"""A value above this is read in pieces of this size."""

ROWS = 256
"""Rows between two pauses."""

Pause = Callable[[int], object]
"""Called with the bytes that were hashed since the last time; it may wait, or raise to end it."""


def no_pause(_: int) -> None:
    """Go on at once."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The checksums of one state of one database, in hexadecimal."""

    sections: Mapping[str, str]
    """By the names of CONTENT."""
    content: str
    """Of all sections: equal where the same documents, passages, vectors and memories are."""
    whole: str
    """Of every row of every table, the queue and the word index included."""


def digest(db: Connection, pause: Pause = no_pause) -> Digest:
    """The checksums of what this connection sees. Raises apsw.CorruptError where it cannot be read."""
    tables = {name: _of_table(db, name, wr, pause) for name, wr in _tables(db)}
    sections = {
        section: _together({name: tables[name] for name in names if name in tables})
        for section, names in CONTENT.items()
    }
    return Digest(sections, _together(sections), _together(tables))


def _together(digests: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{name} {each}\n" for name, each in digests.items()).encode()).hexdigest()


def _tables(db: Connection) -> list[Row]:
    """(name, whether it is WITHOUT ROWID) of every table that lies in the file, by name."""
    sql = """
        SELECT name, wr FROM pragma_table_list
        WHERE schema = 'main' AND type IN ('table', 'shadow') AND name NOT GLOB 'sqlite_*' AND name <> ?
        ORDER BY name
    """
    return all_rows(db, sql, (CARD,))


def _of_table(db: Connection, table: str, without_rowid: bool, pause: Pause) -> str:
    columns = all_rows(db, "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid", (table,))
    found = hashlib.sha256(",".join(name for name, _, _ in columns).encode())
    done = 0
    for number, row in enumerate(db.execute(_sql(table, columns, without_rowid)), 1):
        row_id, is_large, *values = row
        if is_large:
            done += _large_row(db, found, table, [name for name, _, _ in columns], row_id, values)
        else:
            done += _feed(found, values)
        if number % ROWS == 0 or is_large:
            pause(done)
            done = 0
    pause(done)
    return found.hexdigest()


def _sql(table: str, columns: list[Row], without_rowid: bool) -> str:
    """Texts come as their bytes, so that damaged ones can be hashed too; large values do not come at all."""
    sizes = ", ".join(f'ifnull(octet_length("{name}"), 0)' for name, _, _ in columns)
    keys = [name for name, _, pk in sorted(columns, key=lambda column: column[2]) if pk]
    order = ", ".join(f'"{key}"' for key in keys) if without_rowid else "rowid"
    values = (
        f'CASE WHEN octet_length("{name}") > {PIECE_BYTES} THEN NULL ELSE {_as_bytes(name, kind)} END'
        for name, kind, _ in columns
    )
    row_id = "NULL" if without_rowid else "rowid"
    # A row WITHOUT ROWID cannot be read in pieces. Ours are keys and numbers.
    is_large = "0" if without_rowid else f"max(0, {sizes}) > {PIECE_BYTES}"
    if without_rowid:
        values = (_as_bytes(name, kind) for name, kind, _ in columns)
    return f'SELECT {row_id}, {is_large}, {", ".join(values)} FROM "{table}" ORDER BY {order}'


def _as_bytes(name: str, kind: str) -> str:
    return f'CAST("{name}" AS BLOB)' if kind == "TEXT" else f'"{name}"'


def _feed(found: Any, values: list[Any]) -> int:
    """Hash a row; how many bytes that were."""
    data = b"".join(map(_encoded, values))
    found.update(data)
    return len(data)


def _encoded(value: Any) -> bytes:
    if value is None:
        return b"N"
    if isinstance(value, int):
        return b"I%d;" % value
    if isinstance(value, float):
        return b"F" + struct.pack("<d", value)
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return b"B%d:" % len(data) + data


def _large_row(
    db: Connection, found: Any, table: str, names: list[str], row_id: int, values: list[Any]
) -> int:
    """A row of which some values did not come, hashed as if they had."""
    return sum(
        _feed(found, [value]) if value is not None else _in_pieces(db, found, table, name, row_id)
        for name, value in zip(names, values, strict=True)
    )


def _in_pieces(db: Connection, found: Any, table: str, name: str, row_id: int) -> int:
    size = db.execute(f'SELECT octet_length("{name}") FROM "{table}" WHERE rowid = ?', (row_id,)).get
    if size is None:
        return _feed(found, [None])
    with contextlib.closing(db.blob_open("main", table, name, row_id, False)) as blob:
        found.update(b"B%d:" % size)
        while piece := blob.read(PIECE_BYTES):
            found.update(piece)
    return int(size)
