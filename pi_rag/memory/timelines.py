"""What happened before and after a memory or a moment: events and summaries, in the order of their times."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pi_rag.config import RememberSettings
from pi_rag.errors import RequestInvalid, SessionNotFound
from pi_rag.memory.changing import seen
from pi_rag.memory.means import Means
from pi_rag.memory.remembering import seen_session
from pi_rag.memory.scopes import allowed
from pi_rag.memory_types import Caller, Memory, Timeline
from pi_rag.store import Connection
from pi_rag.store.memory import passing
from pi_rag.store.memory.passing import Moment, Where


@dataclass(frozen=True, slots=True)
class Asked:
    """Around what, of whose events, and how many on each side."""

    around: int | None = None
    at: float | None = None
    session_id: int | None = None
    scope: str | None = None
    before: int = 5
    after: int = 5


async def timeline(means: Means, caller: Caller, asked: Asked) -> Timeline:
    """What stands there. Around a memory of a session that the caller may see these are the events of that
    session, and else those of its scope; around nothing, they are the newest; or the first, where none is
    wanted before.

    Raises as `MemoryDesk.timeline`.
    """
    if asked.around is not None and asked.at is not None:
        raise RequestInvalid("Say around which memory or at what time, not both.", param="at")
    if asked.at is not None and not math.isfinite(asked.at):
        raise RequestInvalid("at is no time.", param="at")
    for name, count in (("before", asked.before), ("after", asked.after)):
        if not 0 <= count <= means.settings.k_max:
            raise RequestInvalid(f"{name} is {count}; the most is {means.settings.k_max}.", param=name)
    if asked.scope is not None:
        allowed(caller, [asked.scope])
    return await means.store.read(_timeline, caller, asked, means.clock.wall_s(), means.settings)


def _timeline(
    db: Connection, caller: Caller, asked: Asked, now: float, settings: RememberSettings
) -> Timeline:
    hit = None if asked.around is None else seen(db, asked.around, caller)
    if asked.session_id is not None:
        seen_session(db, asked.session_id, caller, settings, now)
    where = _where(caller, asked, hit, _session_of(db, hit, caller, settings, now))
    moment = _moment(asked, hit)
    earlier = passing.earlier(db, where, moment, asked.before + 1)
    later = passing.later(db, where, moment, asked.after + 1)
    own = [hit] if hit is not None and hit.type != "fact" else []
    shown = (*reversed(earlier[: asked.before]), *own, *later[: asked.after])
    return Timeline(shown, asked.around, len(earlier) > asked.before, len(later) > asked.after)


def _moment(asked: Asked, hit: Memory | None) -> Moment:
    """Without a place it is behind the newest; who wants nothing before it is shown the beginning."""
    if hit is not None:
        return Moment(hit.at, hit.id)
    if asked.at is not None:
        return Moment(asked.at, 0)
    return Moment(-math.inf, 0) if asked.before == 0 else Moment()


def _where(caller: Caller, asked: Asked, hit: Memory | None, of_hit: int | None) -> Where:
    if asked.session_id is not None:
        return Where(caller.scopes, asked.session_id)
    if asked.scope is not None:
        return Where((asked.scope,))
    if of_hit is not None:
        return Where(caller.scopes, of_hit)
    return Where(caller.scopes if hit is None else (hit.scope,))


def _session_of(
    db: Connection, hit: Memory | None, caller: Caller, settings: RememberSettings, now: float
) -> int | None:
    """The session of a memory, where the caller may see that too: a fact can be of another scope."""
    if hit is None or hit.session_id is None:
        return None
    try:
        return seen_session(db, hit.session_id, caller, settings, now).id
    except SessionNotFound:
        return None
