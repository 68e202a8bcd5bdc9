"""What agents may give to each tool.

Where the HTTP interface takes the same, its shape is taken and only made gentler: an agent that sends "5" for
5 is understood. What is not known is refused here as there, so that a filter that was misspelt is never
passed over. Every shape is flat, since some clients know no other.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pi_rag.memory_types import SessionState
from pi_rag.service.memory_schemas import (
    EventRequest,
    ForgetRequest,
    Id,
    Key,
    RecallRequest,
    RememberRequest,
    ScopeName,
    Title,
)
from pi_rag.service.memory_schemas import Moment as Seconds
from pi_rag.service.schemas import (
    COLLECTION_CHARS_MAX,
    SOURCE_CHARS_MAX,
    Kinds,
    Metadata,
    Moment,
    Names,
    Text,
)
from pi_rag.types import Match, Mode

GENTLE: Final = ConfigDict(extra="forbid", strict=False)

PATHS_MAX = 1000
"""A folder is one path."""

Budget = Annotated[
    int | None,
    Field(ge=50, description="About how many tokens of text to give at most. Null: as set."),
]
Limit = Annotated[int, Field(ge=1, le=100, description="How many at most.")]
Around = Annotated[int, Field(ge=0, le=100)]
Source = Annotated[Text, Field(min_length=1, max_length=SOURCE_CHARS_MAX)]


class Arguments(BaseModel):
    """What a tool is given."""

    model_config = GENTLE


class Search(Arguments):
    """A question to the documents."""

    query: Text = Field(
        description="What is looked for, in plain words; a phrase in quotes is found as such."
    )
    limit: Limit = 8
    skip: int = Field(default=0, ge=0, le=1000, description="`next` of the page before.")
    token_budget: Budget = None
    collection: Names = Field(default=None, description="Only this collection, or these.")
    under: Text | None = Field(default=None, description="Only what lies below this path.")
    kind: Kinds = Field(default=None, description="Only documents of this kind, such as pdf, or these.")
    since: Moment = Field(default=None, description="Only what was stored from here on (ISO 8601).")
    until: Moment = Field(default=None, description="Only what was stored up to here.")
    filter: Metadata = Field(
        default_factory=dict,
        description='Metadata that must match: {"field": value}, or {"field": {test: value}} with one of in, '
        "gt, gte, lt, lte, prefix, exists, not.",
    )
    mode: Mode = Field(default="hybrid", description="By meaning and words, or by one of them.")
    match: Match = Field(default="any", description="Which of the words a passage must hold.")
    unique: bool = Field(default=False, description="Of passages that say the same, show one.")
    neighbours: int = Field(default=0, ge=0, le=10, description="Passages around each hit to give with it.")


class Get(Arguments):
    """One thing to read in full. One of the three says which."""

    document_id: Id | None = Field(default=None, description="A document that `search` or `recall` named.")
    memory_id: Id | None = Field(default=None, description="A memory that `recall` or `timeline` named.")
    source: Source | None = Field(default=None, description="A document's path or address.")
    start: int = Field(default=0, ge=0, description="From which character on: `next` of the page before.")
    token_budget: Budget = None
    history: bool = Field(default=False, description="Of a memory: its earlier versions too.")


class Ingest(Arguments):
    """Documents to store: paths that the service can read, addresses, or one text."""

    paths: list[Source] = Field(
        default_factory=list,
        max_length=PATHS_MAX,
        description="Absolute paths of files or folders on the machine of the service, or web addresses.",
    )
    text: Text | None = Field(default=None, description="A text to store, in place of paths.")
    source: Source | None = Field(
        default=None,
        description="Of a text: the name by which it is known and replaced, such as notes/plan.md.",
    )
    title: Text = Field(default="", max_length=1000, description="Of a text.")
    collection: Text = Field(default="default", min_length=1, max_length=COLLECTION_CHARS_MAX)
    metadata: Metadata = Field(default_factory=dict)
    wait: bool = Field(default=True, description="Answer when it is stored; else once it is queued.")
    key: Key | None = Field(
        default=None, description="Names this request: sent again with the same key it is done once."
    )


class Status(Arguments):
    """What to tell of."""

    job_id: Id | None = Field(default=None, description="Also how this job of `ingest` stands.")


class Remember(RememberRequest):
    """A fact to keep."""

    model_config = GENTLE


class Recall(RecallRequest):
    """A question to memory."""

    model_config = GENTLE


class Forget(ForgetRequest):
    """Which memories to forget."""

    model_config = GENTLE


class LogEvent(EventRequest):
    """Something that has happened."""

    model_config = GENTLE


class Session(Arguments):
    """What to do with a session."""

    action: Literal["start", "checkpoint", "end", "get", "list"] = Field(
        description="start: begin one, and learn what the last one left. checkpoint: leave a summary so far. "
        "end: close it. get, list: look."
    )
    session_id: Id | None = Field(default=None, description="Of checkpoint, end and get.")
    scope: ScopeName | None = Field(
        default=None, description='Of start and list: "user", "project:NAME" or "agent:NAME".'
    )
    title: Title = Field(default="", description="Of start: what it is about.")
    summary: Annotated[Text, Field(min_length=1)] | None = Field(
        default=None, description="Of checkpoint and end: what the next session should know."
    )
    state: SessionState | None = Field(default=None, description="Of list: only those.")
    limit: Limit = 10
    after: Id | None = Field(default=None, description="Of list: `next` of the page before.")


class Timeline(Arguments):
    """Around what, or from when on. When nothing is said the latest; with `before` 0 the first."""

    around: Id | None = Field(default=None, description="An event or summary that `recall` named.")
    at: Seconds = Field(default=None, description="A moment (ISO 8601 or Unix seconds).")
    session_id: Id | None = Field(default=None, description="Only this session.")
    scope: ScopeName | None = None
    before: Around = 5
    after: Around = 5
    token_budget: Budget = None
