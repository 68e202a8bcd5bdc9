"""Everything that is remembered, on its way out: as lines for another machine, or as Markdown for a person.

Lines come page by page, so that nothing piles up behind a guest who reads slowly. An answer may not take
longer than any other request, so it ends in time with a line that says where the next one goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from pi_rag.memory import exported
from pi_rag.memory.exported import Around
from pi_rag.memory.markdown import Section, written
from pi_rag.memory.means import Means
from pi_rag.memory.scopes import allowed
from pi_rag.memory_types import Caller, Memory, Trust
from pi_rag.store import Connection
from pi_rag.store.memory import moving, scopes

PAGE = 200
"""Memories in hand at once."""


async def lines(
    means: Means, caller: Caller, *, scope: str | None, gone: bool, after: int, until_s: float
) -> AsyncIterator[bytes]:
    """The lines of an answer that begins behind the id `after`. `until_s` is of the loop's clock.

    `gone`: also what is out of force and not erased. Raises ScopeInvalid, ScopeForbidden.
    """
    among = caller.scopes if scope is None else allowed(caller, [scope])
    yield exported.head()
    while page := await means.store.read(_page, among, after, gone):
        for memory, session, pinned_by in page:
            yield exported.line(memory, session, pinned_by)
            after = memory.id
        if asyncio.get_running_loop().time() >= until_s:
            yield exported.end(after)
            return
    yield exported.end(None)


async def markdown(means: Means, caller: Caller, *, scope: str | None) -> str:
    """Facts in force and summaries of sessions, scope by scope. Raises ScopeInvalid, ScopeForbidden.

    What has expired is left out: nobody could take it back.
    """
    among = caller.scopes if scope is None else allowed(caller, [scope])
    sections = [
        Section(name, await _all(means, name, "fact"), await _all(means, name, "summary"))
        for name in await means.store.read(scopes.names)
        if among is None or name in among
    ]
    return await asyncio.to_thread(written, sections)


async def _all(means: Means, scope: str, type_: str) -> list[Memory]:
    found: list[Memory] = []
    now = means.clock.wall_s()
    after = 0
    while page := await means.store.read(moving.following, (scope,), after, PAGE, gone=False):
        found += [memory for memory in page if memory.type == type_ and not _is_expired(memory, now)]
        after = page[-1].id
    return found


def _is_expired(memory: Memory, now: float) -> bool:
    return memory.expires_at is not None and memory.expires_at <= now


def _page(
    db: Connection, among: Sequence[str] | None, after: int, gone: bool
) -> list[tuple[Memory, Around | None, Trust | None]]:
    page = moving.following(db, among, after, PAGE, gone=gone)
    ids = {memory.session_id for memory in page if memory.session_id is not None}
    around = {row[0]: Around(*row[1:]) for row in moving.sessions_of(db, sorted(ids))}
    pinned_by = moving.pinned_by(db, [memory.id for memory in page])
    return [(each, around.get(each.session_id or 0), pinned_by.get(each.id)) for each in page]
