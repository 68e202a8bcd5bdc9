"""The shapes of requests and answers, as /openapi.json shows them.

They are the contract that other programs build on: a field is added, never renamed. A key that is not known
is refused, so that a typing mistake is told at once instead of being ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from pi_rag.text.clean import clean
from pi_rag.types import Counts, Degraded, JobRow, Mode, ModelCard

METADATA_DEPTH_MAX = 32
"""Metadata describe a document; what is nested deeper is a document of its own."""


def _clean_text(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _clean_tree(value: Any, depth: int = 0) -> Any:
    """Every text in a JSON value, its keys included. Deeper than `METADATA_DEPTH_MAX` is refused."""
    if depth > METADATA_DEPTH_MAX:
        raise ValueError(f"it is nested more than {METADATA_DEPTH_MAX} deep")
    if isinstance(value, dict):
        return {_clean_text(key): _clean_tree(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_clean_tree(each, depth + 1) for each in value]
    return _clean_text(value)


Text = Annotated[str, BeforeValidator(_clean_text)]
"""A text that can be stored: JSON allows half characters and NUL, a database does not."""

Metadata = Annotated[dict[str, Any], BeforeValidator(_clean_tree)]
"""Metadata whose texts can be stored."""


class Request(BaseModel):
    """A request: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class SearchRequest(Request):
    """A question."""

    query: Text = Field(description="What is looked for, in plain words.")
    k: int = Field(default=8, description="How many hits at most.")
    mode: Mode = Field(default="hybrid", description="Vectors and words, or one of them.")
    collection: Text | None = Field(default=None, max_length=200, description="Only this collection.")
    filter: Metadata = Field(
        default_factory=dict,
        description='Metadata that must match: {"field": value} or {"field": {"in": []}}.',
    )
    explain: bool = Field(default=False, description="Say how the answer came about.")


class HitAnswer(BaseModel):
    """One cited passage."""

    document_id: int
    chunk_id: int
    collection: str
    source: str
    title: str
    heading: str
    page: int | None
    start: int = Field(description="Where the passage begins in the document's text, in characters.")
    end: int
    text: str
    score: float = Field(description="From 0 to 1; 1 is first in every way.")
    scores: dict[str, float] = Field(description="Cosine as `vector`, BM25 as `text`, and the ranks.")
    age_s: float = Field(description="Seconds since the document was stored or replaced.")
    metadata: dict[str, Any]


class SearchAnswer(BaseModel):
    """The hits, best first."""

    hits: list[HitAnswer]
    degraded: list[Degraded] = Field(
        description="Why this was made from less than everything; usually empty."
    )
    took_ms: dict[str, float]
    explain: dict[str, Any] | None = None


class DocumentGiven(Request):
    """A document sent as text, or as the bytes of a file in base64."""

    source: Text = Field(min_length=1, max_length=4096, description="Its key in the collection.")
    title: Text = Field(default="", max_length=1000)
    text: Text | None = None
    content_base64: str | None = None
    metadata: Metadata = Field(default_factory=dict)


class DocumentsRequest(Request):
    """Documents to store, sent along or to be read by the service from paths. One of the two."""

    documents: list[DocumentGiven] = Field(default_factory=list)
    paths: list[str] = Field(default_factory=list, description="Absolute paths that the service can read.")
    collection: Text = Field(
        default="default", min_length=1, max_length=200, description="The named set; made on first use."
    )
    wait: bool = Field(default=True, description="Answer when the job is done, not when it is queued.")


class JobEnvelope(BaseModel):
    """One job."""

    job: JobRow


class JobList(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobRow]


class DocumentAnswer(BaseModel):
    """A stored document without its text."""

    id: int
    collection: str
    source: str
    title: str
    kind: str
    content_hash: str
    metadata: dict[str, Any]
    char_count: int
    chunk_count: int
    created_at: float
    updated_at: float


class DocumentWithText(DocumentAnswer):
    """A stored document with its text."""

    text: str


class DocumentList(BaseModel):
    """Documents by id; `next` is the value of `after` for the next page, or null."""

    documents: list[DocumentAnswer]
    next: int | None


class Removed(BaseModel):
    """How many documents are gone."""

    removed: int


class StatusAnswer(BaseModel):
    """How the service is; docs/api.md tells what stands in each part."""

    version: str
    ready: bool
    state: str
    degraded: list[Degraded]
    uptime_s: float
    data: str
    model: ModelCard | None
    embedder: dict[str, Any]
    store: dict[str, Any]
    counts: Counts | None = Field(description="Null while all readers of the database are taken.")
    ingest: dict[str, Any]
    cache: dict[str, Any]
    memory: dict[str, Any]


class Health(BaseModel):
    """The service lives."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether a real embedding, a nearest-neighbour search and a word search have worked."""

    ready: bool
    state: str
    degraded: list[Degraded]


class ErrorBody(BaseModel):
    """What went wrong and what to do next."""

    code: str
    message: str
    hint: str
    retry_after_ms: int | None


class ErrorAnswer(BaseModel):
    """The one shape of every error."""

    error: ErrorBody
