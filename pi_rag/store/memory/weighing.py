"""How full a scope is, and what might give way when it is: as little as weighing needs.

What is worth less than what is decided elsewhere. It changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pi_rag.memory_types import Trust
from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, one_row, value


@dataclass(frozen=True, slots=True)
class Weighable:
    """A fact in force that nobody has pinned."""

    id: int
    kind: str
    trust: Trust
    importance: float
    confidence: float
    uses: int
    repeats: int
    touched_at: float
    """When it was last said or recalled."""
    ends_at: float | None
    """When it expires or is true no more, whichever is first."""


def load(db: Connection, scope: str) -> tuple[int, int]:
    """How many facts, and how many events and summaries, are in force in a scope."""
    row = one_row(db, "SELECT facts, events + summaries FROM memory_scopes WHERE name = ?", (scope,))
    return (0, 0) if row is None else (row[0], row[1])


def weighable(db: Connection, scope: str) -> list[Weighable]:
    """All facts in force in a scope but the pinned ones."""
    sql = """
        SELECT id, kind, trust, importance, confidence, uses, repeats,
               max(last_said_at, coalesce(used_at, last_said_at)),
               min(coalesce(expires_at, valid_to), coalesce(valid_to, expires_at))
        FROM memories
        WHERE scope_id = (SELECT id FROM memory_scopes WHERE name = ?)
            AND type = 'fact' AND gone IS NULL AND pinned_by IS NULL
    """
    return [Weighable(*row) for row in all_rows(db, sql, (scope,))]


def oldest(db: Connection, scope: str, of: Sequence[Trust], limit: int) -> list[int]:
    """The events and summaries in force that happened first, of those whose word they are."""
    sql = """
        SELECT id, at FROM memories
        WHERE scope_id = (SELECT id FROM memory_scopes WHERE name = ?1) AND type = 'event'
            AND gone IS NULL AND pinned_by IS NULL AND trust IN (SELECT value FROM json_each(?2))
        UNION ALL
        SELECT id, at FROM memories
        WHERE scope_id = (SELECT id FROM memory_scopes WHERE name = ?1) AND type = 'summary'
            AND gone IS NULL AND pinned_by IS NULL AND trust IN (SELECT value FROM json_each(?2))
        ORDER BY 2, 1 LIMIT ?3
    """
    return [row[0] for row in all_rows(db, sql, (scope, json.dumps(list(of)), limit))]


def overgrown(db: Connection, gone_max: int) -> list[str]:
    """The scopes with more than that out of force, first the one with most."""
    sql = "SELECT name FROM memory_scopes WHERE gone > ? ORDER BY gone DESC, id"
    return [row[0] for row in all_rows(db, sql, (gone_max,))]


def gone(db: Connection, scope: str) -> int:
    """How many are out of force in a scope."""
    return int(value(db, "SELECT gone FROM memory_scopes WHERE name = ?", (scope,)) or 0)


def longest_gone(db: Connection, scope: str, limit: int, forgotten_before: float) -> list[int]:
    """Those out of force that went first, what a person said last of all.

    Without what a person has pinned, and what was forgotten later than `forgotten_before`.
    """
    sql = """
        SELECT id FROM memories
        WHERE scope_id = (SELECT id FROM memory_scopes WHERE name = ?)
            AND gone IS NOT NULL AND pinned_by IS NOT 'person'
            AND (gone <> 'forgotten' OR gone_at <= ?)
        ORDER BY trust = 'person', gone_at, id LIMIT ?
    """
    return [row[0] for row in all_rows(db, sql, (scope, forgotten_before, limit))]
