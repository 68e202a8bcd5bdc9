"""The words of what agents remember."""

from __future__ import annotations

import dataclasses

import pytest

from pi_rag.memory_types import Memory
from pi_rag.store import Connection
from pi_rag.store.memory import memories, words
from pi_rag.store.memory.seen import Seen
from pi_rag.store.rows import value
from tests.store.memory.keeping import fact, keep

NOW = 2000.0
SEEN = Seen(("user",), ("fact", "event", "summary"), NOW)


def found(db: Connection, query: str, seen: Seen = SEEN) -> list[int]:
    """The memories of the parts that are found, the best first."""
    ranked = words.worded(db, query, 10, seen).ranked
    sql = "SELECT memory_id FROM memory_parts WHERE id = ?"
    return list(dict.fromkeys(value(db, sql, (part_id,)) for part_id, _ in ranked))


def test_a_memory_is_found_by_its_words_and_its_topic(db: Connection) -> None:
    """At once, before anything has a vector."""
    kept = keep(db, fact("The boiler shows E-104.", topic="home/heating"))
    keep(db, fact("The cat is called Fuzzy."))
    assert found(db, "boiler") == [kept]
    assert found(db, "heating") == [kept]
    assert found(db, "E104") == [kept]
    assert found(db, "zeppelin") == found(db, "?!") == []


@pytest.mark.parametrize(
    "elsewhere",
    [{"scope": "project:x"}, {"type": "event"}, {"valid_to": 1500.0}, {"expires_at": NOW}, {"at": NOW + 1}],
)
def test_what_is_not_seen_is_not_found(db: Connection, elsewhere: dict[str, object]) -> None:
    """Out of scope, of another type, true no more, expired, or not true yet."""
    keep(db, dataclasses.replace(fact("The boiler is off."), **elsewhere))  # type: ignore[arg-type]
    assert found(db, "boiler", dataclasses.replace(SEEN, types=("fact",))) == []


def test_what_is_out_of_force_is_found_by_questions_about_the_past(db: Connection) -> None:
    """As it was known then; but never what somebody wanted forgotten."""
    old, lost = keep(db, fact("The boiler is on.")), keep(db, fact("The boiler is warm."))
    memories.put_away(db, [old], "superseded", 1800.0)
    memories.put_away(db, [lost], "forgotten", 1800.0)
    assert found(db, "boiler") == []
    assert found(db, "boiler", dataclasses.replace(SEEN, as_of=1700.0)) == [old]
    assert found(db, "boiler", dataclasses.replace(SEEN, as_of=1900.0)) == []
    assert found(db, "boiler", dataclasses.replace(SEEN, as_of=900.0)) == []


def test_a_question_is_narrowed(db: Connection) -> None:
    """By kind, topic, what is beneath a topic, tag, and time."""
    kept = keep(db, dataclasses.replace(fact("The boiler is on.", topic="home/heating"), tags=("warm",)))
    for narrow in ({"kind": "note"}, {"topic": "home/heating"}, {"topic": "home/*"}, {"tag": "warm"}):
        assert found(db, "boiler", dataclasses.replace(SEEN, **narrow)) == [kept]  # type: ignore[arg-type]
    others = ({"kind": "state"}, {"topic": "home"}, {"topic": "hom/*"}, {"tag": "wa"}, {"since": 1001.0})
    for other in (*others, {"until": 1000.0}):
        assert found(db, "boiler", dataclasses.replace(SEEN, **other)) == []


def test_a_clock_that_was_set_back_hides_nothing(db: Connection) -> None:
    """A fact that was true from when it was stored is true, though that seems to be still to come."""
    ahead: Memory = dataclasses.replace(fact("The boiler is on."), at=9000.0, created_at=9000.0)
    kept = keep(db, ahead)
    assert found(db, "boiler") == [kept]


def test_erased_words_are_gone(db: Connection) -> None:
    """With the parts that they were of; the others stay."""
    kept, erased = keep(db, fact("The boiler is on.")), keep(db, fact("The boiler is off."))
    words.remove(db, [erased])
    assert found(db, "boiler") == [kept]
    assert value(db, "SELECT count(*) FROM memory_parts") == 1
    assert value(db, "SELECT count(*) FROM memory_fts") == 1
