"""Scopes: "user", "project:NAME", "agent:NAME". Each memory is in one, and none is seen from another.

A scope comes to be with the first memory or session in it, and counts no more when nothing is left there. How
a name must be is told at the desk.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from pi_rag.errors import ScopeFull
from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, value

Scopes = Sequence[str] | None
"""The names of the scopes that count; None: all there are."""


ALWAYS: Final = "user"

_EMPTY: Final = "facts + events + summaries + gone = 0"
_HAS_SESSIONS: Final = "EXISTS (SELECT 1 FROM memory_sessions WHERE scope_id = memory_scopes.id)"


def ensure(db: Connection, name: str) -> int:
    """The number of a scope, which is made if it is not there."""
    found = find(db, name)
    if found is None:
        db.execute("INSERT INTO memory_scopes (name) VALUES (?)", (name,))
        found = db.last_insert_rowid()
    return found


def claim(db: Connection, name: str, scopes_max: int, idle_since: float) -> int:
    """As `ensure`, while not too many others hold something. The scope `user` is always there to be had.

    `idle_since`: sessions in which nothing was logged since are over, and hold no scope by themselves.
    Raises ScopeFull.
    """
    if name != ALWAYS and not _is_used(db, name) and count(db) >= scopes_max:
        give_back(db, idle_since)
        if count(db) >= scopes_max:
            raise ScopeFull(
                f"There are {scopes_max} scopes already; {name} would be one more.",
                hint="Use one of them, erase all that is in one (forget, then forget --hard), or raise "
                "remember.scopes_max.",
            )
    return ensure(db, name)


def give_back(db: Connection, idle_since: float) -> None:
    """Where nothing is kept, the sessions that are over go, and with them the scope; but not while a line of
    the audit log is of it.
    """
    sql = f"""
        DELETE FROM memory_sessions
        WHERE (ended_at IS NOT NULL OR last_at < ?)
            AND scope_id IN (SELECT id FROM memory_scopes WHERE {_EMPTY})
    """
    db.execute(sql, (idle_since,))
    db.execute(f"""
        DELETE FROM memory_scopes WHERE {_EMPTY} AND NOT {_HAS_SESSIONS}
            AND NOT EXISTS (SELECT 1 FROM memory_changes WHERE scope_id = memory_scopes.id)
    """)


def find(db: Connection, name: str) -> int | None:
    """The number of a scope; None when nothing was ever kept in it."""
    found: int | None = value(db, "SELECT id FROM memory_scopes WHERE name = ?", (name,))
    return found


def count(db: Connection) -> int:
    """How many hold something, beside `user`."""
    sql = f"SELECT count(*) FROM memory_scopes WHERE name <> ? AND NOT ({_EMPTY} AND NOT {_HAS_SESSIONS})"
    return int(value(db, sql, (ALWAYS,)))


def _is_used(db: Connection, name: str) -> bool:
    sql = f"SELECT 1 FROM memory_scopes WHERE name = ? AND NOT ({_EMPTY} AND NOT {_HAS_SESSIONS})"
    return value(db, sql, (name,)) is not None


def names(db: Connection) -> tuple[str, ...]:
    """All of them, in the order of their names."""
    return tuple(row[0] for row in all_rows(db, "SELECT name FROM memory_scopes ORDER BY name"))


def within(scopes: Scopes, column: str) -> tuple[str, list[str]]:
    """A condition on a column of scopes' numbers, and its bindings."""
    if scopes is None:
        return "TRUE", []
    known = "SELECT id FROM memory_scopes WHERE name IN (SELECT value FROM json_each(?))"
    return f"{column} IN ({known})", [json.dumps(list(scopes))]
