"""An event: appended to its session, or to its scope, and never changed.

Its place in the session is given in the transaction that stores it, so places have no gaps and the order in
which events were acknowledged is the order in which they stand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pi_rag.config import RememberSettings
from pi_rag.errors import SessionEnded, SessionNotFound
from pi_rag.memory.checking import sound_event
from pi_rag.memory.judging import trust_of
from pi_rag.memory.means import Means
from pi_rag.memory.once import Once
from pi_rag.memory.remembering import document_trust, seen_session
from pi_rag.memory.scopes import allowed, sees
from pi_rag.memory.taking import Taken, degraded, fresh, kept, room_for, taken, without_secret
from pi_rag.memory_types import Caller, Logged, Memory, NewEvent, Session, Trust
from pi_rag.store import Connection
from pi_rag.store.memory import memories, sessions


@dataclass(frozen=True, slots=True)
class _Order:
    """An event on its way."""

    event: NewEvent
    caller: Caller
    it: Taken
    once: Once | None
    settings: RememberSettings
    now: float


async def log_event(means: Means, event: NewEvent, caller: Caller) -> Logged:
    """Keep an event. Raises as `MemoryDesk.log_event`."""
    event = sound_event(event, means.settings, means.clock.wall_s())
    if event.session_id is None:
        allowed(caller, [event.scope])
    once = Once.of(caller, event.key, event)
    if once is not None and (replayed := await means.store.read(_replayed, once, caller)) is not None:
        return replayed
    if event.session_id is not None:
        # It is refused before a vector is made for it; the transaction looks again.
        await means.store.read(open_session, event.session_id, caller, means.settings, means.clock.wall_s())
    without_secret(event.kind, "kind", means.settings)
    it = await taken(means, event.text, None, event.tags)
    event = replace(event, text=it.text, tags=it.tags)
    order = _Order(event, caller, it, once, means.settings, means.clock.wall_s())
    return await means.store.write_together(_logged, order)


def open_session(
    db: Connection, session_id: int, caller: Caller, settings: RememberSettings, now: float
) -> Session:
    """A session that can be written to. Raises SessionNotFound, SessionEnded."""
    session = seen_session(db, session_id, caller, settings, now)
    if session.state == "ended":
        raise SessionEnded(f"Session {session_id} has ended.", param="session_id")
    if session.state == "expired":
        hours = f"{settings.session_idle_h:g}"
        raise SessionEnded(
            f"Session {session_id} has expired: nothing was logged in it for {hours} hours.",
            param="session_id",
        )
    return session


def _logged(db: Connection, order: _Order) -> Logged:
    """The transaction."""
    if order.once is not None and (replayed := _replayed(db, order.once, order.caller)) is not None:
        return replayed
    scope, seq, event = order.event.scope, None, order.event
    trust = trust_of(order.caller, document_trust(db, event.document_id), None)
    if event.session_id is not None:
        scope = open_session(db, event.session_id, order.caller, order.settings, order.now).scope
        seq = sessions.took_event(db, event.session_id, order.now)
    memory = _memory(order, scope, seq, trust)
    warnings = room_for(db, memory, order.settings, order.caller, order.now)
    memory = kept(db, memory, order.it)
    result = Logged(memory, (*order.it.warnings, *warnings), degraded(db, order.it))
    if order.once is not None:
        order.once.keep(db, _answer(result), memory.id, order.settings.keys_max)
    return result


def _memory(order: _Order, scope: str, seq: int | None, trust: Trust) -> Memory:
    event = order.event
    at = order.now if event.at is None else event.at
    about = (order.it.text, order.caller, trust, order.now)
    return replace(
        fresh("event", event.kind, scope, *about),
        at=at,
        tags=event.tags,
        session_id=event.session_id,
        seq=seq,
        document_id=event.document_id,
    )


def _answer(result: Logged) -> dict[str, Any]:
    told = {"warnings": list(result.warnings), "degraded": list(result.degraded)}
    return {"memory": result.memory.id} | told


def _replayed(db: Connection, once: Once, caller: Caller) -> Logged | None:
    """The first answer, with its memory as it is now. Raises SessionNotFound.

    The same program may have been bound to other scopes since, and an event of a session names no scope.
    """
    answer = once.answered(db)
    if answer is None:
        return None
    memory = memories.one(db, answer["memory"])
    assert memory is not None, "a key goes with what it was answered with"
    if not sees(caller, memory.scope):
        raise SessionNotFound(f"There is no session {memory.session_id}.", param="session_id")
    return Logged(memory, tuple(answer["warnings"]), tuple(answer["degraded"]))
