"""Sessions: begun with what the one before has left, gone on with, summed up, ended.

A summary is a memory like others: it has vectors and words, is recalled, and can be forgotten. The agent
writes it; nothing here sums anything up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pi_rag.config import RememberSettings
from pi_rag.errors import ScopeFull
from pi_rag.memory.checking import sound_text, sound_title
from pi_rag.memory.events import open_session
from pi_rag.memory.evicting import NEARLY, SHARE
from pi_rag.memory.means import Means
from pi_rag.memory.remembering import seen_session
from pi_rag.memory.scopes import allowed
from pi_rag.memory.taking import Taken, degraded, fresh, kept, looked_at, room_for, taken
from pi_rag.memory_types import Caller, Door, Session, SessionState, Started
from pi_rag.store import Connection
from pi_rag.store.memory import scopes, sessions

PINNED_MAX = 20
"""How many pinned facts a session is given at its start."""


@dataclass(frozen=True, slots=True)
class _Order:
    """A summary on its way."""

    session_id: int
    caller: Caller
    it: Taken
    settings: RememberSettings
    now: float
    ends: bool


async def start(means: Means, scope: str, title: str, caller: Caller) -> Started:
    """Begin one. Raises ScopeInvalid, ScopeForbidden, ScopeFull, SecretRefused, RequestInvalid."""
    allowed(caller, [scope])
    called = looked_at(Taken(sound_title(title)), means.settings)
    return await means.store.write(_started, scope, called, caller, means.settings, means.clock.wall_s())


async def checkpoint(means: Means, session_id: int, summary: str, caller: Caller) -> Session:
    """Leave a summary. Raises SessionNotFound, SessionEnded, and as `taken`."""
    return await _summarised(means, session_id, summary, caller, ends=False)


async def end(means: Means, session_id: int, summary: str | None, caller: Caller) -> Session:
    """End it, with a summary or without. Raises as `checkpoint`."""
    if summary is not None:
        return await _summarised(means, session_id, summary, caller, ends=True)
    return await means.store.write(_ended, session_id, caller, means.settings, means.clock.wall_s())


async def one(means: Means, session_id: int, caller: Caller) -> Session:
    """A session that the caller may see. Raises SessionNotFound."""
    now = means.clock.wall_s()
    return await means.store.read(seen_session, session_id, caller, means.settings, now)


async def listing(
    means: Means,
    scope: str | None,
    state: SessionState | None,
    caller: Caller,
    *,
    limit: int,
    after: int | None,
) -> tuple[Session, ...]:
    """The newest first. Raises ScopeInvalid, ScopeForbidden."""
    among = caller.scopes if scope is None else allowed(caller, [scope])
    idle_s = means.settings.session_idle_h * 3600
    asked = (among, state, means.clock.wall_s(), idle_s)
    return tuple(await means.store.read(sessions.listing, *asked, limit=limit, after=after))


async def _summarised(means: Means, session_id: int, summary: str, caller: Caller, *, ends: bool) -> Session:
    summary = sound_text(summary, means.settings.fact_chars_max, "remember.fact_chars_max")
    await means.store.read(open_session, session_id, caller, means.settings, means.clock.wall_s())
    it = await taken(means, summary)
    order = _Order(session_id, caller, it, means.settings, means.clock.wall_s(), ends)
    return await means.store.write(_left, order)


def _started(
    db: Connection, scope: str, title: Taken, caller: Caller, settings: RememberSettings, now: float
) -> Started:
    idle_s = settings.session_idle_h * 3600
    scopes.claim(db, scope, settings.scopes_max, now - idle_s)
    warnings = (*title.warnings, *_room(db, scope, settings, caller, now - idle_s))
    session_id = sessions.start(db, scope, title.text, caller, now)
    session = seen_session(db, session_id, caller, settings, now)
    before = sessions.before(db, session, now, idle_s)
    return Started(session, before, tuple(sessions.pinned(db, scope, PINNED_MAX, now)), warnings)


def _room(
    db: Connection, scope: str, settings: RememberSettings, caller: Caller, idle_since: float
) -> tuple[str, ...]:
    """Make room for one more; what is said of it. A hundredth goes at once, so that not each start looks.

    Raises ScopeFull when those that are there are open, or of people where an agent asks.
    """
    count, most = sessions.count(db, scope), settings.sessions_max
    if count < NEARLY * most:
        return ()
    if count < most:
        return (f"{scope} holds {count} of {most} sessions. At {most} the oldest that are over give way.",)
    doors: tuple[Door, ...] = ("agent", "person") if caller.door == "person" else ("agent",)
    going = sessions.over(db, scope, doors, idle_since, count - most + max(1, most // SHARE))
    if len(going) <= count - most:
        raise ScopeFull(
            f"{scope} holds {count} sessions, as many as it may, and none may give way.",
            hint="End what is done: pi-rag session list --state open   (or raise remember.sessions_max)",
        )
    sessions.dissolve(db, going)
    return (f"{scope} was full of sessions: {len(going)} that were over gave way; what they held stays.",)


def _left(db: Connection, order: _Order) -> Session:
    """The transaction of a summary."""
    session = open_session(db, order.session_id, order.caller, order.settings, order.now)
    kind, said = "end" if order.ends else "checkpoint", order.it.text
    summary = replace(
        fresh("summary", kind, session.scope, said, order.caller, order.caller.door, order.now),
        session_id=session.id,
    )
    warnings = room_for(db, summary, order.settings, order.caller, order.now)
    kept(db, summary, order.it)
    sessions.touched(db, session.id, order.now)
    if order.ends:
        sessions.end(db, session.id, order.now)
    left = seen_session(db, session.id, order.caller, order.settings, order.now)
    return replace(left, warnings=(*order.it.warnings, *warnings), degraded=degraded(db, order.it))


def _ended(
    db: Connection, session_id: int, caller: Caller, settings: RememberSettings, now: float
) -> Session:
    if seen_session(db, session_id, caller, settings, now).state == "open":
        sessions.end(db, session_id, now)
    return seen_session(db, session_id, caller, settings, now)
