"""Looking at what is kept, without a question: by ids, in lists, back through its history.

To be looked at so is no use of a memory: it is not ranked higher for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pi_rag.errors import MemoryNotFound, RequestInvalid
from pi_rag.memory.changing import seen
from pi_rag.memory.means import Means
from pi_rag.memory.scopes import allowed, sees
from pi_rag.memory_types import Caller, Change, Memory, ScopeUse, Which
from pi_rag.store import Connection
from pi_rag.store.memory import changes, memories, usage
from pi_rag.store.memory import which as whiches

CHANGES_MAX = 1000
"""Lines of the log in a history: the newest. A fact has one for each time it was said again, and what an
agent says once a minute would come to more than anybody reads. The older ones stand in the log itself."""

History = tuple[tuple[Memory, ...], tuple[Change, ...]]


async def several(means: Means, ids: Sequence[int], caller: Caller) -> tuple[Memory, ...]:
    """In the order of their ids here. Raises MemoryNotFound."""
    return await means.store.read(_several, ids, caller)


async def listing(
    means: Means, which: Which, caller: Caller, *, limit: int, after: int | None, gone: bool
) -> tuple[Memory, ...]:
    """The newest first. Raises ScopeInvalid, ScopeForbidden."""
    if which.scope is not None:
        allowed(caller, [which.scope])
    asked = (which, caller.scopes, means.clock.wall_s())
    return tuple(await means.store.read(whiches.listing, *asked, limit=limit, after=after, gone=gone))


async def history(
    means: Means, caller: Caller, *, memory_id: int | None, scope: str | None, topic: str | None
) -> History:
    """Of a memory, or of a topic, with the newest of its lines in the log.

    Raises MemoryNotFound, RequestInvalid, ScopeInvalid, ScopeForbidden.
    """
    if (memory_id is None) == (topic is None):
        raise RequestInvalid("Say either which memory, or which topic.", param="topic")
    among = caller.scopes if scope is None else allowed(caller, [scope])
    if memory_id is not None:
        return await means.store.read(_history_of, memory_id, caller)
    assert topic is not None
    return await means.store.read(_history_on, topic, among)


async def changes_of(means: Means, caller: Caller, *, limit: int, after: int | None) -> tuple[Change, ...]:
    """The audit log of what the caller may see, the newest first."""
    return tuple(await means.store.read(changes.listing, caller.scopes, limit=limit, after=after))


async def usage_of(means: Means, caller: Caller) -> tuple[ScopeUse, ...]:
    """How full each scope is that the caller may see."""
    limits = {name: getattr(means.settings, name) for name in ("facts_max", "events_max", "gone_max")}
    return await means.store.read(usage.uses, caller.scopes, **limits)


def _several(db: Connection, ids: Sequence[int], caller: Caller) -> tuple[Memory, ...]:
    found = {memory.id: memory for memory in memories.get(db, ids)}
    for each in ids:
        if each not in found or not sees(caller, found[each].scope):
            raise MemoryNotFound(f"There is no memory {each}.", param="ids")
    return tuple(found[each] for each in ids)


def _history_of(db: Connection, memory_id: int, caller: Caller) -> History:
    scope = seen(db, memory_id, caller).scope
    line = memories.lineage(db, memory_id)
    return _with_changes(db, sorted([*line, *_beside(db, line, scope)], key=lambda memory: memory.id))


def _history_on(db: Connection, topic: str, among: Sequence[str] | None) -> History:
    return _with_changes(db, memories.topic_history(db, among, topic))


def _beside(db: Connection, line: Sequence[Memory], scope: str) -> list[Memory]:
    """What one of these took the place of besides the one that it names, with what those had taken the place
    of: the log knows them all.
    """
    ids = {memory.id for memory in line}
    found = memories.get(db, changes.gave_way_with(db, [*ids], memories.LINEAGE_MAX))
    lost = [each.id for each in found if each.superseded_by in ids and each.scope == scope]
    lines = {each.id: each for one in lost if one not in ids for each in memories.lineage(db, one)}
    return [each for each in lines.values() if each.id not in ids]


def _with_changes(db: Connection, found: Sequence[Memory]) -> History:
    return tuple(found), tuple(changes.of(db, [memory.id for memory in found], CHANGES_MAX))
