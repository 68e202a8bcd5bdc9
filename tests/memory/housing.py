"""A desk of memory with a real database and the fake embedder, and a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pi_rag.clock import SystemClock
from pi_rag.config import CacheSettings, QuerySettings, RememberSettings, StoreSettings
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory.means import Maker, Means
from pi_rag.query import QueryDesk
from pi_rag.query_cache import QueryCache
from pi_rag.store import identity
from pi_rag.store.store import Store
from pi_rag.text.chunk import CHUNKER_VERSION
from pi_rag.types import Fingerprint
from tests.embedder.fake import FakeEmbedder

FINGERPRINT = Fingerprint("fake", "0" * 64, "mean", "", FakeEmbedder().dimensions, CHUNKER_VERSION)
START_S = 1_800_000_000.0
QUERY_S_MAX = 30.0


class HandClock(SystemClock):
    """Wall time stands still until it is moved."""

    def __init__(self, now: float = START_S) -> None:
        self.now = now

    def wall_s(self) -> float:
        return self.now


@dataclass
class Housed:
    """A desk and what it works with."""

    store: Store
    embedder: FakeEmbedder
    clock: HandClock
    desk: MemoryDesk
    cache: QueryCache

    async def close(self) -> None:
        """Nothing is left running."""
        await self.cache.stop()
        assert await self.store.close()


async def housed(path: Path, clock: HandClock, settings: RememberSettings) -> Housed:
    """Open the database at `path`, or make it, and put a desk before it."""
    store = Store.open(path, StoreSettings(), clock)
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    embedder = FakeEmbedder()
    await embedder.start()
    cache = QueryCache(store, embedder, b"fake", CacheSettings(), clock, lambda: None)
    await cache.start()
    query = QueryDesk(
        store, cache, query_prefix="", query_s_max=QUERY_S_MAX, settings=QuerySettings(), clock=clock
    )
    query.adopt("", FINGERPRINT)
    maker = Maker(embedder, FINGERPRINT, "", embedder.tokens_max)
    means = Means(store, cache, query.search, lambda: maker, settings, QUERY_S_MAX, clock)
    return Housed(store, embedder, clock, MemoryDesk(means), cache)


def settings_of(**values: object) -> RememberSettings:
    """Those of a service, but for these."""
    return replace(RememberSettings(), **values)  # type: ignore[arg-type]
