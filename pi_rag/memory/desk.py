"""The desk of agents' memory: each thing that a guest may ask, by its name, for whoever came in by any door.

It hands each to the file that tells its story. Every method gets the caller as the service has seen it, and
does nothing in a scope that this caller is not let into. It knows no HTTP and no MCP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pi_rag.config import RememberSettings
from pi_rag.memory import (
    changing,
    events,
    exporting,
    forgetting,
    importing,
    looking,
    recalling,
    remembering,
    reviewing,
    sessions,
    timelines,
    undoing,
)
from pi_rag.memory.importing import Imported
from pi_rag.memory.means import Means
from pi_rag.memory_types import (
    Caller,
    Change,
    Forgotten,
    Logged,
    Memory,
    NewEvent,
    NewFact,
    Recall,
    Recollection,
    Remembered,
    ScopeUse,
    Session,
    SessionState,
    Started,
    Suggestion,
    Timeline,
    Which,
)


class Kept:
    """Stands for "as it is", where None has a meaning of its own."""


KEPT = Kept()


class MemoryDesk:
    """One for the life of the service. Its settings may be replaced while it works."""

    def __init__(self, means: Means) -> None:
        self.means = means

    def follow(self, settings: RememberSettings) -> None:
        """Go by these settings from now on."""
        self.means = replace(self.means, settings=settings)

    async def remember(self, fact: NewFact, caller: Caller) -> Remembered:
        """Keep a fact, and say what became of it. It is durable, and found, once this returns.

        Raises ScopeInvalid, ScopeForbidden, ScopeFull, MemoryTooLong, RequestInvalid, SecretRefused,
        DocumentNotFound, SessionNotFound, MemoryNotFound (of `supersedes`), KeyReused.
        """
        return await remembering.remember(self.means, fact, caller)

    async def log_event(self, event: NewEvent, caller: Caller) -> Logged:
        """Keep an event. Raises as `remember`, and TimeInFuture, SessionEnded."""
        return await events.log_event(self.means, event, caller)

    async def get(self, ids: tuple[int, ...], caller: Caller) -> tuple[Memory, ...]:
        """Memories in the order of their ids here, in force or not. Raises MemoryNotFound."""
        return await looking.several(self.means, ids, caller)

    async def listing(
        self, which: Which, caller: Caller, *, limit: int, after: int | None = None, gone: bool = False
    ) -> tuple[Memory, ...]:
        """The newest first, from below the id `after` on. `gone`: those that are not in force, instead.

        An empty `which` is everything that the caller may see.
        """
        return await looking.listing(self.means, which, caller, limit=limit, after=after, gone=gone)

    async def forget(
        self,
        which: Which,
        caller: Caller,
        *,
        dry_run: bool,
        hard: bool = False,
        confirm: str | None = None,
    ) -> Forgotten:
        """Take memories out of force, or erase what is out of force (`hard`).

        Ids alone are done at once; a filter only with the `confirm` of a dry run. Raises ForgetAll,
        ForgetUnconfirmed, MemoryNotFound, EraseFirstForget, ScopeForbidden.
        """
        return await forgetting.forget(self.means, which, caller, dry_run=dry_run, hard=hard, confirm=confirm)

    async def change(
        self,
        memory_id: int,
        caller: Caller,
        *,
        pinned: bool | None = None,
        importance: float | None = None,
        expires_at: float | Kept | None = KEPT,
        valid_to: float | Kept | None = KEPT,
    ) -> Remembered:
        """Change what may be changed of a fact in force; its text may not. The outcome is `merged`.

        Raises MemoryNotFound, RequestInvalid.
        """
        given = {"pinned": pinned, "importance": importance}
        wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        times = {"expires_at": expires_at, "valid_to": valid_to}
        wanted |= {name: at for name, at in times.items() if not isinstance(at, Kept)}
        return await changing.change(self.means, memory_id, caller, wanted)

    async def history(
        self,
        caller: Caller,
        *,
        memory_id: int | None = None,
        scope: str | None = None,
        topic: str | None = None,
    ) -> tuple[tuple[Memory, ...], tuple[Change, ...]]:
        """All versions of a memory, or of what was kept on a topic, the oldest first; and what was done.

        Raises MemoryNotFound, RequestInvalid.
        """
        return await looking.history(self.means, caller, memory_id=memory_id, scope=scope, topic=topic)

    async def changes(self, caller: Caller, *, limit: int, after: int | None = None) -> tuple[Change, ...]:
        """The audit log, the newest first, from below the id `after` on."""
        return await looking.changes_of(self.means, caller, limit=limit, after=after)

    async def undo(self, change_id: int | None, caller: Caller) -> Change:
        """Take a change back; None: the last one that this client has made. Returns the undoing.

        Raises ChangeNotFound, ChangeFinal.
        """
        return await undoing.undo(self.means, change_id, caller)

    async def start_session(self, scope: str, title: str, caller: Caller) -> Started:
        """Begin a session. It is given what the one before it in this scope has left."""
        return await sessions.start(self.means, scope, title, caller)

    async def checkpoint(self, session_id: int, summary: str, caller: Caller) -> Session:
        """Leave a summary of what was done so far. Raises SessionNotFound, SessionEnded."""
        return await sessions.checkpoint(self.means, session_id, summary, caller)

    async def end_session(self, session_id: int, summary: str | None, caller: Caller) -> Session:
        """End it. One that has ended already stays as it is. Raises SessionNotFound, SessionEnded."""
        return await sessions.end(self.means, session_id, summary, caller)

    async def session(self, session_id: int, caller: Caller) -> Session:
        """One session. Raises SessionNotFound."""
        return await sessions.one(self.means, session_id, caller)

    async def sessions(
        self,
        scope: str | None,
        state: SessionState | None,
        caller: Caller,
        *,
        limit: int,
        after: int | None = None,
    ) -> tuple[Session, ...]:
        """The newest first, from below the id `after` on."""
        return await sessions.listing(self.means, scope, state, caller, limit=limit, after=after)

    async def recall(self, recall: Recall, caller: Caller) -> Recollection:
        """What memory and documents hold on a question, the best first. Raises QueryEmpty and its kinds."""
        return await recalling.recall(self.means, recall, caller)

    async def timeline(
        self,
        caller: Caller,
        *,
        around: int | None = None,
        at: float | None = None,
        session_id: int | None = None,
        scope: str | None = None,
        before: int = 5,
        after: int = 5,
    ) -> Timeline:
        """What happened before and after. Raises MemoryNotFound, SessionNotFound."""
        asked = timelines.Asked(around, at, session_id, scope, before, after)
        return await timelines.timeline(self.means, caller, asked)

    async def review(
        self, caller: Caller, *, scope: str | None = None, limit: int = 20
    ) -> tuple[Suggestion, ...]:
        """What might be put in order. Nothing is changed."""
        return await reviewing.review(self.means, caller, scope=scope, limit=limit)

    async def accept(self, suggestion_id: str, caller: Caller) -> Change:
        """Do as a suggestion proposes. Raises SuggestionNotFound."""
        return await reviewing.accept(self.means, suggestion_id, caller)

    async def dismiss(self, suggestion_id: str, caller: Caller) -> None:
        """Never suggest this again. Raises SuggestionNotFound."""
        await reviewing.dismiss(self.means, suggestion_id, caller)

    async def usage(self, caller: Caller) -> tuple[ScopeUse, ...]:
        """How full each scope is that the caller may see."""
        return await looking.usage_of(self.means, caller)

    def export(
        self, caller: Caller, *, scope: str | None = None, gone: bool = False, after: int = 0, until_s: float
    ) -> AsyncIterator[bytes]:
        """Lines of JSON, a memory each, with ids above `after`; the last line says where to go on.

        `gone`: also what is out of force. It ends soon after `until_s`, of the loop's clock.
        """
        return exporting.lines(self.means, caller, scope=scope, gone=gone, after=after, until_s=until_s)

    async def export_markdown(self, caller: Caller, *, scope: str | None = None) -> str:
        """Facts and summaries for a person to read, and to edit for `import_markdown`."""
        return await exporting.markdown(self.means, caller, scope=scope)

    async def import_(
        self, lines: Sequence[Mapping[str, Any]], caller: Caller, *, ids: Mapping[int, int]
    ) -> Imported:
        """Store the memories of some lines of an export. `ids`: what earlier lines are called here.

        Raises RequestInvalid; what is wrong with one line is told of that line.
        """
        return await importing.lines(self.means, lines, caller, ids=ids)

    async def import_markdown(self, text: str, scope: str, caller: Caller) -> Imported:
        """Remember each fact of a list. Raises ScopeInvalid."""
        return await importing.markdown(self.means, text, scope, caller)
