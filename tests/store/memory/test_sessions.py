"""Sessions: begun, gone on with, ended, expired by the clock alone."""

from __future__ import annotations

import dataclasses

from pi_rag.memory_types import Session, SessionState
from pi_rag.store import Connection
from pi_rag.store.memory import memories, sessions
from tests.store.memory.keeping import fact, keep
from tests.store.memory.test_erasing import CALLER

IDLE_S = 100.0


def _get(db: Connection, session_id: int, now: float) -> Session:
    found = sessions.get(db, session_id, now, IDLE_S)
    assert found is not None
    return found


def _summary(db: Connection, session_id: int, text: str) -> int:
    return keep(db, dataclasses.replace(fact(text), type="summary", session_id=session_id))


LATER = 1_000_000.0


def test_a_session_is_open_until_it_ends_or_nobody_goes_on_with_it(db: Connection) -> None:
    """What has ended does not expire."""
    session_id = sessions.start(db, "user", "night shift", CALLER, 10.0)
    found = _get(db, session_id, 110.0)
    assert (found.state, found.scope, found.title, found.events) == ("open", "user", "night shift", 0)
    assert (found.door, found.uid, found.client) == (CALLER.door, CALLER.uid, CALLER.client)
    assert _get(db, session_id, 110.5).state == "expired"
    sessions.touched(db, session_id, 50.0)
    assert _get(db, session_id, 150.0).state == "open"
    sessions.end(db, session_id, 60.0)
    sessions.end(db, session_id, 90.0)
    ended = _get(db, session_id, 1e6)
    assert (ended.state, ended.ended_at, ended.last_at) == ("ended", 60.0, 50.0)
    assert sessions.get(db, 99, 1.0, IDLE_S) is None


def test_events_have_places_without_gaps(db: Connection) -> None:
    """Each session counts for itself; a clock that was set back does not make it older."""
    one, two = (sessions.start(db, "user", "", CALLER, 10.0) for _ in range(2))
    assert [sessions.took_event(db, one, now) for now in (20.0, 5.0, 21.0)] == [1, 2, 3]
    assert sessions.took_event(db, two, 30.0) == 1
    found = _get(db, one, 30.0)
    assert (found.events, found.last_at) == (3, 21.0)


def test_a_session_has_the_newest_summary_in_force(db: Connection) -> None:
    """A forgotten one gives way to the one before."""
    session_id = sessions.start(db, "user", "", CALLER, 10.0)
    first, second = _summary(db, session_id, "half"), _summary(db, session_id, "all")
    found = _get(db, session_id, 11.0).summary
    assert found is not None and found.id == second
    memories.put_away(db, [second], "forgotten", 12.0)
    found = _get(db, session_id, 13.0).summary
    assert found is not None and found.id == first


def test_the_one_before_is_the_newest_of_the_scope_that_left_something(db: Connection) -> None:
    """Sessions without a summary, and those of other scopes, are passed over."""
    left = sessions.start(db, "user", "left", CALLER, 1.0)
    _summary(db, left, "what is to do")
    sessions.start(db, "user", "left nothing", CALLER, 2.0)
    elsewhere = sessions.start(db, "agent:a", "elsewhere", CALLER, 3.0)
    _summary(db, elsewhere, "other things")
    now = sessions.start(db, "user", "now", CALLER, 4.0)
    found = sessions.before(db, _get(db, now, 5.0), 5.0, IDLE_S)
    assert found is not None and found.id == left
    assert sessions.before(db, _get(db, left, 5.0), 5.0, IDLE_S) is None


def test_sessions_are_listed_newest_first_by_scope_and_state(db: Connection) -> None:
    """A page goes on below the last of the one before."""
    ended, idle = (sessions.start(db, "user", "", CALLER, 1.0) for _ in range(2))
    sessions.end(db, ended, 2.0)
    other = sessions.start(db, "agent:a", "", CALLER, 190.0)
    now = 200.0

    def ids(
        among: tuple[str, ...] | None, state: SessionState | None, limit: int = 9, after: int | None = None
    ) -> list[int]:
        found = sessions.listing(db, among, state, now, IDLE_S, limit=limit, after=after)
        return [each.id for each in found]

    assert ids(None, None) == [other, idle, ended]
    assert ids(("user",), None) == [idle, ended]
    assert (ids(None, "open"), ids(None, "expired"), ids(None, "ended")) == ([other], [idle], [ended])
    assert ids(None, None, limit=1, after=other) == [idle]


def test_pinned_facts_are_those_in_force_in_the_scope(db: Connection) -> None:
    """The newest first, no more than wanted, and none that is over or has not begun."""
    other_time = dataclasses.replace(fact("at another time"), pinned=True)
    for over in (
        dataclasses.replace(other_time, expires_at=LATER),
        dataclasses.replace(other_time, valid_to=LATER),
        dataclasses.replace(other_time, at=LATER + 1),
    ):
        keep(db, over)
    pinned = [keep(db, dataclasses.replace(fact(text), pinned=True)) for text in "abc"]
    keep(db, fact("not pinned"))
    keep(db, dataclasses.replace(fact("elsewhere"), pinned=True, scope="agent:a"))
    memories.put_away(db, [pinned[1]], "forgotten", 5.0)
    assert [each.id for each in sessions.pinned(db, "user", 9, LATER)] == [pinned[2], pinned[0]]
    assert [each.id for each in sessions.pinned(db, "user", 1, LATER)] == [pinned[2]]
    assert sessions.pinned(db, "project:none", 9, LATER) == []
