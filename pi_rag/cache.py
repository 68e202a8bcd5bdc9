"""A bounded cache in RAM: values by key, each with its size in bytes, never more than allowed of either.

Room is made by taking out what was used longest ago (`lru`) or least often (`lfu`; of those, what was used
longest ago). What is older than its time is gone before anybody can see it. It knows nothing of what it
holds; time comes from the clock it is given.
"""

from __future__ import annotations

import heapq
import sys
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pi_rag.clock import Clock

Policy = Literal["lru", "lfu"]
"""What makes room for a newcomer: the one used longest ago, or the one used least often."""

EVICTED_FROM = 0.9
"""Of what it may hold, room is made from here on: the sizes are estimates, and its budget is a promise."""

ENTRY_BYTES = 512
"""RAM of an entry beside its value. Measured with tracemalloc on 64-bit Python: 422 to 456."""

V = TypeVar("V")


@dataclass(slots=True)
class Entry(Generic[V]):
    """A value and how it was used. `used_s` and `put_s` are of the cache's monotonic clock."""

    value: V
    size: int
    uses: int
    put_s: float
    used_s: float


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Numbers since the cache was made; `entries` and `bytes` are of now."""

    hits: int
    misses: int
    evictions: int
    expired: int
    entries: int
    bytes: int


class Cache(Generic[V]):
    """Values by key within `bytes_max`, for one thread. Every operation takes constant time, or nearly."""

    def __init__(
        self, *, bytes_max: int, policy: Policy, ttl_s: float, clock: Clock, entries_max: int = sys.maxsize
    ) -> None:
        """`ttl_s` counts from when a value was put, however often it is used."""
        self._bytes_max = int(bytes_max * EVICTED_FROM)
        self._entries_max = entries_max
        self._policy = policy
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: OrderedDict[bytes, Entry[V]] = OrderedDict()
        """In the order they were put, which is the order they expire in."""
        self._ranks: dict[int, OrderedDict[bytes, None]] = {}
        """Keys by number of uses (by 0 for `lru`), each rank in the order of last use."""
        self._bytes = 0
        self._numbers = dict.fromkeys(("hits", "misses", "evictions", "expired"), 0)

    def __contains__(self, key: bytes) -> bool:
        """Whether `get` would give a value. To ask is not a use."""
        self._drop_expired(self._clock.monotonic_s())
        return key in self._entries

    def get(self, key: bytes) -> V | None:
        """The value, which counts as a use of it; None when it is not there."""
        now_s = self._clock.monotonic_s()
        self._drop_expired(now_s)
        entry = self._entries.get(key)
        self._numbers["hits" if entry else "misses"] += 1
        if entry is None:
            return None
        self._leave_rank(key, entry)
        entry.uses, entry.used_s = entry.uses + 1, now_s
        self._enter_rank(key, entry)
        return entry.value

    def put(self, key: bytes, value: V, size: int, uses: int = 1) -> None:
        """Keep a value of `size` bytes, in place of an earlier one of this key, whose uses it inherits.

        What is too large for the whole cache is not kept.
        """
        now_s = self._clock.monotonic_s()
        self._drop_expired(now_s)
        old = self._remove(key) if key in self._entries else None
        size += ENTRY_BYTES
        if size > self._bytes_max or not self._entries_max:
            return
        while self._bytes + size > self._bytes_max or len(self._entries) == self._entries_max:
            self._evict()
        entry = Entry(value, size, uses + (old.uses if old else 0), put_s=now_s, used_s=now_s)
        self._entries[key] = entry
        self._enter_rank(key, entry)
        self._bytes += size

    def most_used(self, count: int) -> list[tuple[bytes, Entry[V]]]:
        """Up to `count` entries that were used most; of equals, those used last. Not a use of them."""
        self._drop_expired(self._clock.monotonic_s())
        return heapq.nlargest(count, self._entries.items(), key=lambda each: (each[1].uses, each[1].used_s))

    def entries(self) -> list[tuple[bytes, Entry[V]]]:
        """All there are. Not a use of them."""
        self._drop_expired(self._clock.monotonic_s())
        return list(self._entries.items())

    def drop(self, key: bytes) -> None:
        """Forget one that is there."""
        self._remove(key)

    def shed(self) -> int:
        """Forget everything, at once. Returns how many bytes that was."""
        freed, self._bytes = self._bytes, 0
        self._entries.clear()
        self._ranks.clear()
        return freed

    def stats(self) -> CacheStats:
        """How it fares."""
        self._drop_expired(self._clock.monotonic_s())
        return CacheStats(**self._numbers, entries=len(self._entries), bytes=self._bytes)

    def _drop_expired(self, now_s: float) -> None:
        while self._entries:
            key, oldest = next(iter(self._entries.items()))
            if now_s - oldest.put_s < self._ttl_s:
                return
            self._remove(key)
            self._numbers["expired"] += 1

    def _evict(self) -> None:
        """Take out the first of the lowest rank. There are few ranks: k of them take k * k / 2 uses."""
        key = next(iter(self._ranks[min(self._ranks)]))
        self._remove(key)
        self._numbers["evictions"] += 1

    def _remove(self, key: bytes) -> Entry[V]:
        entry = self._entries.pop(key)
        self._leave_rank(key, entry)
        self._bytes -= entry.size
        return entry

    def _rank(self, entry: Entry[V]) -> int:
        return entry.uses if self._policy == "lfu" else 0

    def _enter_rank(self, key: bytes, entry: Entry[V]) -> None:
        self._ranks.setdefault(self._rank(entry), OrderedDict())[key] = None

    def _leave_rank(self, key: bytes, entry: Entry[V]) -> None:
        rank = self._ranks[self._rank(entry)]
        del rank[key]
        if not rank:
            del self._ranks[self._rank(entry)]
