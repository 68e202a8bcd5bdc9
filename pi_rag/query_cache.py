"""The vectors of queries asked before: in front of the embedder, in RAM, and kept over a restart.

A query is known by a hash of what decides its vector: the model and its settings, the prefix, the text. The
text itself is not kept. When the machine runs short of memory all of it is dropped, and comes back from the
database when there is room. It knows the store and an embedder, and nothing of searching.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

from pi_rag import log
from pi_rag.cache import Cache, Policy
from pi_rag.clock import Clock, tick_s
from pi_rag.config import CacheSettings
from pi_rag.errors import StoreError, TryLater
from pi_rag.store import query_vectors
from pi_rag.store.query_vectors import Changes, KeptQuery
from pi_rag.store.store import Store
from pi_rag.types import Embedder

Origin = Literal["hit", "miss", "off"]
"""Where a query's vector came from: the cache, the embedder, or the embedder because the cache is off."""

LOOK_S_BETWEEN = 5.0
"""How often the machine's memory is looked at. One look reads a page of /proc."""

ROOM_AGAIN = 1.25
"""How many times `cache.available_mib_min` must be there before the cache comes back, so that it does not
come and go with every page."""

USES_MIN_KEPT = 2
"""A query asked only once is not worth a write to the card."""

_log = log.logger("cache")


class QueryCache:
    """Vectors of single queries. One for the life of the service."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        maker: bytes | None,
        settings: CacheSettings,
        clock: Clock,
        available_mib: Callable[[], float | None],
    ) -> None:
        """`maker` stands for all that decides a vector beside its text; None: there is no usable model."""
        self._store = store
        self._embedder = embedder
        self._maker = maker
        self._settings = settings
        self._clock = clock
        self._available_mib = available_mib
        self._bytes_max = settings.query_mib_max * 2**20
        self._kept_max = settings.query_kept_max if self._bytes_max else 0
        policy = cast(Policy, settings.policy)
        self._cache: Cache[bytes] = Cache(
            bytes_max=self._bytes_max, policy=policy, ttl_s=settings.ttl_s, clock=clock
        )
        self._on = False
        self._sheds = 0
        self._saved: Mapping[bytes, int] = {}
        """What the database holds: the uses of each, by hash."""
        self.beat: Callable[[], None] = lambda: None
        """Called by the loop that looks after it, to say that it works."""
        self._keeping: asyncio.Task[None] | None = None

    def holds(self, text: str) -> bool:
        """Whether `vector` would have it at once. To ask is not a use."""
        return self._on and self._key(text) in self._cache

    def used(self, text: str) -> None:
        """A text was asked again, and answered without its vector. It is a favourite all the same."""
        if self.holds(text):
            self._cache.get(self._key(text))

    async def vector(self, text: str, *, deadline_s: float) -> tuple[bytes, Origin]:
        """A text's vector, float32 little-endian, and where it came from. Raises as `Embedder.embed` does."""
        if not self._on:
            return await self._embedded(text, deadline_s), "off"
        key = self._key(text)
        known = self._cache.get(key)
        if known is not None:
            return known, "hit"
        made = await self._embedded(text, deadline_s)
        if self._on:
            self._cache.put(key, made, len(made))
        return made, "miss"

    def follow(self, embedder: Embedder, maker: bytes | None) -> None:
        """Another model makes the vectors from now on; those of the one before are of no more use.

        None: none does, for another reason than before.
        """
        self._cache.shed()
        self._saved, self._on = {}, False
        self._embedder, self._maker = embedder, maker
        if self._keeping is not None and self._keeping.done():  # there was nothing to look after until now
            self._keeping = asyncio.create_task(self._keep(), name="cache")

    async def start(self) -> asyncio.Task[None]:
        """Load what was kept, then look after it. The task ends at once when the cache is off."""
        if self._maker is not None and not self._bytes_max:
            await self._load(self._maker)  # nothing is wanted, so what there was is deleted
        await self.look()
        self._keeping = asyncio.create_task(self._keep(), name="cache")
        return self._keeping

    async def stop(self) -> None:
        """Look after it no more, and save it once more. Twice is harmless."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
            self._keeping = None
            await self.save()

    async def look(self) -> None:
        """Drop the cache when memory is short, bring it back when there is room again."""
        if self._maker is None or not self._bytes_max:
            return
        room = has_room(self._on, self._available_mib(), self._settings.available_mib_min)
        if self._on and not room:
            self.shed()
        elif room and not self._on:
            await self._load(self._maker)

    def shed(self) -> int:
        """Give the RAM back, and stay off until `look` finds room. Returns how many bytes that was."""
        if not self._on:
            return 0
        self._on = False
        self._saved = {}
        self._sheds += 1
        freed = self._cache.shed()
        _log.info("cache_shed", freed_bytes=freed)
        return freed

    async def save(self) -> None:
        """Write what has changed since the last time, if anything has. A failure only puts it off."""
        if not self._on:
            return
        kept = self._worth_keeping()
        changes = changed(self._saved, kept)
        if not changes:
            return
        try:
            await self._store.write(query_vectors.save, changes)
        except (TryLater, StoreError) as error:
            _log.warning("cache_not_saved", code=error.code)
        else:
            self._saved = {each.hash: each.uses for each in kept}

    def status(self) -> dict[str, Any]:
        """How it is, as /v1/status shows it."""
        stats = self._cache.stats()
        return {
            "state": self._state(),
            "policy": self._settings.policy,
            "entries": stats.entries,
            "bytes": stats.bytes,
            "bytes_max": self._bytes_max,
            "hits": stats.hits,
            "misses": stats.misses,
            "evictions": stats.evictions,
            "expired": stats.expired,
            "kept": len(self._saved),
            "sheds": self._sheds,
        }

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), digest_size=16, key=self._maker or b"").digest()

    def _state(self) -> Literal["on", "off", "shed"]:
        if self._maker is None or not self._bytes_max:
            return "off"
        return "on" if self._on else "shed"

    async def _embedded(self, text: str, deadline_s: float) -> bytes:
        vectors = await self._embedder.embed([text], lane="query", deadline_s=deadline_s)
        made: bytes = vectors[0].tobytes()
        return made

    async def _keep(self) -> None:
        saved_s = self._clock.monotonic_s()
        while self._state() != "off":
            self.beat()
            await asyncio.sleep(tick_s(self._clock, LOOK_S_BETWEEN))
            await self.look()
            if self._clock.monotonic_s() - saved_s >= self._settings.save_s:
                await self.save()
                saved_s = self._clock.monotonic_s()

    async def _load(self, maker: bytes) -> None:
        """Those used last are put last, so that they are also the last to go."""
        try:
            kept = await self._store.write(query_vectors.take_over, maker, self._kept_max)
        except (TryLater, StoreError) as error:
            _log.warning("cache_not_loaded", code=error.code)
            kept = []
        for each in sorted(kept, key=lambda query: query.used_at):
            self._cache.put(each.hash, each.vector, len(each.vector), each.uses)
        self._saved = {each.hash: each.uses for each in kept}
        self._on = self._bytes_max > 0

    def _worth_keeping(self) -> list[KeptQuery]:
        began_at = self._clock.wall_s() - self._clock.monotonic_s()
        return [
            KeptQuery(key, entry.value, entry.uses, began_at + entry.used_s)
            for key, entry in self._cache.most_used(self._kept_max)
            if entry.uses >= USES_MIN_KEPT
        ]


def has_room(on: bool, available_mib: float | None, available_mib_min: int) -> bool:
    """Whether the cache may hold memory. Where nobody knows how much there is, it may."""
    if available_mib is None:
        return True
    return available_mib >= available_mib_min * (1.0 if on else ROOM_AGAIN)


def changed(saved: Mapping[bytes, int], kept: Sequence[KeptQuery]) -> Changes:
    """From what the database holds to what it should hold, with as little as possible written."""
    return Changes(
        new=[each for each in kept if each.hash not in saved],
        used=[each for each in kept if saved.get(each.hash, each.uses) != each.uses],
        gone=list(saved.keys() - {each.hash for each in kept}),
    )
