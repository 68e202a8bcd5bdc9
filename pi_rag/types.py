"""The words that rooms say to each other: small frozen values without behaviour.

It knows no database, no model and no HTTP. It imports nothing of ours, so that every room may import it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    """Shape (texts, dimensions), float32, each row of unit length."""

Lane = Literal["query", "ingest"]
"""Which queue of the embedder a request stands in: queries go before any ingest."""

Text = str | tuple[int, ...]
"""What an embedder embeds: a text, or the model's own token ids without [CLS] and [SEP]."""

Mode = Literal["hybrid", "vector", "text"]
"""Which ways a search uses."""

Match = Literal["any", "all", "phrase", "prefix"]
"""What of a query a passage must hold to be found by its words: any word, every word, the query as it stands,
or any word where the last one may be the beginning of a longer one."""

Kind = Literal[
    "text",
    "markdown",
    "markup",
    "code",
    "html",
    "pdf",
    "docx",
    "doc",
    "odt",
    "rtf",
    "pptx",
    "ppt",
    "odp",
    "xlsx",
    "xls",
    "ods",
    "epub",
    "mail",
    "notebook",
]
"""What a document was before it became text; it chooses the reader and the way it is cut."""

TEXT_KINDS: Final[frozenset[Kind]] = frozenset({"text", "markdown", "markup", "code"})
"""What needs no parser: it is text already."""

Quantisation = Literal["F32", "F16", "BF16", "Q8_0"]
"""In which numbers a converted model is kept."""

AnswerDegraded = Literal["embedder_unavailable", "embedder_timeout", "model_mismatch"]
"""Why an answer was made from less than everything: the closed vocabulary of `degraded` in an answer."""

Degraded = Literal[
    AnswerDegraded,
    "store_silent",
    "store_damaged",
    "store_read_only",
    "store_unusable",
    "disk_full",
    "safe_mode",
    "ingest_refused",
    "reader_unavailable",
    "memory_short",
]
"""What the service lacks: the closed vocabulary of `degraded` in its status. docs/operate.md explains."""

ItemKind = Literal["path", "file", "url", "text", "bytes", "export"]
"""How a queued document arrived: a path that was named, a file that was found in a folder, an address to
fetch, a text, the bytes of a file, or a line of an export."""

ON_DISK: frozenset[ItemKind] = frozenset({"path", "file"})
"""Read from the disk when it is their turn. A link that was named is followed; a file that was found is none,
and what has become one since is not read."""

JobState = Literal["queued", "running", "paused", "done", "cancelled"]

Priority = Literal["low", "normal", "high"]
"""Which jobs come first."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One installed model: where it is, what it needs, and how to tell that it is whole."""

    name: str
    path: str
    sha256: str
    dimensions: int
    pooling: Literal["cls", "mean"]
    tokens_max: int
    """The model's window in tokens, [CLS] and [SEP] included."""
    query_prefix: str
    """Put before a query, never before a passage; empty for models that want none."""
    quantisation: str
    source: str
    licence: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What made the vectors of an index. Vectors of two fingerprints cannot be compared."""

    model_name: str
    model_sha256: str
    pooling: str
    query_prefix: str
    dimensions: int
    chunker_version: int


class Embedder(Protocol):
    """Texts in, unit vectors out. The pool and the test's fake both pass `tests/embedder/contract.py`."""

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        """Shape (len(texts), dimensions). Raises TryLater and its kinds, VectorInvalid, TokensInvalid."""
        ...

    async def count_tokens(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[int]:
        """Tokens of each text without [CLS] and [SEP]. Raises as `embed` does."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """A document as its reader gives it: text, and what the text does not say."""

    text: str
    title: str
    kind: Kind
    pages: tuple[tuple[int, int], ...] = ()
    """(offset in characters, page or slide from 1), ascending; empty when the format has no pages."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    unread: tuple[int, ...] = ()
    """Pages without text: most likely pictures of text."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage. `document text[start:end] == text`, always."""

    seq: int
    start: int
    end: int
    text: str
    heading: str
    """The headings above it, outermost first, joined by ' > '; empty when there are none."""
    page: int | None
    token_count: int


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document that is about to be stored."""

    collection: str
    source: str
    """Its key within the collection: a path, a URL, or whatever name the caller chose."""
    title: str
    kind: Kind
    text: str
    content_hash: str
    """sha256 of the bytes it came from, to skip it next time when unchanged."""
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A stored document. `text` is None where only a listing was asked for."""

    id: int
    collection: str
    source: str
    title: str
    kind: str
    content_hash: str
    metadata: Mapping[str, Any]
    char_count: int
    chunk_count: int
    created_at: float
    updated_at: float
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored chunk with what is needed to cite it."""

    chunk_id: int
    document_id: int
    collection: str
    source: str
    title: str
    heading: str
    page: int | None
    start: int
    end: int
    text: str
    metadata: Mapping[str, Any]
    updated_at: float
    seq: int = 0
    """Its place among the passages of its document, from 0."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which documents a search may answer from. `store/filters.py` reads it."""

    collection: str | Sequence[str] | None = None
    """One or several. Here as below, None leaves nothing out."""
    filter: Mapping[str, Any] = field(default_factory=dict)
    """What their metadata must be."""
    under: str | None = None
    """The folder, or file, whose path their source is or begins with."""
    kind: str | Sequence[str] | None = None
    since: float | str | None = None
    """When they were stored or replaced, from here on: Unix seconds or ISO 8601."""
    until: float | str | None = None
    """The same, up to here; a date includes its day."""

    @property
    def everything(self) -> bool:
        """True when nothing is left out."""
        others = (self.collection, self.under, self.kind, self.since, self.until)
        return not self.filter and all(each is None for each in others)


@dataclass(frozen=True, slots=True)
class NewItem:
    """One document of a job, before it is queued."""

    kind: ItemKind
    source: str
    title: str = ""
    payload: bytes = b""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One document of a job, claimed to be worked on."""

    id: int
    job_id: int
    collection: str
    kind: ItemKind
    source: str
    title: str
    payload: bytes
    metadata: Mapping[str, Any]
    attempts: int
    """How often it has been claimed, this time included."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one source was not taken."""

    source: str
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A document that was given up, with the reason of its last attempt. It is kept whole."""

    id: int
    job_id: int
    collection: str
    source: str
    attempts: int
    code: str
    message: str
    hint: str
    died_at: float
    """Wall time, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """What a document of a job says that other documents have said already."""

    source: str
    chunks: int
    """How many passages the document has."""
    near_duplicates: int
    """How many of them are near-duplicates of passages of other documents."""
    of_source: str
    """The document that most of these repeat."""
    of_documents: int
    """How many documents they repeat."""
    of_collection: str | None = None
    """Where the document is that most of these repeat; None when it repeats it no more."""


@dataclass(frozen=True, slots=True)
class Original:
    """An older passage that another one is a near-duplicate of."""

    chunk_id: int
    document_id: int
    collection: str
    source: str
    similarity: float
    """Their cosine; 1 for the same words."""


@dataclass(frozen=True, slots=True)
class SharedText:
    """Two documents of which the first repeats passages of the second."""

    document_id: int
    collection: str
    source: str
    of_document_id: int
    of_collection: str
    of_source: str
    passages: int
    """How many passages of the first are near-duplicates of passages of the second."""
    chunk_count: int
    """How many passages the first has in all."""
    similarity: float
    """The mean cosine similarity of the near-duplicates with what they repeat."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it stands."""

    id: int
    state: JobState
    priority: Priority
    collection: str
    created_at: float
    finished_at: float | None
    items_total: int
    items_done: int
    items_unchanged: int
    items_refused: int
    """Not taken by their own fault."""
    items_failed: int
    """Given up after `ingest.attempts_max` attempts; they can be tried again."""
    items_cancelled: int
    chunks: int
    current: str | None
    """The source being worked on now."""
    refusals: tuple[Refusal, ...]
    """The first `ingest.refusals_shown_max` that were refused or given up."""
    near_duplicates: int = 0
    """How many passages say nearly what other documents have said already."""
    repeated: tuple[Repeated, ...] = ()
    """The documents that repeat others most."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is."""

    documents: int
    chunks: int
    collections: int
    jobs_open: int
    items_queued: int
