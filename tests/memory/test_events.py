"""Events: appended, in their order, never changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pi_rag.errors import (
    DocumentNotFound,
    EmbedderUnavailable,
    KeyReused,
    MemoryTooLong,
    ScopeForbidden,
    SecretRefused,
    SessionEnded,
    SessionNotFound,
    TimeInFuture,
)
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory_types import NewEvent
from tests.memory.housing import Housed
from tests.memory.making import AGENT, OTHER_AGENT

RAIN = NewEvent("It rained.", kind="weather", tags=("sky",))


async def test_an_event_alone_is_in_its_scope(desk: MemoryDesk, home: Housed) -> None:
    """It has its time and its kind, and no place in a session."""
    memory = (await desk.log_event(replace(RAIN, at=home.clock.now - 60), AGENT)).memory

    assert (memory.type, memory.kind, memory.scope, memory.tags) == ("event", "weather", "user", ("sky",))
    assert (memory.at, memory.created_at, memory.session_id, memory.seq) == (
        home.clock.now - 60,
        home.clock.now,
        None,
        None,
    )


async def test_the_same_event_twice_is_two_events(desk: MemoryDesk) -> None:
    """It rained twice."""
    first, second = [(await desk.log_event(RAIN, AGENT)).memory.id for _ in range(2)]

    assert first != second


async def test_places_in_a_session_have_no_gaps(desk: MemoryDesk) -> None:
    """Also when ten log at once, in two sessions, and some are refused."""
    started = [(await desk.start_session(f"project:{name}", "", AGENT)).session for name in "ab"]
    events = [NewEvent(f"Step {at}", session_id=started[at % 2].id) for at in range(40)]
    wrong = [replace(RAIN, document_id=99, session_id=started[0].id)] * 5
    got = await asyncio.gather(
        *(desk.log_event(event, AGENT) for event in [*events[:20], *wrong, *events[20:]]),
        return_exceptions=True,
    )

    refused = [each for each in got if isinstance(each, BaseException)]
    kept = [each.memory for each in got if not isinstance(each, BaseException)]
    assert [type(each) for each in refused] == [DocumentNotFound] * 5
    for session in started:
        assert sorted(m.seq or 0 for m in kept if m.session_id == session.id) == list(range(1, 21))
        assert (await desk.session(session.id, AGENT)).events == 20


async def test_what_one_client_logs_in_turn_stands_in_that_order(desk: MemoryDesk) -> None:
    """The order of acknowledgement is the order of places."""
    session = (await desk.start_session("user", "", AGENT)).session
    for at in range(5):
        memory = (await desk.log_event(NewEvent(f"Step {at}", session_id=session.id), AGENT)).memory
        assert memory.seq == at + 1


async def test_an_event_is_in_the_scope_of_its_session(desk: MemoryDesk) -> None:
    """Whatever scope it names; and only a guest of that scope may log there."""
    session = (await desk.start_session("project:boat", "", AGENT)).session
    event = NewEvent("Sanded.", session_id=session.id, scope="user")

    assert (await desk.log_event(event, AGENT)).memory.scope == "project:boat"
    with pytest.raises(SessionNotFound):
        await desk.log_event(event, replace(AGENT, scopes=("user",)))
    with pytest.raises(ScopeForbidden):
        await desk.log_event(RAIN, replace(AGENT, scopes=("project:boat",)))


async def test_an_ended_session_takes_no_more(desk: MemoryDesk, home: Housed) -> None:
    """Nor does one in which nothing was logged for too long; each refusal says which it is."""
    ended = (await desk.start_session("user", "", AGENT)).session
    await desk.end_session(ended.id, None, AGENT)
    idle = (await desk.start_session("user", "", AGENT)).session
    home.clock.now += 25 * 3600

    for session, word in ((ended, "ended"), (idle, "expired")):
        with pytest.raises(SessionEnded, match=word):
            await desk.log_event(replace(RAIN, session_id=session.id), AGENT)


async def test_a_time_ahead_is_refused(desk: MemoryDesk, home: Housed) -> None:
    """A day for time zones gone wrong is let pass; milliseconds are not."""
    await desk.log_event(replace(RAIN, at=home.clock.now + 3600), AGENT)
    for at in (home.clock.now + 2 * 86_400, home.clock.now * 1000):
        with pytest.raises((TimeInFuture, ValueError)):
            await desk.log_event(replace(RAIN, at=min(at, 253_402_300_799)), AGENT)


async def test_a_key_logs_once(desk: MemoryDesk) -> None:
    """Sent again it is answered with the same event, also at the same time, and in no second place."""
    session = (await desk.start_session("user", "", AGENT)).session
    event = replace(RAIN, session_id=session.id, key="k")
    got = await asyncio.gather(*(desk.log_event(event, AGENT) for _ in range(5)))

    assert {each.memory.id for each in got} == {got[0].memory.id}
    assert (await desk.session(session.id, AGENT)).events == 1
    with pytest.raises(KeyReused):
        await desk.log_event(replace(event, text="It snowed."), AGENT)
    assert (await desk.log_event(event, OTHER_AGENT)).memory.seq == 2


async def test_an_event_is_kept_without_an_embedder(desk: MemoryDesk, home: Housed) -> None:
    """And says so."""
    home.embedder.broken = EmbedderUnavailable("It rests.")

    assert (await desk.log_event(RAIN, AGENT)).degraded == ("embedder_unavailable",)


async def test_a_long_event_does_not_stand_before_searches(desk: MemoryDesk, home: Housed) -> None:
    """One that has many parts waits among the documents; a short one goes as a query does."""
    await desk.log_event(RAIN, AGENT)
    await desk.log_event(replace(RAIN, text="It rained on and on. " * 400), AGENT)

    assert [lane for task, lane, _ in home.embedder.calls if task == "embed"] == ["query", "ingest"]
    with pytest.raises(MemoryTooLong):
        await desk.log_event(replace(RAIN, text="x" * 20_001), AGENT)


async def test_a_key_answers_nobody_who_may_not_see_it(desk: MemoryDesk) -> None:
    """The same program, bound to another scope, is told that there is no such session."""
    session = (await desk.start_session("project:a", "", AGENT)).session
    event = replace(RAIN, session_id=session.id, key="k")
    await desk.log_event(event, AGENT)

    with pytest.raises(SessionNotFound):
        await desk.log_event(event, replace(AGENT, scopes=("project:b",)))


async def test_a_secret_is_refused_also_as_a_kind(desk: MemoryDesk) -> None:
    """Wherever a guest may write a word of its own, it is looked at."""
    with pytest.raises(SecretRefused):
        await desk.log_event(replace(RAIN, kind="ghp_" + "a1" * 18), AGENT)
