"""Sessions: what is left at the end of one is there at the start of the next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pi_rag.errors import (
    EmbedderUnavailable,
    RequestInvalid,
    ScopeForbidden,
    ScopeFull,
    ScopeInvalid,
    SecretRefused,
    SessionEnded,
    SessionNotFound,
)
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory_types import Memory, NewEvent, NewFact, Which
from tests.memory.housing import Housed, settings_of
from tests.memory.making import AGENT, OTHER_AGENT, PERSON

KEY = "AKIA" + "ABCDEFGHIJKLMNOP"


async def test_a_session_begins_with_what_the_one_before_has_left(desk: MemoryDesk) -> None:
    """Its summary, and the pinned facts of the scope; nothing of another scope."""
    first = await desk.start_session("project:boat", "Sanding", AGENT)
    await desk.end_session(first.session.id, "The hull is sanded.", AGENT)
    await desk.remember(NewFact("Use oil paint.", scope="project:boat", pinned=True), AGENT)
    await desk.remember(NewFact("Not this.", scope="project:boat"), AGENT)
    second = await desk.start_session("project:boat", "Painting", OTHER_AGENT)
    elsewhere = await desk.start_session("user", "", AGENT)

    assert (first.previous, first.pinned) == (None, ())
    assert second.previous is not None
    assert second.previous.summary is not None
    assert second.previous.summary.text == "The hull is sanded."
    assert [memory.text for memory in second.pinned] == ["Use oil paint."]
    assert (elsewhere.previous, elsewhere.pinned) == (None, ())


async def test_a_checkpoint_is_the_summary_until_there_is_a_newer(desk: MemoryDesk) -> None:
    """The session goes on after it, and each summary stays a memory."""
    session = (await desk.start_session("user", "", AGENT)).session
    first = await desk.checkpoint(session.id, "Half is done.", AGENT)
    await desk.log_event(NewEvent("Went on.", session_id=session.id), AGENT)
    last = await desk.end_session(session.id, "All is done.", AGENT)

    assert first.summary is not None
    assert last.summary is not None
    assert (first.state, first.summary.kind, first.summary.text) == ("open", "checkpoint", "Half is done.")
    assert (last.state, last.summary.kind, last.events) == ("ended", "end", 1)
    kept = await desk.listing(Which(type="summary"), AGENT, limit=10)
    assert [memory.text for memory in kept] == ["All is done.", "Half is done."]


async def test_a_summary_that_is_forgotten_is_offered_no_more(desk: MemoryDesk) -> None:
    """The one before it stands again."""
    session = (await desk.start_session("user", "", AGENT)).session
    await desk.checkpoint(session.id, "Half is done.", AGENT)
    wrong = (await desk.checkpoint(session.id, "All is done.", AGENT)).summary
    assert wrong is not None
    await desk.forget(Which(ids=(wrong.id,)), AGENT, dry_run=False)
    summary = (await desk.session(session.id, AGENT)).summary

    assert summary is not None
    assert summary.text == "Half is done."


async def test_a_summary_is_answered_with_what_became_of_it(desk: MemoryDesk, home: Housed) -> None:
    """What was masked in it, how near its scope is to the limit, and that it waits for its vector."""
    desk.follow(settings_of(secrets="mask", events_max=3))
    begun = await desk.start_session("user", f"Use {KEY}", AGENT)
    number = begun.session.id
    assert begun.warnings == ("Masked: AWS key.",)
    plain = await desk.checkpoint(number, "Half is done.", AGENT)
    assert (plain.warnings, plain.degraded) == ((), ())

    masked = await desk.checkpoint(number, f"The key is {KEY}.", AGENT)
    await desk.log_event(NewEvent("Went on.", session_id=number), AGENT)
    home.embedder.broken = EmbedderUnavailable("It rests.")
    ended = await desk.end_session(number, "All is done.", AGENT)
    assert masked.warnings == ("Masked: AWS key.",)
    assert (len(ended.warnings), ended.degraded) == (1, ("embedder_unavailable",))
    assert "evicted" in ended.warnings[0]
    assert (await desk.session(number, AGENT)).warnings == ()


async def test_an_ended_session_stays_as_it_is(desk: MemoryDesk, home: Housed) -> None:
    """To end it twice is harmless; to sum it up afterwards is refused, also when it has expired."""
    ended = (await desk.start_session("user", "", AGENT)).session
    idle = (await desk.start_session("user", "", AGENT)).session
    once = await desk.end_session(ended.id, None, AGENT)
    home.clock.now += 25 * 3600

    assert await desk.end_session(ended.id, None, AGENT) == once
    assert (await desk.end_session(idle.id, None, AGENT)).state == "expired"
    for session in (ended, idle):
        with pytest.raises(SessionEnded):
            await desk.end_session(session.id, "Too late.", AGENT)
        with pytest.raises(SessionEnded):
            await desk.checkpoint(session.id, "Too late.", AGENT)


async def test_sessions_are_listed_by_scope_and_state(desk: MemoryDesk) -> None:
    """The newest first, in pages."""
    ids = [(await desk.start_session(scope, "", AGENT)).session.id for scope in ("user", "agent:x", "user")]
    await desk.end_session(ids[0], None, AGENT)

    async def listed(*asked: str | None, after: int | None = None) -> list[int]:
        scope, state = asked
        found = await desk.sessions(scope, state, AGENT, limit=2, after=after)  # type: ignore[arg-type]
        return [session.id for session in found]

    assert await listed(None, None) == [ids[2], ids[1]]
    assert await listed(None, None, after=ids[1]) == [ids[0]]
    assert await listed("user", "open") == [ids[2]]
    assert await listed("user", "ended") == [ids[0]]


async def test_sessions_of_other_scopes_are_not_there(desk: MemoryDesk) -> None:
    """Neither by number nor in a list, nor can one be begun there."""
    session = (await desk.start_session("project:boat", "", AGENT)).session
    bound = replace(AGENT, scopes=("user",))

    assert await desk.sessions(None, None, bound, limit=10) == ()
    for asked in (desk.session(session.id, bound), desk.end_session(session.id, None, bound)):
        with pytest.raises(SessionNotFound):
            await asked
    with pytest.raises(ScopeForbidden):
        await desk.start_session("project:boat", "", bound)
    with pytest.raises(ScopeInvalid):
        await desk.start_session("boat", "", AGENT)


async def test_a_title_is_a_line(desk: MemoryDesk) -> None:
    """Its spaces are tidied; one as long as a page, or with a secret in it, is refused."""
    assert (await desk.start_session("user", " Sand\n the  hull ", AGENT)).session.title == "Sand the hull"
    with pytest.raises(RequestInvalid):
        await desk.start_session("user", "x" * 201, AGENT)
    with pytest.raises(SecretRefused):
        await desk.start_session("user", f"Use {KEY}", AGENT)


async def test_a_full_scope_gives_up_what_is_over_and_holds_nothing_first(
    desk: MemoryDesk, home: Housed
) -> None:
    """Then what left no summary, the oldest first; what it held stays, in no session. It is said before."""
    desk.follow(settings_of(sessions_max=10))
    told = (await desk.start_session("user", "told", AGENT)).session
    await desk.end_session(told.id, "All is done.", AGENT)
    event = await logged(desk)
    empty = (await desk.start_session("user", "empty", AGENT)).session
    await desk.end_session(empty.id, None, AGENT)
    begun = [await desk.start_session("user", "open", AGENT) for _ in range(9)]

    assert [bool(each.warnings) for each in begun] == [False] * 6 + [True] * 3
    left = {each.id for each in await desk.sessions("user", None, PERSON, limit=50)}
    assert left == {told.id, *(each.session.id for each in begun)}
    [kept] = await desk.get((event.id,), AGENT)
    assert (kept.session_id, kept.seq, kept.gone) == (None, None, None)


async def logged(desk: MemoryDesk) -> Memory:
    session = (await desk.start_session("user", "no summary", AGENT)).session
    event = await desk.log_event(NewEvent("Went on.", session_id=session.id), AGENT)
    await desk.end_session(session.id, None, AGENT)
    return event.memory


async def test_an_open_session_gives_way_to_none(desk: MemoryDesk, home: Housed) -> None:
    """Nor does a person's to an agent; what nobody has gone on with for long is over."""
    desk.follow(settings_of(sessions_max=10))
    mine = (await desk.start_session("user", "a person's", PERSON)).session
    await desk.end_session(mine.id, None, PERSON)
    for _ in range(9):
        await desk.start_session("user", "open", AGENT)
    with pytest.raises(ScopeFull, match="10 sessions"):
        await desk.start_session("user", "one more", AGENT)

    home.clock.now += 25 * 3600
    await desk.start_session("user", "one more", AGENT)
    assert (await desk.session(mine.id, PERSON)).id == mine.id


async def test_scopes_that_hold_nothing_are_given_back(desk: MemoryDesk, home: Housed) -> None:
    """Whoever makes up names cannot close memory to others for longer than they use them; `user` is open."""
    desk.follow(settings_of(scopes_max=2))
    fact = await desk.remember(NewFact("Mo is a cat.", "project:one"), PERSON)
    session = (await desk.start_session("project:two", "", AGENT)).session
    with pytest.raises(ScopeFull):
        await desk.remember(NewFact("Mo is a cat.", "project:three"), PERSON)
    await desk.remember(NewFact("Mo is a cat.", "user"), AGENT)

    await desk.end_session(session.id, None, AGENT)
    await desk.remember(NewFact("Mo is a cat.", "project:three"), PERSON)
    with pytest.raises(ScopeFull):
        await desk.remember(NewFact("Mo is a cat.", "project:four"), PERSON)
    for hard in (False, True):
        await desk.forget(Which(ids=(fact.memory.id,)), PERSON, dry_run=False, hard=hard)
    await desk.remember(NewFact("Mo is a cat.", "project:four"), PERSON)

    held = ["project:four", "project:three", "user"]
    assert [each.scope for each in await desk.usage(PERSON) if each.facts] == held
    assert any(each.scope == "project:one" for each in await desk.changes(PERSON, limit=9))
