"""Events and summaries in the order in which they happened: those before a moment, and those after it.

What happened at the same moment goes by its number, as it was stored. Facts have no place in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pi_rag.memory_types import Memory
from pi_rag.store import Connection
from pi_rag.store.memory import memories, scopes
from pi_rag.store.memory.scopes import Scopes
from pi_rag.store.rows import all_rows

LAST = 2**63 - 1
"""The largest number that the database can give."""


@dataclass(frozen=True, slots=True)
class Where:
    """Whose events: of one session, or of scopes."""

    scopes: Scopes
    session_id: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """A place in time, between two memories or at one."""

    at: float = math.inf
    id: int = LAST


def earlier(db: Connection, where: Where, moment: Moment, count: int) -> list[Memory]:
    """The last `count` before a moment, the newest first."""
    return _passed(db, where, "(at, id) < (?, ?)", "at DESC, id DESC", moment, count)


def later(db: Connection, where: Where, moment: Moment, count: int) -> list[Memory]:
    """The first `count` after a moment, the oldest first."""
    return _passed(db, where, "(at, id) > (?, ?)", "at, id", moment, count)


def _passed(db: Connection, where: Where, side: str, order: str, moment: Moment, count: int) -> list[Memory]:
    condition, bindings = scopes.within(where.scopes, "scope_id")
    given: list[Any] = [*bindings, moment.at, moment.id]
    if where.session_id is not None:
        condition, given = f"session_id = ? AND {condition}", [where.session_id, *given]
    sql = f"""
        SELECT id FROM memories WHERE {condition} AND {side} AND type <> 'fact' AND gone IS NULL
        ORDER BY {order} LIMIT ?
    """
    return memories.get(db, [row[0] for row in all_rows(db, sql, (*given, count))])
