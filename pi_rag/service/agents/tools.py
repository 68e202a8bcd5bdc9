"""The ten tools of agents: the table of what there is, and the one way in which each is called.

It knows nothing of the protocol: `server.py` tells it to agents, and takes their calls from them.
"""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from pi_rag.errors import RequestInvalid, RouteNotFound
from pi_rag.service.agents import answers as shown
from pi_rag.service.agents import arguments as given
from pi_rag.service.agents import documents, memory, reading
from pi_rag.service.agents.asker import Asker
from pi_rag.service.house import House

UNKNOWN = "extra_forbidden"
"""As pydantic calls an argument that there is not."""

MARK_BYTES = 4
"""Of the number in the marks around what was found: nobody guesses it before the answer is made."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool, as it is told of and called."""

    name: str
    title: str
    description: str
    arguments: type[BaseModel]
    answer: type[shown.Answer]
    run: Callable[[House, Any, Asker], Awaitable[shown.Answer]]
    reads: bool = False
    """It stores nothing, whatever it is given."""
    destroys: bool = False
    """Something may be gone afterwards."""
    repeatable: bool = False
    """Calling it twice is as calling it once."""
    reaches_out: bool = False
    """It may fetch from the web."""
    also_reads: bool = False
    """It stores something only with some arguments, and looks to that itself."""


TOOLS: Final = (
    Tool(
        "search",
        "Search documents",
        "Find passages in the documents of this house, by meaning and by words. Each hit says where it "
        "stands; `get` reads on. For what was remembered too, use `recall`.",
        given.Search,
        shown.SearchAnswer,
        documents.search,
        reads=True,
        repeatable=True,
    ),
    Tool(
        "get",
        "Read a document or a memory",
        "Read a document or a memory in full, a page at a time, by the id that `search`, `recall` or "
        "`timeline` gave. `history` shows a memory's earlier versions.",
        given.Get,
        shown.GetAnswer,
        memory.get,
        reads=True,
        repeatable=True,
    ),
    Tool(
        "ingest",
        "Store documents",
        "Store files, folders, web pages or a text, so that `search` and `recall` find them. What has the "
        "same source is replaced. It waits until they are stored; if that takes long it answers with "
        "`finished` false, and `status` with the job_id tells how it stands.",
        given.Ingest,
        shown.JobShown,
        documents.ingest,
        destroys=True,
        repeatable=True,
        reaches_out=True,
    ),
    Tool(
        "status",
        "How the service is",
        "What the service holds, how it is, how full memory is, and how a job of `ingest` stands.",
        given.Status,
        shown.StatusShown,
        documents.status,
        reads=True,
        repeatable=True,
    ),
    Tool(
        "remember",
        "Remember a fact",
        "Keep a durable fact: a preference, a decision, an instruction, a state or a note, in a sentence "
        "that stands for itself. Give a `topic` when there is one answer to a question (home/wifi): a newer "
        "fact then takes the older one's place, which stays in its history. The answer says whether it was "
        "new, known already, or contradicts something; then ask the user. Never store keys or passwords.",
        given.Remember,
        shown.RememberedShown,
        memory.remember,
    ),
    Tool(
        "recall",
        "Recall what is known",
        "Find what is known about something: facts, past events, summaries of sessions and passages of "
        "documents in one ranking, each with whose word it is (trust). Ask before you assume.",
        given.Recall,
        shown.RecollectionShown,
        memory.recall,
        reads=True,
        repeatable=True,
    ),
    Tool(
        "forget",
        "Forget memories",
        "Take memories out of force: by `ids` at once; by any other filter first with `dry_run`, then with "
        "the `confirm` that it gave. A person can take it back, unless `hard` erased what was forgotten "
        "already.",
        given.Forget,
        shown.ForgottenShown,
        memory.forget,
        destroys=True,
        repeatable=True,
    ),
    Tool(
        "log_event",
        "Log an event",
        "Keep what has happened, with its time: a message, a decision, an error, a result. Events are never "
        "changed or merged. Within a session they keep their order.",
        given.LogEvent,
        shown.LoggedShown,
        memory.log_event,
    ),
    Tool(
        "session",
        "Keep a session",
        "Begin a session (`start`) at the start of your work, and learn what the last one left and which "
        "facts are pinned; leave a summary with `checkpoint` or `end` for the next one; `get` and `list` "
        "look.",
        given.Session,
        shown.SessionsShown,
        memory.session,
        also_reads=True,
    ),
    Tool(
        "timeline",
        "What happened around",
        "Events and summaries in the order in which they happened: around one that `recall` found, around a "
        "moment, or of a session.",
        given.Timeline,
        shown.TimelineShown,
        memory.timeline,
        reads=True,
        repeatable=True,
    ),
)

BY_NAME: Final[Mapping[str, Tool]] = {tool.name: tool for tool in TOOLS}


def offered(*, read_only: bool) -> list[Tool]:
    """The tools that a guest is told of."""
    return [tool for tool in TOOLS if tool.reads or tool.also_reads or not read_only]


def named(name: str) -> Tool:
    """Raises RouteNotFound."""
    if name not in BY_NAME:
        raise RouteNotFound(f"There is no tool {name[:100]!r}.", hint=_near(name, BY_NAME))
    return BY_NAME[name]


async def called(house: House, tool: Tool, arguments: Mapping[str, Any], asker: Asker) -> shown.Answer:
    """The answer of a tool. Raises RequestInvalid, ReadOnlyDoor, and whatever the desks raise."""
    if not (tool.reads or tool.also_reads):
        asker.must_write(tool.name)
    try:
        asked = tool.arguments.model_validate(dict(arguments))
    except ValidationError as error:
        raise _refusal(tool, error) from None
    return await tool.run(house, asked, asker)


def as_text(answer: shown.Answer) -> str:
    """The answer as a model reads it."""
    return "\n".join(answer.lines(reading.marks(lambda: secrets.token_hex(MARK_BYTES), answer.found())))


def _refusal(tool: Tool, error: ValidationError) -> RequestInvalid:
    """The first thing wrong. An argument that there is not tells most: another was meant."""
    wrong = error.errors(include_url=False, include_input=False)
    first = next((each for each in wrong if each["type"] == UNKNOWN), wrong[0])
    place = ".".join(str(part) for part in first["loc"])[:100]
    unknown = first["type"] == UNKNOWN
    said = f"`{tool.name}` takes no argument {place!r}." if unknown else f"{place}: {first['msg']}."
    hint = f"{_near(place, tool.arguments.model_fields)} Nothing was done."
    return RequestInvalid(said, hint=hint, param=place)


def _near(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    if near and name not in known:
        return f"Did you mean {near[0]!r}?"
    return f"There are: {', '.join(known)}."
