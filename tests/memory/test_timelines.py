"""What happened before and after, over a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pi_rag.errors import MemoryNotFound, RequestInvalid, ScopeForbidden, SessionNotFound
from pi_rag.memory_types import Caller, NewEvent, NewFact, Timeline, Which
from tests.memory.housing import START_S, HandClock, Housed, housed, settings_of

AGENT = Caller("agent", 1000, "claude/1")
BOUND = replace(AGENT, scopes=("project:x",))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    """A desk, and a clock that stands still."""
    opened = await housed(tmp_path / "data" / "pi-rag.db", HandClock(), settings_of())
    yield opened
    await opened.close()


async def logged(house: Housed, *texts: str, session_id: int | None = None, at: float = START_S) -> list[int]:
    """Events, a second apart."""
    events = [NewEvent(text, session_id, at=at + place) for place, text in enumerate(texts)]
    return [(await house.desk.log_event(event, AGENT)).memory.id for event in events]


def ids(found: Timeline) -> list[int]:
    return [memory.id for memory in found.memories]


async def test_an_event_stands_among_its_neighbours(house: Housed) -> None:
    """In the order of their times, whenever they were stored; and it is told whether there are more."""
    late = await logged(house, "d", "e", at=START_S + 10)
    a, b, c = await logged(house, "a", "b", "c")
    found = await house.desk.timeline(AGENT, around=b, before=1, after=1)
    assert (ids(found), found.earlier, found.later, found.around) == ([a, b, c], False, True, b)
    assert ids(await house.desk.timeline(AGENT, around=late[0], before=9, after=9)) == [a, b, c, *late]
    assert ids(await house.desk.timeline(AGENT, around=c, before=0, after=0)) == [c]


async def test_events_of_one_moment_keep_their_order(house: Housed) -> None:
    """As they were stored."""
    same = [(await logged(house, f"event {number}"))[0] for number in range(4)]
    assert ids(await house.desk.timeline(AGENT, around=same[1])) == same


async def test_an_event_of_a_session_stands_among_those_of_the_session(house: Housed) -> None:
    """And a fact that came out of it, too; the fact itself is no event."""
    session_id = (await house.desk.start_session("user", "mending", AGENT)).session.id
    await logged(house, "elsewhere")
    own = await logged(house, "first", "second", session_id=session_id)
    assert ids(await house.desk.timeline(AGENT, around=own[0])) == own
    assert ids(await house.desk.timeline(AGENT, session_id=session_id)) == own
    fact = (await house.desk.remember(NewFact("It is mended.", session_id=session_id), AGENT)).memory.id
    assert set(ids(await house.desk.timeline(AGENT, around=fact))) == set(own)


async def test_a_fact_of_another_scope_than_its_session(house: Housed) -> None:
    """It stands in the session for whoever sees that, and for others among what happened in its own scope."""
    session_id = (await house.desk.start_session("user", "mending", AGENT)).session.id
    own = await logged(house, "first", "second", session_id=session_id)
    beside = (await house.desk.log_event(NewEvent("sawn", scope="project:x"), AGENT)).memory.id
    learnt = NewFact("Oak splits.", scope="project:x", session_id=session_id)
    fact = (await house.desk.remember(learnt, AGENT)).memory.id
    assert set(ids(await house.desk.timeline(AGENT, around=fact))) == set(own)
    assert ids(await house.desk.timeline(BOUND, around=fact)) == [beside]


async def test_from_a_time_or_from_the_end(house: Housed) -> None:
    """A time is between what was before it and what is from then on; without one the newest are told, or the
    first where none before is wanted."""
    made = await logged(house, "a", "b", "c", "d")
    found = await house.desk.timeline(AGENT, at=START_S + 2, before=1, after=1)
    assert (ids(found), found.earlier, found.later) == (made[1:3], True, True)
    newest = await house.desk.timeline(AGENT, before=2)
    assert (ids(newest), newest.earlier, newest.later) == (made[2:], True, False)
    first = await house.desk.timeline(AGENT, before=0, after=2)
    assert (ids(first), first.earlier, first.later) == (made[:2], False, True)


async def test_what_is_forgotten_or_out_of_scope_is_not_there(house: Housed) -> None:
    """Neither by its number, nor by its session, nor beside others."""
    session_id = (await house.desk.start_session("user", "mending", AGENT)).session.id
    own = await logged(house, "first", "second", session_id=session_id)
    await house.desk.forget(Which(ids=(own[0],)), AGENT, dry_run=False)
    assert ids(await house.desk.timeline(AGENT, session_id=session_id)) == own[1:]
    assert ids(await house.desk.timeline(BOUND)) == []
    with pytest.raises(MemoryNotFound):
        await house.desk.timeline(BOUND, around=own[1])
    with pytest.raises(SessionNotFound):
        await house.desk.timeline(BOUND, session_id=session_id)
    with pytest.raises(ScopeForbidden):
        await house.desk.timeline(BOUND, scope="user")


@pytest.mark.parametrize(
    "wrong", [{"around": 1, "at": 5.0}, {"at": float("inf")}, {"before": -1}, {"after": 10_000}]
)
async def test_what_cannot_be_asked_is_refused(house: Housed, wrong: dict[str, float]) -> None:
    """A memory and a time at once, no time at all, too many."""
    with pytest.raises(RequestInvalid):
        await house.desk.timeline(AGENT, **wrong)  # type: ignore[arg-type]
