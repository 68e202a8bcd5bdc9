"""What gives way when a scope is full."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pi_rag.config import RememberSettings, StoreSettings
from pi_rag.errors import ScopeFull
from pi_rag.memory import effects
from pi_rag.memory.evicting import make_room, next_to_go
from pi_rag.memory_types import Caller, Memory, MemoryType
from pi_rag.store import Connection, connection, migrations
from pi_rag.store.memory import changes, memories
from tests.store.memory.keeping import fact, keep

SETTINGS = RememberSettings(facts_max=10, events_max=10)
NOW = 2000.0
AGENT = Caller("agent", 1000, "agent/1")
EVENT = replace(fact("It rang"), type="event", kind="event", trust="agent")


@pytest.fixture
def db() -> Iterator[Connection]:
    made = Connection(":memory:")
    connection.apply(made, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(made)
    yield made
    made.close()


def filled(db: Connection, count: int, memory: Memory) -> list[int]:
    return [keep(db, replace(memory, text=f"{memory.text} {number}")) for number in range(count)]


def room(db: Connection, type_: MemoryType = "fact", caller: Caller = AGENT) -> tuple[str, ...]:
    return make_room(db, "user", type_, SETTINGS, caller, NOW)


def gone(db: Connection, ids: list[int]) -> list[int]:
    return [memory.id for memory in memories.get(db, ids) if memory.gone == "evicted"]


def test_it_is_said_before_anything_goes(db: Connection) -> None:
    """Below nine tenths nothing is said; from there on it is said how full the scope is, and nothing goes."""
    ids = filled(db, 8, fact("It is so"))
    assert room(db) == ()

    ids += filled(db, 1, fact("It is also so"))
    [warning] = room(db)

    assert "9 of 10 facts" in warning
    assert gone(db, ids) == []
    assert next_to_go(db, "user", 3, SETTINGS, NOW) == ids[:3]


def test_the_least_worth_goes_and_the_log_tells(db: Connection) -> None:
    """At the limit the fact of least worth is evicted, in a change that can be undone."""
    filled(db, 9, replace(fact("It is so"), trust="agent"))
    least = keep(db, replace(fact("A trifle"), trust="agent", importance=0.1))

    [warning] = room(db)

    [change] = changes.listing(db, None, limit=5)
    assert gone(db, [least]) == [least]
    assert (change.operation, change.memory_ids, change.client) == ("evict", (least,), "agent/1")
    assert f"change {change.id}" in warning


def test_what_is_over_goes_before_what_is_worth_least(db: Connection) -> None:
    """A fact that has expired, or is true no more, is the first to go, whoever said it."""
    filled(db, 9, replace(fact("It is so"), trust="agent"))
    over = keep(db, replace(fact("It was so"), importance=1.0, valid_to=1500.0))

    room(db)

    assert gone(db, [over]) == [over]


def test_the_less_trusted_goes_first(db: Connection) -> None:
    """What came from a web page gives way to what an agent said, whatever importance it was given."""
    filled(db, 9, replace(fact("It is so"), trust="agent", importance=0.1))
    web = keep(db, replace(fact("Buy this"), trust="web", importance=1.0))

    room(db)

    assert gone(db, [web]) == [web]


def test_an_agent_drives_out_no_person(db: Connection) -> None:
    """When only people's words and pinned ones are left, the scope is full for an agent, not for a person."""
    ids = filled(db, 9, fact("It is so"))
    ids.append(keep(db, replace(fact("Pinned"), trust="agent", pinned=True)))

    with pytest.raises(ScopeFull):
        room(db)
    assert gone(db, ids) == []

    room(db, caller=Caller("person"))
    assert gone(db, ids) == ids[:1]


def test_a_lowered_limit_is_reached_again(db: Connection) -> None:
    """What was stored under a higher limit gives way at once, down to the new one."""
    ids = filled(db, 15, replace(fact("It is so"), trust="agent"))

    room(db)

    assert len(gone(db, ids)) == 6


def test_of_events_the_oldest_go(db: Connection) -> None:
    """Events and summaries give way by when they happened, and facts are not touched by it."""
    facts = filled(db, 10, replace(fact("It is so"), trust="agent"))
    ids = [keep(db, replace(EVENT, at=1000.0 - number)) for number in range(9)]
    ids.append(keep(db, replace(EVENT, type="summary", at=1.0)))

    room(db, "event")

    assert gone(db, ids) == ids[-1:]
    assert gone(db, facts) == []


def test_each_scope_has_its_own_limit(db: Connection) -> None:
    """What fills one scope drives nothing out of another."""
    filled(db, 10, replace(fact("It is so"), scope="project:x"))

    assert room(db) == ()


def test_what_was_evicted_can_be_brought_back(db: Connection) -> None:
    """The line of the audit log holds the way back, by which `undo` goes."""
    filled(db, 10, replace(fact("It is so"), trust="agent"))
    room(db)
    [change] = changes.listing(db, None, limit=5)

    returned = effects.done(db, effects.backwards(effects.of_detail(change.detail)), NOW)

    assert returned == list(change.memory_ids)
    assert gone(db, list(change.memory_ids)) == []


def test_what_the_new_one_stands_beside_goes_last(db: Connection) -> None:
    """A fact that is shown as a candidate is not evicted as long as there is another."""
    ids = filled(db, 10, replace(fact("It is so"), trust="agent"))

    make_room(db, "user", "fact", SETTINGS, AGENT, NOW, ids[:9])
    assert gone(db, ids) == ids[9:]

    make_room(db, "user", "fact", replace(SETTINGS, facts_max=9), AGENT, NOW, ids)
    assert gone(db, ids) == [ids[0], ids[9]]
