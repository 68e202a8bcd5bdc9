"""The shapes of requests and answers, as /openapi.json shows them.

They are the contract that other programs build on: a field is added, never renamed. A key that is not known
is refused, so that a typing mistake is told at once instead of being ignored. `/v1/embeddings` alone takes
what it does not know: its clients were written for another service, and send what that one takes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticCustomError

from pi_rag.text.clean import clean, clean_tree
from pi_rag.types import (
    AnswerDegraded,
    Counts,
    DeadLetter,
    Degraded,
    JobRow,
    Kind,
    Match,
    Mode,
    ModelCard,
    Priority,
)

SOURCE_CHARS_MAX = 4096
COLLECTION_CHARS_MAX = 200
"""As long as the longest path."""

METADATA_DEPTH_MAX = 32
"""Metadata describe a document; what is nested deeper is a document of its own."""


def _clean_text(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _clean_tree(value: Any) -> Any:
    try:
        return clean_tree(value, METADATA_DEPTH_MAX)
    except ValueError:
        raise ValueError(f"it is nested more than {METADATA_DEPTH_MAX} deep") from None


def _names(value: Any) -> Any:
    """One name, several, or None."""
    names = _clean_tree(value)
    if names is None or isinstance(names, str):
        return names
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    raise PydanticCustomError("names", "it must be a name or a list of names")


Text = Annotated[str, BeforeValidator(_clean_text)]
"""A text that can be stored: JSON allows half characters and NUL, a database does not."""

Pattern = Annotated[str, BeforeValidator(_clean_text), Field(min_length=1, max_length=1000)]
"""A line of an ignore file."""

Metadata = Annotated[dict[str, Any], BeforeValidator(_clean_tree)]
"""Metadata whose texts can be stored."""

# What may be one of several things is judged by `store/filters.py`: a union's own errors name Python's types.
Names = Annotated[Any, PlainValidator(_names, json_schema_input_type=str | list[str] | None)]
Kinds = Annotated[Any, PlainValidator(_clean_tree, json_schema_input_type=Kind | list[Kind] | None)]
Moment = Annotated[Any, PlainValidator(_clean_tree, json_schema_input_type=float | str | None)]


class Request(BaseModel):
    """A request: unknown keys are refused, and so is what is only nearly of its type, such as "3" for 3."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SearchRequest(Request):
    """A question."""

    query: Text = Field(description="What is looked for, in plain words.")
    k: int = Field(default=8, description="How many hits at most.")
    mode: Mode = Field(default="hybrid", description="Vectors and words, or one of them.")
    collection: Names = Field(default=None, description="Only this collection, or these.")
    filter: Metadata = Field(
        default_factory=dict,
        description='Metadata that must match: {"field": value} or {"field": {test: value}}, where a test is '
        "in, gt, gte, lt, lte, prefix, exists or not.",
    )
    under: Text | None = Field(
        default=None, description="Only the document with this path as its source, and those below it."
    )
    kind: Kinds = Field(default=None, description="Only documents of this kind, or these.")
    since: Moment = Field(
        default=None, description="Only what was stored or replaced from here on: ISO 8601 or Unix seconds."
    )
    until: Moment = Field(
        default=None, description="The same, up to here. A date without a time includes its day."
    )
    match: Match = Field(
        default="any",
        description="Which words a passage must hold: any of them, all, the phrase as it stands, or any, "
        "where the last is the beginning of one (prefix). A query all in quotes is a phrase.",
    )
    diversity: float | None = Field(
        default=None,
        description="From 0 to 1: how much a passage loses for being like one above it. Null: as set.",
    )
    recency_half_life_days: float | None = Field(
        default=None,
        description="Newer documents first: after so many days half is taken of what age may take. 0: no. "
        "Null: as set.",
    )
    per_document_max: int | None = Field(default=None, description="So many of one document at most.")
    unique: bool = Field(default=False, description="Of near-duplicates only the best.")
    join: bool = Field(default=True, description="Passages of one document that touch are one hit.")
    neighbours: int = Field(
        default=0, description="So many passages around each hit come along in `before` and `after`."
    )
    explain: bool = Field(default=False, description="Say how the answer came about.")


class OriginalAnswer(BaseModel):
    """An older passage."""

    chunk_id: int
    document_id: int
    collection: str
    source: str
    similarity: float = Field(description="Their cosine; 1 for the same words.")


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
    text: str = Field(description="The characters of the document's text from `start` to `end`.")
    chunk_ids: list[int] = Field(description="All passages of this hit, as they stand in the document.")
    before: str = Field(description="What stands right before it, if neighbours were asked for.")
    after: str = Field(description="What stands right after it.")
    score: float = Field(description="From 0 to 1, less what age has taken.")
    scores: dict[str, int | float] = Field(
        description="Cosine as `vector`, BM25 as `text`, and the ranks; `fused` is what they make together. "
        "Where they count: `recency`, what age has left; `likeness`, the cosine to the nearest one above."
    )
    duplicate_of: OriginalAnswer | None = Field(description="What its passage is a near-duplicate of.")
    duplicates: int = Field(description="How many newer passages are near-duplicates of its passage.")
    age_s: float = Field(description="Seconds since the document was stored or replaced.")
    metadata: dict[str, Any]


class SearchAnswer(BaseModel):
    """The hits, best first."""

    hits: list[HitAnswer]
    degraded: list[AnswerDegraded] = Field(
        description="Why this was made from less than everything; usually empty."
    )
    unknown_fields: dict[str, str | None] = Field(
        description="Fields of the filter that no document has, each with the field that may be "
        "meant, or null."
    )
    fitting_none: list[str] = Field(
        description="When nothing was found: which of `collection`, `filter`, `under`, `kind`, `since` and "
        "`until` no document fits, even without the others."
    )
    candidates: dict[str, int] = Field(description="How many passages each way has proposed.")
    took_ms: dict[str, float]
    explain: dict[str, Any] | None = None


class DocumentGiven(Request):
    """A document sent as text, or as the bytes of a file in base64."""

    source: Text = Field(min_length=1, max_length=SOURCE_CHARS_MAX, description="Its key in the collection.")
    title: Text = Field(default="", max_length=1000)
    text: Text | None = None
    content_base64: str | None = None
    metadata: Metadata = Field(default_factory=dict)


class DocumentsRequest(Request):
    """Documents to store, sent along or to be read by the service from paths. One of the two."""

    documents: list[DocumentGiven] = Field(default_factory=list)
    paths: list[str] = Field(
        default_factory=list,
        description="Absolute paths that the service can read, or addresses to fetch (`ingest.web`).",
    )
    collection: Text = Field(
        default="default",
        min_length=1,
        max_length=COLLECTION_CHARS_MAX,
        description="The named set; made on first use.",
    )
    metadata: Metadata = Field(
        default_factory=dict,
        description="Of all of them, the files below a folder included. A document's own goes before it.",
    )
    wait: bool = Field(default=True, description="Answer when the job is done, not when it is queued.")
    priority: Priority = Field(default="normal", description="Which jobs come first.")
    key: Text | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Names this request: sent again with the same key it is the same job. Known as long as "
        "the job is (`ingest.jobs_kept_max`).",
    )


class MadeBy(Request):
    """What made the vectors of an export, as its first line says."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_name: Text = Field(max_length=200)
    model_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    pooling: Literal["cls", "mean"]
    query_prefix: Text = Field(max_length=1000)
    dimensions: int = Field(ge=1, le=65536)
    chunker_version: int = Field(ge=0)


class ImportRequest(Request):
    """Lines of an export."""

    documents: list[dict[str, Any]] = Field(
        min_length=1, description="Lines, as GET /v1/export writes them. Their own collection does not count."
    )
    made_by: MadeBy | None = Field(default=None, description="Of the export's first line, where it has one.")
    collection: Text = Field(
        default="default",
        min_length=1,
        max_length=COLLECTION_CHARS_MAX,
        description="The named set; made on first use.",
    )
    wait: bool = Field(default=True, description="Answer when the job is done, not when it is queued.")


class JobEnvelope(BaseModel):
    """One job."""

    job: JobRow


class JobRetried(JobEnvelope):
    """One job, and how much of it is tried again."""

    retried: int = Field(description="How many documents; 0 when it has given nothing up.")


class ImportAnswer(JobEnvelope):
    """The job of an import."""

    vectors: Literal["none", "used", "made_anew"] = Field(
        description="`made_anew`: those that came along cannot be compared with the ones in the index."
    )
    different: list[str] = Field(description="What sets them apart, as the fields of `made_by`.")


class JobList(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobRow]


class DeadLetters(BaseModel):
    """Documents that were given up, each with the reason of its last attempt."""

    failed: list[DeadLetter]
    next: int | None = Field(description="`after` of the next page; null when this was the last.")


class IngestPause(BaseModel):
    """Whether documents are begun."""

    paused: bool


class Retried(BaseModel):
    """How many documents are tried again."""

    retried: int


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


class DocumentNamed(BaseModel):
    """A stored document, as little as names it."""

    id: int
    collection: str
    source: str


class DuplicateAnswer(BaseModel):
    """Two documents of which the first repeats passages of the second."""

    document: DocumentNamed
    of: DocumentNamed
    passages: int = Field(description="How many passages of the first are near-duplicates of the second's.")
    share: float = Field(description="Of all passages of the first; 1 when it says nothing of its own.")
    similarity: float = Field(description="Their mean cosine; 1 for the same words.")


class DuplicateList(BaseModel):
    """Pairs by the numbers of their documents; `next` is the value of `after` for the next page, or null."""

    duplicates: list[DuplicateAnswer]
    next: str | None


class WatchRemoved(BaseModel):
    """How many folders are not watched any more."""

    removed: int


class Removed(BaseModel):
    """How many documents are gone, how many that waited will not be stored, and of how many sources it is
    forgotten why they were not taken."""

    removed: int
    withdrawn: int
    reasons: int


class Forgotten(BaseModel):
    """What waits no more, and of how many sources it is forgotten why they were not taken."""

    withdrawn: int
    reasons: int


class WatchRequest(Request):
    """A folder to watch."""

    folder: str = Field(min_length=1, max_length=4096, description="Its absolute path.")
    collection: Text = Field(default="default", min_length=1, max_length=COLLECTION_CHARS_MAX)
    include: list[Pattern] = Field(
        default_factory=list,
        max_length=100,
        description="Only files that match one of these, in the words of a .gitignore. Empty: all.",
    )
    exclude: list[Pattern] = Field(default_factory=list, max_length=100, description="None of these.")


class WatchAnswer(BaseModel):
    """A watched folder."""

    id: int
    folder: str
    collection: str
    include: list[str]
    exclude: list[str]
    created_at: float
    seen_at: float | None = Field(description="When all of it was last seen; null: not since the start.")
    files: int = Field(description="How many are known, those not taken included.")
    skipped: int = Field(description="How many of them were not taken.")
    held: int = Field(description="How many are not to be seen now, and are not taken for deleted.")
    notices: bool = Field(description="Whether the kernel tells of changes; else only sweeps find them.")
    problem: str | None = Field(description="What is not as it should be, in words.")


class WatchList(BaseModel):
    """All watched folders."""

    watches: list[WatchAnswer]


class WatchedFile(BaseModel):
    """What became of a file in a watched folder."""

    path: str = Field(description="Below the folder.")
    size: int | None = Field(description="Bytes; null where it was not taken for its name or kind.")
    modified_at: float | None
    indexed_at: float | None = Field(
        description="When its document, or the last of those within it, was stored; null: it has none."
    )
    document_id: int | None
    within: int = Field(description="How many documents are of files in it, as in an archive.")
    waiting: bool = Field(description="It is in the queue.")
    skipped: dict[str, str] | None = Field(description="{code, message, hint}: why it was not taken.")


class WatchedFiles(BaseModel):
    """Files by path; `next` is the value of `after` for the next page, or null."""

    files: list[WatchedFile]
    next: str | None


class SourceAnswer(BaseModel):
    """What became of one source in one collection."""

    source: str
    collection: str
    document_id: int | None = Field(description="Null: nothing of it is stored.")
    passages: int
    indexed_at: float | None = Field(description="When what is stored of it was stored.")
    seen_at: float | None = Field(description="When it was last looked at; null: it only waits so far.")
    waiting: bool = Field(description="It is in the queue.")
    watched: bool = Field(description="It is a file of a watched folder, or in an archive there.")
    skipped: dict[str, str] | None = Field(description="{code, message, hint}: why it is not taken.")


class SourceList(BaseModel):
    """Sources by their names; `next` is the value of `after` for the next page, or null."""

    sources: list[SourceAnswer]
    next: str | None
    left_out: str | None = Field(
        default=None,
        description="Of a path of which nothing is known: why it is left out of a folder watched or added. "
        "Of one with a document: why the watched folder that it lies in does not keep it right.",
    )


class ReindexRequest(Request):
    """Another model for the index."""

    model: Text = Field(
        default="", max_length=100, description="An installed model; the chosen one if empty."
    )


class ReindexAnswer(BaseModel):
    """How a change of the index's model is."""

    state: Literal["none", "offered", "running", "failed", "done"] = Field(
        description="`offered`: another model is chosen than the index is of, or its texts were cut by an "
        "earlier version. `done`: the last one was."
    )
    model: str | None = Field(description="The new model, or the one that is chosen.")
    index_model: str | None = Field(description="The model of the vectors in use; null where there are none.")
    passages_done: int
    passages_total: int
    rate_passages_s: float
    left_s: float | None = Field(description="Null while nothing can be said.")
    documents_to_cut: int = Field(
        description="Documents with passages too long for the new model; they are cut anew at the end."
    )
    waiting_for: str | None = Field(description="The code of what holds it up, if anything does.")
    begun_at: float | None
    ended_at: float | None
    error: dict[str, Any] | None = Field(description="Why it failed. The index in use is untouched.")


class Cancelled(BaseModel):
    """Whether there was something to give up."""

    cancelled: bool


class JobsTally(BaseModel):
    """How the jobs stand."""

    states: dict[str, int] = Field(description="How many jobs are in each state.")
    dead_letters: int = Field(description="How many documents were given up and can be tried again.")


class SpreadAnswer(BaseModel):
    """How long searches took, in milliseconds; null of none."""

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class SearchesTally(BaseModel):
    """Searches and requests since the start, and the searches of the time just past."""

    searches: int
    degraded: int = Field(description="How many of them were answered from less than everything.")
    answered: int = Field(description="Requests of all kinds with a status below 400.")
    refused: int = Field(description="With one from 400 to 499.")
    failed: int = Field(description="With one from 500 on.")
    window_s: float
    window: SpreadAnswer = Field(description="Of the last `window_s` seconds, 4,096 searches at most.")


class AlertAnswer(BaseModel):
    """A measure that is beyond its limit; docs/operate.md says what to do about each."""

    name: str
    value: float
    limit: float
    unit: str
    for_s: float = Field(description="Since it fired.")


class SilenceAnswer(BaseModel):
    """A loop's sign of life."""

    silent_s: float
    silence_s_max: float = Field(description="Longer than this is an alert.")
    longest_s: float = Field(description="Its longest silence so far.")


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
    index: dict[str, Any]
    alerts: list[AlertAnswer] = Field(description="Those that fire now.")
    alert_names: list[str] = Field(description="Of all alerts, those that do not fire included.")
    loops: dict[str, SilenceAnswer] = Field(description="Every loop that works, and how long it is silent.")
    counts: Counts | None = Field(description="Null while all readers of the database are taken.")
    jobs: JobsTally | None = Field(description="Null as `counts` may be.")
    remembered: dict[str, int] = Field(
        description="What people and agents have told: `facts`, `events`, `summaries`, `sessions`, "
        "`scopes` and `changes`; what is `gone` and not erased; how many wait for their vectors "
        "(`pending`); and how many were `filled`, `refused` and `cleared` since the start."
    )
    searches: SearchesTally
    io: dict[str, int | None] = Field(
        description="`written_bytes`: what was written to the disk since the start, by the kernel's books."
    )
    log: dict[str, int] = Field(description="`lines_dropped` and `fields_dropped` of the log.")
    ingest: dict[str, Any]
    watching: dict[str, Any] = Field(description="How many folders, and which are not as they should be.")
    reindex: dict[str, Any] | None = Field(description="As GET /v1/reindex; null as `counts` may be.")
    cache: dict[str, Any]
    memory: dict[str, Any]
    board: dict[str, float | bool | None] = Field(description="How hot it is, and whether power lacks.")


def _inputs(value: Any) -> list[str | tuple[int, ...]]:
    """One input or many, of one kind, as a list. A bool is no token, whatever Python thinks."""
    if isinstance(value, str) or (isinstance(value, list) and value and type(value[0]) is int):
        value = [value]
    if not isinstance(value, list):
        raise _not_inputs("it must be a text, a list of texts, a list of token ids, or a list of such lists")
    kind = type(value[0]) if value else str
    return [_one_input(number, each, kind) for number, each in enumerate(value)]


def _one_input(number: int, value: Any, kind: type) -> str | tuple[int, ...]:
    if isinstance(value, str) and kind is str:
        return clean(value)
    if isinstance(value, list) and kind is list:
        if all(type(each) is int and 0 <= each < 2**31 for each in value):
            return tuple(value)
        raise _not_inputs(f"input {number} has what cannot be a token id")
    raise _not_inputs(
        f"input {number} must be a text or a list of token ids, and of the same kind as the others"
    )


def _not_inputs(why: str) -> PydanticCustomError:
    # The reason is no template of pydantic's.
    return PydanticCustomError("inputs", "{why}", {"why": why})


Inputs = Annotated[
    list[str | tuple[int, ...]],
    PlainValidator(_inputs, json_schema_input_type=str | list[str] | list[int] | list[list[int]]),
]


class EmbeddingsRequest(BaseModel):
    """Texts to turn into vectors, as OpenAI's clients send them. Unknown keys are passed over."""

    model: Text = Field(description="The model in use: its name, or `pi-rag` for whichever it is.")
    input: Inputs = Field(
        description="A text, a list of texts, a list of the model's own token ids, or a list of such lists."
    )
    encoding_format: Literal["float", "base64"] | None = Field(
        default=None, description="How a vector is written; base64 is of little-endian float32."
    )
    dimensions: int | None = Field(default=None, description="If given, it must be the model's own.")
    truncate: bool = Field(default=False, description="Leave out the end of what is too long. Ours alone.")


class EmbeddingAnswer(BaseModel):
    """One vector of unit length."""

    object: Literal["embedding"]
    index: int = Field(description="Which input it belongs to.")
    embedding: list[float] | str = Field(description="Numbers, or base64 of little-endian float32.")


class UsageAnswer(BaseModel):
    """What the model has seen, [CLS] and [SEP] of each input included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    """One vector for each input, in order."""

    object: Literal["list"]
    data: list[EmbeddingAnswer]
    model: str = Field(description="The model that made the vectors, however it was asked for.")
    usage: UsageAnswer


class ModelAnswer(BaseModel):
    """A model that `/v1/embeddings` can use now."""

    id: str
    object: Literal["model"]
    created: int = Field(description="When its file was made here, in Unix seconds.")
    owned_by: str = Field(description="Whose repository it came from, or `local`.")
    aliases: list[str] = Field(description="Other names it is taken by. `*`: any.")
    dimensions: int
    tokens_max: int = Field(description="Most tokens an input may have, [CLS] and [SEP] not counted.")
    query_prefix: str = Field(
        description="What the client puts before a question, never before a passage; empty for none."
    )
    sha256: str = Field(description="Vectors of two models with different sums cannot be compared.")


class ModelsAnswer(BaseModel):
    """The model in use; empty while there is none."""

    object: Literal["list"]
    data: list[ModelAnswer]


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
    type: Literal["invalid_request_error", "server_error"] = Field(
        description="As clients of OpenAI's interface know it: whose fault it is."
    )
    param: str | None = Field(description="The field at fault, where one is.")


class ErrorAnswer(BaseModel):
    """The one shape of every error."""

    error: ErrorBody
