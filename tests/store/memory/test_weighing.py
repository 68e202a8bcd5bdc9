"""What is read of a scope when it is full."""

from __future__ import annotations

from dataclasses import replace

from pi_rag.store import Connection
from pi_rag.store.memory import memories, weighing
from tests.store.memory.keeping import fact, keep

EVENT = replace(fact("It rang"), type="event", kind="event")


def test_it_counts_what_is_in_force(db: Connection) -> None:
    """Facts are one number, events and summaries the other, and what is gone is in neither."""
    keep(db, fact("one"))
    gone = keep(db, fact("two"))
    keep(db, EVENT)
    keep(db, replace(EVENT, type="summary"))
    memories.put_away(db, [gone], "forgotten", 2000.0)

    assert weighing.load(db, "user") == (1, 2)
    assert weighing.load(db, "project:x") == (0, 0)


def test_what_is_pinned_is_not_weighed(db: Connection) -> None:
    """Only facts that may give way are listed, with the first of the times at which they end."""
    keep(db, replace(fact("pinned"), pinned=True))
    free = keep(db, replace(fact("free"), expires_at=5000.0, valid_to=4000.0, used_at=3000.0))

    [row] = weighing.weighable(db, "user")

    assert (row.id, row.touched_at, row.ends_at) == (free, 3000.0, 4000.0)


def test_the_oldest_are_those_that_happened_first(db: Connection) -> None:
    """The time of the event counts, not that of storing it; only those of the asked for trust."""
    late = keep(db, replace(EVENT, at=900.0))
    early = keep(db, replace(EVENT, type="summary", at=100.0))
    keep(db, replace(EVENT, at=50.0, trust="agent"))
    keep(db, fact("no event"))

    assert weighing.oldest(db, "user", ["person"], 5) == [early, late]
    assert weighing.oldest(db, "user", ["person"], 1) == [early]


def test_a_scope_with_more_gone_than_it_may_is_told(db: Connection) -> None:
    """The one with most first; one at its bound is not."""
    for scope, count in (("user", 1), ("agent:a", 2), ("agent:b", 3)):
        ids = [keep(db, replace(fact(f"{scope} {number}"), scope=scope)) for number in range(count)]
        memories.put_away(db, ids, "evicted", 2000.0)

    assert weighing.overgrown(db, 1) == ["agent:b", "agent:a"]
    assert (weighing.gone(db, "agent:b"), weighing.gone(db, "agent:none")) == (3, 0)


def test_those_that_went_first_are_told_first(db: Connection) -> None:
    """What a person said last; neither what is in force, nor elsewhere, nor pinned by a person."""
    agents = replace(fact("an agent's"), trust="agent")
    persons = keep(db, fact("a person's"))
    late, early = keep(db, agents), keep(db, agents)
    others = keep(db, replace(agents, scope="agent:a"))
    pinned = keep(db, replace(fact("pinned"), pinned=True))
    by_agent = keep(db, replace(agents, pinned=True))
    keep(db, agents)
    for at, each in enumerate((persons, others, pinned, early, late, by_agent), 2000):
        memories.put_away(db, [each], "superseded", float(at))

    assert weighing.longest_gone(db, "user", 9, 0.0) == [early, late, by_agent, persons]
    assert weighing.longest_gone(db, "user", 2, 0.0) == [early, late]


def test_what_was_forgotten_lately_is_not_told(db: Connection) -> None:
    """It is once it was forgotten early enough."""
    forgotten = keep(db, fact("one"))
    memories.put_away(db, [forgotten], "forgotten", 2000.0)

    assert weighing.longest_gone(db, "user", 9, 1999.0) == []
    assert weighing.longest_gone(db, "user", 9, 2000.0) == [forgotten]
