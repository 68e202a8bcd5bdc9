"""How much is kept in memory: for each scope, and in all. The numbers are counters, not counted each time."""

from __future__ import annotations

from dataclasses import dataclass

from pi_rag.memory_types import ScopeUse
from pi_rag.store import Connection
from pi_rag.store.memory import scopes
from pi_rag.store.memory.scopes import Scopes
from pi_rag.store.rows import all_rows, one_row, value


@dataclass(frozen=True, slots=True)
class Totals:
    """Of all scopes. `gone`: out of force, and not erased; `pending`: without vectors of the model in use."""

    scopes: int
    facts: int
    events: int
    summaries: int
    gone: int
    pending: int
    sessions: int
    changes: int


def uses(
    db: Connection, among: Scopes, *, facts_max: int, events_max: int, gone_max: int
) -> tuple[ScopeUse, ...]:
    """How full each of these scopes is, by their names. Summaries count among the events."""
    condition, bindings = scopes.within(among, "memory_scopes.id")
    sql = f"""
        SELECT name, facts, ?, events + summaries, ?,
            (SELECT count(*) FROM memory_sessions WHERE scope_id = memory_scopes.id), gone, ?,
            coalesce(waiting, 0)
        FROM memory_scopes LEFT JOIN (
            SELECT scope_id, count(*) AS waiting FROM memory_pending
            CROSS JOIN memories ON memories.id = memory_id GROUP BY scope_id
        ) ON scope_id = memory_scopes.id
        WHERE {condition} ORDER BY name
    """
    return tuple(ScopeUse(*row) for row in all_rows(db, sql, (facts_max, events_max, gone_max, *bindings)))


def totals(db: Connection) -> Totals:
    """What there is in all."""
    sums = "count(*), sum(facts), sum(events), sum(summaries), sum(gone)"
    found = one_row(db, f"SELECT {sums} FROM memory_scopes")
    assert found is not None, "sums are one row"
    counted = (
        value(db, f"SELECT count(*) FROM {table}")
        for table in ("memory_pending", "memory_sessions", "memory_changes")
    )
    return Totals(*(int(each or 0) for each in (*found, *counted)))
