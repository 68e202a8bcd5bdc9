"""Scopes: "user", "project:NAME", "agent:NAME". Each memory is in one, and none is seen from another.

A scope comes to be with the first memory or session in it. How a name must be is told at the desk.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pi_rag.errors import ScopeFull
from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, value

Scopes = Sequence[str] | None
"""The names of the scopes that count; None: all there are."""


def ensure(db: Connection, name: str) -> int:
    """The number of a scope, which is made if it is not there."""
    found = find(db, name)
    if found is None:
        db.execute("INSERT INTO memory_scopes (name) VALUES (?)", (name,))
        found = db.last_insert_rowid()
    return found


def claim(db: Connection, name: str, scopes_max: int) -> int:
    """As `ensure`, while there are not too many. Raises ScopeFull when there are `scopes_max` others."""
    found = find(db, name)
    if found is None and count(db) >= scopes_max:
        raise ScopeFull(
            f"There are {scopes_max} scopes already; {name} would be one more.",
            hint="Use one of them, or raise remember.scopes_max.",
        )
    return ensure(db, name)


def find(db: Connection, name: str) -> int | None:
    """The number of a scope; None when nothing was ever kept in it."""
    found: int | None = value(db, "SELECT id FROM memory_scopes WHERE name = ?", (name,))
    return found


def count(db: Connection) -> int:
    """How many there are."""
    return int(value(db, "SELECT count(*) FROM memory_scopes"))


def names(db: Connection) -> tuple[str, ...]:
    """All of them, in the order of their names."""
    return tuple(row[0] for row in all_rows(db, "SELECT name FROM memory_scopes ORDER BY name"))


def within(scopes: Scopes, column: str) -> tuple[str, list[str]]:
    """A condition on a column of scopes' numbers, and its bindings."""
    if scopes is None:
        return "TRUE", []
    known = "SELECT id FROM memory_scopes WHERE name IN (SELECT value FROM json_each(?))"
    return f"{column} IN ({known})", [json.dumps(list(scopes))]
