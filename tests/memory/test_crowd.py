"""Ten agents write at once: nobody loses anything, and each session has its events in their order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pi_rag.memory_types import Caller, NewEvent, NewFact, Which
from tests.memory.housing import HandClock, housed, settings_of

AGENTS = 10
EVENTS, EVENTS_LONG = 30, 1000
FACTS = 10


@pytest.mark.slow
async def test_ten_agents_at_once_lose_nothing(tmp_path: Path, long_form: bool) -> None:
    """Each event has the place in its session in which it was sent; what all say at once is one fact; on one
    topic one fact is in force, and all the others are in its history."""
    count = EVENTS_LONG if long_form else EVENTS
    house = await housed(tmp_path / "data" / "pi-rag.db", HandClock(), settings_of())
    desk = house.desk

    async def work(number: int) -> int:
        caller = Caller("agent", 1000, f"agent-{number}")
        session_id = (await desk.start_session("project:house", "work", caller)).session.id
        for step in range(count):
            logged = await desk.log_event(NewEvent(f"agent {number} did step {step}", session_id), caller)
            assert logged.memory.seq == step + 1
            if step < FACTS:
                await desk.remember(NewFact("The lamp is in the hall.", "project:house"), caller)
                said = f"Agent {number} counted {step} doors."
                await desk.remember(NewFact(said, "project:house", "doors"), caller)
        return session_id

    sessions = await asyncio.gather(*map(work, range(AGENTS)))

    person = Caller("person", 1000, "test")
    for number, session_id in enumerate(sessions):
        rows = await desk.listing(Which(session_id=session_id), person, limit=count + 1)
        assert [row.text for row in reversed(rows)] == [
            f"agent {number} did step {at}" for at in range(count)
        ]
        assert [row.seq for row in reversed(rows)] == list(range(1, count + 1))
    facts = await desk.listing(Which(type="fact"), person, limit=10)
    assert [(fact.topic, fact.repeats) for fact in facts if fact.topic is None] == [
        (None, AGENTS * FACTS - 1)
    ]
    assert len([fact for fact in facts if fact.topic == "doors"]) == 1
    told, _ = await desk.history(person, scope="project:house", topic="doors")
    assert len(told) == AGENTS * FACTS
    await house.close()
