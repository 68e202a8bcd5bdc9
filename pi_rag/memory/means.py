"""What all work at the desk of memory is done with: the store, the embedder, the documents, the settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pi_rag.clock import Clock
from pi_rag.config import RememberSettings
from pi_rag.memory.learned import Learned
from pi_rag.query.question import Answer, Question
from pi_rag.query_cache import QueryCache
from pi_rag.store.store import Store
from pi_rag.types import Embedder, Fingerprint


@dataclass(frozen=True, slots=True)
class Maker:
    """What makes vectors just now. A reindex puts another one in its place."""

    embedder: Embedder
    made_by: Fingerprint | None
    """None: there is no usable model, and the embedder says why."""
    query_prefix: str
    tokens_max: int
    """The model's window."""


@dataclass(frozen=True, slots=True)
class Means:
    """Shared by all that is done at the desk; nothing of it belongs to one guest."""

    store: Store
    cache: QueryCache
    """Gives the vectors of queries. Texts that are kept go by `maker`, without a query's prefix."""
    search: Callable[[Question], Awaitable[Answer]]
    """The documents, with the answers that were given before."""
    maker: Callable[[], Maker]
    settings: RememberSettings
    wait_s_max: float
    """How long the vector of one text or query is waited for."""
    clock: Clock
    learned: Learned = field(default_factory=Learned)
