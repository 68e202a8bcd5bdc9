"""The desk: each thing by its name, for whoever came in."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from pi_rag.errors import MemoryTooLong
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory_types import NewEvent, NewFact
from tests.memory.housing import settings_of
from tests.memory.making import AGENT, OTHER_AGENT, PERSON


async def test_settings_may_change_while_it_works(desk: MemoryDesk) -> None:
    """What comes next goes by the new ones."""
    fact = NewFact("Mo is a cat. " * 20)
    desk.follow(settings_of(fact_chars_max=100))
    with pytest.raises(MemoryTooLong):
        await desk.remember(fact, AGENT)
    desk.follow(settings_of())

    assert (await desk.remember(fact, AGENT)).outcome == "created"


def test_everything_at_the_desk_is_asked_by_somebody() -> None:
    """There is no way past the question who asks: each method takes a caller."""
    methods = inspect.getmembers(MemoryDesk, inspect.isfunction)
    open_ = {
        name: inspect.signature(method) for name, method in methods if name[0] != "_" and name != "follow"
    }

    assert len(open_) > 15
    assert [name for name, signature in open_.items() if "caller" not in signature.parameters] == []


async def test_many_guests_at_once_lose_nothing(desk: MemoryDesk) -> None:
    """Each event and each fact of each of them is kept, and the places of a session are as many."""
    session = (await desk.start_session("user", "", AGENT)).session
    guests = (AGENT, OTHER_AGENT, PERSON)

    async def work(number: int) -> None:
        guest = guests[number % 3]
        for at in range(10):
            said = f"Guest {number} did thing {at}"
            await desk.log_event(NewEvent(said, session_id=session.id), guest)
            await desk.remember(NewFact(said, topic=f"{number}/{at}"), guest)

    await asyncio.gather(*(work(number) for number in range(6)))
    [use] = await desk.usage(AGENT)

    assert (use.events, use.facts, (await desk.session(session.id, AGENT)).events) == (60, 60, 60)
