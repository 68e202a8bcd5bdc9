"""Asking the database: rows of columns whose types the SQL decides and the caller knows.

Every statement is read to its end, so that no cursor stays open behind a transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pi_rag.store import Connection

Row = tuple[Any, ...]

BEYOND = 2**62
"""No row has such a number."""


def all_rows(db: Connection, sql: str, bindings: Sequence[Any] = ()) -> list[Row]:
    """Every row of the answer."""
    return db.execute(sql, tuple(bindings)).fetchall()


def columns(db: Connection, names: Sequence[str], sql: str, bindings: Sequence[Any] = ()) -> list[list[Any]]:
    """A list for each of these columns of every row, numbers alone, in one step of the statement.

    Python's lock is let go and taken again at every step, and where other threads work each waits for its
    turn: fifty rows of a search had fifty turns to wait for. They come in the order of `sql`, as SQLite hands
    them on.
    """
    gathered = ", ".join(f"json_group_array({name})" for name in names)
    row = all_rows(db, f"SELECT {gathered} FROM ({sql})", bindings)[0]
    return [json.loads(column) for column in row]


def one_row(db: Connection, sql: str, bindings: Sequence[Any] = ()) -> Row | None:
    """The first row; None when there is none."""
    found = all_rows(db, sql, bindings)
    return found[0] if found else None


def value(db: Connection, sql: str, bindings: Sequence[Any] = ()) -> Any:
    """The first column of the first row; None when there is none."""
    found = one_row(db, sql, bindings)
    return found[0] if found else None


def below(after: int | None) -> int:
    """The number that a page's numbers are below: that of the last one seen, or one beyond all there are."""
    return BEYOND if after is None else after
