"""How much is kept: the counters say what counting would, whatever was done."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.memory_types import MemoryType, ScopeUse
from pi_rag.store import Connection, migrations
from pi_rag.store.memory import erasing, memories, sessions, usage
from pi_rag.store.rows import all_rows
from tests.store.making import axis
from tests.store.memory.keeping import fact, keep
from tests.store.memory.test_erasing import CALLER

TYPES: tuple[MemoryType, ...] = ("fact", "event", "summary")


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "forget", "restore", "erase"]), st.integers(0, 8)), max_size=25
    )
)
def test_what_is_counted_is_what_there_is(done: list[tuple[str, int]]) -> None:
    """In any order of coming, going, coming back and being erased."""
    db = Connection(":memory:")
    migrations.migrate(db)
    for what, number in done:
        if what == "add":
            new = dataclasses.replace(fact("tea"), type=TYPES[number % 3], scope=f"agent:{number % 2}")
            keep(db, new)
        elif what == "forget":
            memories.put_away(db, [number], "forgotten", 1.0)
        elif what == "restore":
            memories.restore(db, [number])
        else:
            erasing.erase(db, [number])
    rows = all_rows(db, "SELECT type, gone IS NULL FROM memories")
    found = usage.totals(db)
    assert (found.facts, found.events, found.summaries) == tuple(rows.count((each, 1)) for each in TYPES)
    assert found.gone == sum(not in_force for _, in_force in rows)
    db.close()


def test_how_full_each_scope_is(db: Connection) -> None:
    """Summaries count among the events; what waits for its vectors is told."""
    keep(db, fact("one"), axis(0))
    keep(db, fact("two"))
    keep(db, dataclasses.replace(fact("three"), type="summary"), axis(1))
    memories.put_away(db, [keep(db, fact("gone"), axis(2))], "forgotten", 5.0)
    sessions.start(db, "agent:a", "", CALLER, 1.0)
    limits: dict[str, Any] = {"facts_max": 10, "events_max": 20, "gone_max": 30}
    user = ScopeUse("user", 2, 10, 1, 20, sessions=0, gone=1, gone_max=30, pending=1)
    agent = ScopeUse("agent:a", 0, 10, 0, 20, sessions=1, gone=0, gone_max=30, pending=0)
    assert usage.uses(db, None, **limits) == (agent, user)
    assert usage.uses(db, ("user", "project:none"), **limits) == (user,)
    assert usage.uses(db, (), **limits) == ()
    assert usage.totals(db) == usage.Totals(2, 2, 0, 1, 1, pending=1, sessions=1, changes=0)


def test_before_the_first_memory_there_is_nothing(db: Connection) -> None:
    """Zeros, not unknowns."""
    assert usage.totals(db) == usage.Totals(0, 0, 0, 0, 0, 0, 0, 0)
