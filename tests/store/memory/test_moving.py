"""What an import and a walk ask for is looked up, however much is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pi_rag.memory_types import Caller
from pi_rag.store import Connection, upkeep
from pi_rag.store.memory import memories, mentions, moving, ordering, sessions, weighing
from pi_rag.store.memory.seen import Seen
from pi_rag.text.entities import entities_in
from tests.store.memory.keeping import fact, keep
from tests.store.test_plans import HARMLESS, plans

PERSON = Caller("person")
EVENT = replace(fact("It rang 7"), type="event", kind="event", at=7.0)
SEEN = Seen(("user",), ("fact", "event"), now=2000.0)

ASKED: dict[str, Callable[[Connection], Any]] = {
    "a page of an export": lambda db: moving.following(db, None, 5, 10, gone=True),
    "who pinned a page": lambda db: moving.pinned_by(db, [1, 2]),
    "the sessions of a page": lambda db: moving.sessions_of(db, [1, 2]),
    "whether a fact is here": lambda db: moving.known(db, fact("Ann 7"), b"no", is_dated=True),
    "whether it is a fact of a scope": lambda db: moving.is_fact_of(db, 3, "user"),
    "what was said in these words": lambda db: moving.said(db, "user", b"no"),
    "whether an event is here": lambda db: moving.known(db, EVENT, None, is_dated=True),
    "a place in a session": lambda db: moving.place(db, 1, 1, 5.0),
    "who took a place": lambda db: moving.taken_place_of(db, 9, 8),
    "a document": lambda db: moving.document(db, "s3"),
    "noting what is mentioned": lambda db: mentions.mention(db, 3, entities_in("We met Ann")),
    "forgetting what is mentioned": lambda db: mentions.forget(db, [3, 4]),
    "one step away": lambda db: mentions.linked(db, [1, 2], SEEN, 10),
    "who names the same": lambda db: mentions.naming(db, entities_in("We met Ann"), [1, 2, 3]),
    "how full a scope is": lambda db: weighing.load(db, "user"),
    "what is weighed": lambda db: weighing.weighable(db, "user"),
    "the oldest events": lambda db: weighing.oldest(db, "user", ["person"], 5),
    "what was dismissed": lambda db: ordering.dismissed(db, ["expired-1"]),
    "vectors of some": lambda db: ordering.vectors_of(db, [1, 2]),
}


@pytest.fixture(params=["without statistics", "with statistics"])
def full(request: pytest.FixtureRequest, db: Connection) -> Iterator[Connection]:
    for number in range(300):
        session_id = sessions.start(db, "user", "A", PERSON, float(number))
        scope = f"project:x{number}" if number % 3 else "user"
        memory_id = keep(db, replace(fact(f"We met Ann{number} at 10.0.0.{number % 9}"), scope=scope))
        mentions.mention(db, memory_id, entities_in(f"We met Ann{number} at 10.0.0.{number % 9}"))
        event = replace(EVENT, text=f"It rang {number}", at=float(number), scope=scope)
        keep(db, replace(event, session_id=session_id, seq=1) if scope == "user" else event)
    if request.param == "with statistics":
        upkeep.plan(db)
    yield db


def test_nothing_of_it_reads_a_table_from_end_to_end(full: Connection) -> None:
    """A hundred thousand events must cost no more than a hundred."""
    found = {name: plans(full, asked) for name, asked in ASKED.items()}
    scans = [
        (name, step)
        for name, steps in found.items()
        for _, step in steps
        if step.startswith("SCAN") and step != "SCAN named" and not HARMLESS.match(step)  # what few mention
    ]

    assert all(found.values())
    assert scans == []


def test_an_event_that_comes_twice_is_found(db: Connection) -> None:
    """By its words and their time, in its scope and of its type; and when it was stored, if that is known."""
    memory_id = keep(db, EVENT)

    assert moving.known(db, EVENT, None, is_dated=True) == memory_id
    later = replace(EVENT, created_at=EVENT.created_at + 1)
    assert [moving.known(db, later, None, is_dated=each) for each in (False, True)] == [memory_id, None]
    others: list[dict[str, Any]] = [
        {"text": "It rang"},
        {"at": 8.0},
        {"scope": "project:x"},
        {"type": "summary"},
    ]
    others += [{"topic": "bell"}, {"kind": "call"}]
    for other in others:
        assert moving.known(db, replace(EVENT, **other), None, is_dated=False) is None


def test_a_taken_place_is_not_given_twice(db: Connection) -> None:
    """An event brought into a session that went on meanwhile stands behind what is there."""
    session_id = moving.session(db, "user", "A", 1.0, None, PERSON)
    first = moving.place(db, session_id, 3, 5.0)
    memories.add(db, replace(EVENT, session_id=session_id, seq=first))

    assert (first, moving.place(db, session_id, 3, 6.0)) == (3, 4)
    assert moving.session(db, "user", "A", 1.0, None, PERSON) == session_id
