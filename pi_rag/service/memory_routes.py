"""The addresses of agents' memory: each hands its request to the desk, with who asks, and shapes the answer.

Nothing is decided here. Who comes over plain HTTP, or by the command line, comes in as a person; agents have
a door of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from pi_rag.errors import RequestInvalid
from pi_rag.memory_types import Caller, MemoryType, SessionState, Which
from pi_rag.service.callers import caller_of
from pi_rag.service.house import House
from pi_rag.service.memory_schemas import (
    ID_MAX,
    ChangeAnswer,
    ChangeList,
    ChangeRequest,
    Client,
    Dismissed,
    EndRequest,
    EventRequest,
    ForgetRequest,
    ForgottenAnswer,
    HistoryAnswer,
    ImportedAnswer,
    ImportMemoriesRequest,
    LoggedAnswer,
    MarkdownAnswer,
    MemoryAnswer,
    MemoryList,
    Moment,
    RecallRequest,
    RecollectionAnswer,
    RememberedAnswer,
    RememberRequest,
    ScopeList,
    ScopeName,
    SessionAnswer,
    SessionList,
    SessionRequest,
    StartedAnswer,
    SuggestionList,
    SummaryRequest,
    Tag,
    TimelineAnswer,
    Topic,
    UndoRequest,
    Word,
)

PageSize = Annotated[int, Query(ge=1, le=1000)]
Around = Annotated[int, Query(ge=0, le=100)]
MemoryId = Annotated[int, Path(ge=0, le=ID_MAX)]
RowId = Annotated[int, Query(ge=0, le=ID_MAX)]
When = Annotated[Moment, Query(description="ISO 8601 or Unix seconds.")]
Known = Annotated[str, Path(max_length=200)]


async def _person(request: Request) -> Caller:
    return caller_of(request)


Person = Annotated[Caller, Depends(_person)]


def mount(api: APIRouter, house: House) -> None:
    """All of them, over one house."""
    _memories(api, house)
    _files(api, house)
    _one_memory(api, house)
    _changes(api, house)
    _recall(api, house)
    _sessions(api, house)
    _order(api, house)


def _said(shape: type[BaseModel], value: Any) -> Response:
    """An answer written as it is: the framework would validate the whole of it once more."""
    return Response(shape.model_validate(value).model_dump_json(), media_type="application/json")


def _page(rows: Any, limit: int) -> int | None:
    """`after` of the next page."""
    return rows[-1].id if len(rows) == limit else None


def _memories(api: APIRouter, house: House) -> None:
    @api.post("/v1/memories", summary="Remember a fact", response_model=RememberedAnswer)
    async def remember(request: RememberRequest, caller: Person) -> Response:
        """Keep a statement, and say what became of it. It is on the disk when the answer comes."""
        return _said(RememberedAnswer, await house.memory.remember(request.fact(), caller))

    @api.post("/v1/events", summary="Log an event", response_model=LoggedAnswer)
    async def log_event(request: EventRequest, caller: Person) -> Response:
        """Keep what has happened. Events are never changed and never merged."""
        return _said(LoggedAnswer, await house.memory.log_event(request.event(), caller))

    @api.get("/v1/memories", summary="List memories", response_model=MemoryList)
    async def listing(
        caller: Person,
        scope: ScopeName | None = None,
        type: MemoryType | None = None,  # noqa: A002 - the name of the parameter in the address
        kind: Word | None = None,
        topic: Topic | None = None,
        tag: Tag | None = None,
        session_id: RowId | None = None,
        client: Client | None = None,
        before: When = None,
        since: When = None,
        expired: bool = False,
        gone: bool = False,
        limit: PageSize = 100,
        after: RowId | None = None,
    ) -> Response:
        """The newest first, a page at a time; with `gone` what is no more in force, instead."""
        which = Which(
            scope=scope,
            type=type,
            kind=kind,
            topic=topic,
            tag=tag,
            session_id=session_id,
            client=client,
            before=before,
            since=since,
            expired=expired,
        )
        rows = await house.memory.listing(which, caller, limit=limit, after=after, gone=gone)
        return _said(MemoryList, {"memories": rows, "next": _page(rows, limit)})

    @api.post("/v1/memories/forget", summary="Forget memories", response_model=ForgottenAnswer)
    async def forget(request: ForgetRequest, caller: Person) -> Response:
        """Take out of force, which can be undone; or with `hard` erase for good what is out of force."""
        forgotten = await house.memory.forget(
            request.which(), caller, dry_run=request.dry_run, hard=request.hard, confirm=request.confirm
        )
        return _said(ForgottenAnswer, forgotten)


def _files(api: APIRouter, house: House) -> None:
    @api.get("/v1/memories/export", summary="Memories as lines of JSON", response_class=StreamingResponse)
    async def export(
        connection: Request,
        caller: Person,
        scope: ScopeName | None = None,
        gone: bool = False,
        after: RowId = 0,
    ) -> StreamingResponse:
        """A memory a line, by id. The last line has `next`, to be sent as `after`; null: no more."""
        until_s = connection.state.wait_until_s
        lines = house.memory.export(caller, scope=scope, gone=gone, after=after, until_s=until_s)
        # What is refused is refused before the answer begins.
        head = await anext(lines)
        return StreamingResponse(_behind(head, lines), media_type="application/x-ndjson")

    @api.get("/v1/memories/markdown", summary="Memories for people", response_model=MarkdownAnswer)
    async def markdown(caller: Person, scope: ScopeName | None = None) -> Response:
        """Facts in force and summaries of sessions, to be read, edited and imported."""
        return _said(MarkdownAnswer, {"markdown": await house.memory.export_markdown(caller, scope=scope)})

    @api.post("/v1/memories/import", summary="Take an export", response_model=ImportedAnswer)
    async def take(request: ImportMemoriesRequest, caller: Person) -> Response:
        """Memories as they were, or facts of a list, which are remembered as any others."""
        if bool(request.lines) == (request.markdown is not None):
            raise RequestInvalid("Send either `lines` or `markdown`.")
        if request.markdown is not None:
            taken = await house.memory.import_markdown(request.markdown, request.scope, caller)
        else:
            taken = await house.memory.import_(request.lines, caller, ids=request.earlier())
        return _said(ImportedAnswer, taken)


async def _behind(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for each in rest:
        yield each


def _one_memory(api: APIRouter, house: House) -> None:
    @api.get("/v1/memories/{memory_id}", summary="One memory", response_model=MemoryAnswer)
    async def get(memory_id: MemoryId, caller: Person) -> Response:
        """As it is kept, in force or not."""
        [found] = await house.memory.get((memory_id,), caller)
        return _said(MemoryAnswer, found)

    @api.patch("/v1/memories/{memory_id}", summary="Change a memory", response_model=RememberedAnswer)
    async def change(memory_id: MemoryId, request: ChangeRequest, caller: Person) -> Response:
        """Pin it, weigh it or give it an end. Its words never change: what is true now is a new fact."""
        changed = await house.memory.change(memory_id, caller, **request.values())
        return _said(RememberedAnswer, changed)

    @api.get("/v1/memories/{memory_id}/history", summary="How it came to be", response_model=HistoryAnswer)
    async def history(memory_id: MemoryId, caller: Person) -> Response:
        """All that stood in its place, oldest first, and what was done with them."""
        memories, changes = await house.memory.history(caller, memory_id=memory_id)
        return _said(HistoryAnswer, {"memories": memories, "changes": changes})


def _changes(api: APIRouter, house: House) -> None:
    @api.get("/v1/history", summary="How a topic came to be", response_model=HistoryAnswer)
    async def history(caller: Person, topic: Topic, scope: ScopeName = "user") -> Response:
        """All that was remembered on it in this scope, oldest first, and what was done with them."""
        memories, changes = await house.memory.history(caller, scope=scope, topic=topic)
        return _said(HistoryAnswer, {"memories": memories, "changes": changes})

    @api.get("/v1/changes", summary="The audit log", response_model=ChangeList)
    async def changes(caller: Person, limit: PageSize = 100, after: RowId | None = None) -> Response:
        """Who changed what in memory, the newest first, a page at a time."""
        rows = await house.memory.changes(caller, limit=limit, after=after)
        return _said(ChangeList, {"changes": rows, "next": _page(rows, limit)})

    @api.post("/v1/undo", summary="Take a change back", response_model=ChangeAnswer)
    async def undo(request: UndoRequest, caller: Person) -> Response:
        """The answer is a change itself, and can be taken back too."""
        return _said(ChangeAnswer, await house.memory.undo(request.change_id, caller))


def _recall(api: APIRouter, house: House) -> None:
    @api.post("/v1/recall", summary="Recall", response_model=RecollectionAnswer)
    async def recall(request: RecallRequest, caller: Person) -> Response:
        """Facts, events, summaries and passages of documents in one ranking."""
        found = RecollectionAnswer.model_validate(await house.memory.recall(request.recall(), caller))
        if not request.explain:
            found.explain = None
        return _said(RecollectionAnswer, found)

    @api.get("/v1/timeline", summary="What happened, in its order", response_model=TimelineAnswer)
    async def timeline(
        caller: Person,
        around: RowId | None = None,
        at: When = None,
        session_id: RowId | None = None,
        scope: ScopeName | None = None,
        before: Around = 5,
        after: Around = 5,
    ) -> Response:
        """Events and summaries around a memory, or from a moment on."""
        found = await house.memory.timeline(
            caller, around=around, at=at, session_id=session_id, scope=scope, before=before, after=after
        )
        return _said(TimelineAnswer, found)


def _sessions(api: APIRouter, house: House) -> None:
    @api.post("/v1/sessions", summary="Start a session", status_code=201, response_model=StartedAnswer)
    async def start(request: SessionRequest, caller: Person) -> Response:
        """With what the one before it in this scope has left."""
        started = _said(StartedAnswer, await house.memory.start_session(request.scope, request.title, caller))
        started.status_code = 201
        return started

    @api.get("/v1/sessions", summary="List sessions", response_model=SessionList)
    async def listing(
        caller: Person,
        scope: ScopeName | None = None,
        state: SessionState | None = None,
        limit: PageSize = 100,
        after: RowId | None = None,
    ) -> Response:
        """The newest first, a page at a time."""
        rows = await house.memory.sessions(scope, state, caller, limit=limit, after=after)
        return _said(SessionList, {"sessions": rows, "next": _page(rows, limit)})

    @api.get("/v1/sessions/{session_id}", summary="One session", response_model=SessionAnswer)
    async def get(session_id: MemoryId, caller: Person) -> Response:
        """How it is. What was logged in it is in its timeline."""
        return _said(SessionAnswer, await house.memory.session(session_id, caller))

    @api.post("/v1/sessions/{session_id}/checkpoint", summary="Leave a summary", response_model=SessionAnswer)
    async def checkpoint(session_id: MemoryId, request: SummaryRequest, caller: Person) -> Response:
        """The session goes on; should it end without another, this one is offered to the next."""
        return _said(SessionAnswer, await house.memory.checkpoint(session_id, request.summary, caller))

    @api.post("/v1/sessions/{session_id}/end", summary="End a session", response_model=SessionAnswer)
    async def end(session_id: MemoryId, request: EndRequest, caller: Person) -> Response:
        """Nothing more is logged in it."""
        return _said(SessionAnswer, await house.memory.end_session(session_id, request.summary, caller))


def _order(api: APIRouter, house: House) -> None:
    @api.get("/v1/suggestions", summary="What may be put in order", response_model=SuggestionList)
    async def review(
        caller: Person, scope: ScopeName | None = None, limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> Response:
        """What has expired, repeats or contradicts something. Nothing is done until somebody accepts it."""
        found = await house.memory.review(caller, scope=scope, limit=limit)
        return _said(SuggestionList, {"suggestions": found})

    @api.post(
        "/v1/suggestions/{suggestion_id}/accept", summary="Do what it proposes", response_model=ChangeAnswer
    )
    async def accept(suggestion_id: Known, caller: Person) -> Response:
        """As a change that can be taken back."""
        return _said(ChangeAnswer, await house.memory.accept(suggestion_id, caller))

    @api.post("/v1/suggestions/{suggestion_id}/dismiss", summary="Suggest it no more")
    async def dismiss(suggestion_id: Known, caller: Person) -> Dismissed:
        """Until what it is about changes."""
        await house.memory.dismiss(suggestion_id, caller)
        return Dismissed(dismissed=1)

    @api.get("/v1/scopes", summary="How full each scope is", response_model=ScopeList)
    async def usage(caller: Person) -> Response:
        """Of every scope that has something in it."""
        return _said(ScopeList, {"scopes": await house.memory.usage(caller)})
