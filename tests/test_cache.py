"""The bounded cache, held against a naive model that looks through all it has."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pi_rag.cache import ENTRY_BYTES, EVICTED_FROM, Cache, Policy

TTL_S = 10.0


@dataclass
class Time:
    """A clock that a test sets."""

    now_s: float = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        raise AssertionError("A cache never looks at the wall clock.")


@dataclass
class Kept:
    """What the model knows of one value; `turn` orders uses that fall into the same moment."""

    value: int
    size: int
    uses: int
    put_s: float
    turn: int


@dataclass
class Naive:
    """The cache as its description says it, without a thought for speed."""

    policy: Policy
    bytes_max: int
    entries_max: int
    kept: dict[bytes, Kept] = field(default_factory=dict)
    turn: int = 0
    evictions: int = 0
    expired: int = 0

    def get(self, key: bytes, now_s: float) -> int | None:
        self._expire(now_s)
        found = self.kept.get(key)
        if found is None:
            return None
        self.turn += 1
        found.uses, found.turn = found.uses + 1, self.turn
        return found.value

    def put(self, key: bytes, value: int, size: int, uses: int, now_s: float) -> None:
        self._expire(now_s)
        old = self.kept.pop(key, None)
        size += ENTRY_BYTES
        if size > self.bytes_max or self.entries_max == 0:
            return
        while (
            sum(each.size for each in self.kept.values()) + size > self.bytes_max
            or len(self.kept) == self.entries_max
        ):
            del self.kept[min(self.kept, key=self._standing)]
            self.evictions += 1
        self.turn += 1
        self.kept[key] = Kept(value, size, uses + (old.uses if old else 0), now_s, self.turn)

    def _standing(self, key: bytes) -> tuple[int, int]:
        found = self.kept[key]
        return (found.uses if self.policy == "lfu" else 0, found.turn)

    def _expire(self, now_s: float) -> None:
        old = [key for key, each in self.kept.items() if now_s - each.put_s >= TTL_S]
        self.expired += len(old)
        for key in old:
            del self.kept[key]


KEYS = st.integers(0, 7).map(lambda number: bytes([number]))


class BesideTheModel(RuleBasedStateMachine):
    """The same deeds done to both, which must never differ."""

    @initialize(policy=st.sampled_from(["lru", "lfu"]), room=st.integers(0, 4), entries=st.integers(0, 4))
    def begin(self, policy: Policy, room: int, entries: int) -> None:
        self.time = Time()
        bytes_max = room * (ENTRY_BYTES + 100)
        self.cache: Cache[int] = Cache(
            bytes_max=bytes_max, policy=policy, ttl_s=TTL_S, clock=self.time, entries_max=entries
        )
        self.model = Naive(policy, int(bytes_max * EVICTED_FROM), entries)
        self.asked = self.found = 0

    @rule(key=KEYS)
    def get(self, key: bytes) -> None:
        got = self.cache.get(key)
        self.asked += 1
        self.found += got is not None
        assert got == self.model.get(key, self.time.now_s)

    @rule(key=KEYS, value=st.integers(1, 9), size=st.integers(0, 300), uses=st.integers(1, 3))
    def put(self, key: bytes, value: int, size: int, uses: int) -> None:
        self.cache.put(key, value, size, uses)
        self.model.put(key, value, size, uses, self.time.now_s)

    @rule(seconds=st.sampled_from([0.5, 4.0, 9.5, 10.0, 25.0]))
    def wait(self, seconds: float) -> None:
        self.time.now_s += seconds

    @rule(key=KEYS)
    def drop(self, key: bytes) -> None:
        there = key in {held for held, _ in self.cache.entries()}
        self.model._expire(self.time.now_s)
        assert there == (key in self.model.kept)
        if there:
            self.cache.drop(key)
            del self.model.kept[key]

    @rule()
    def shed(self) -> None:
        held = self.cache.stats().bytes
        assert self.cache.shed() == held
        assert self.cache.stats().bytes == 0
        self.model._expire(self.time.now_s)
        self.model.kept.clear()

    @invariant()
    def both_say_the_same(self) -> None:
        if not hasattr(self, "cache"):
            return
        stats = self.cache.stats()
        self.model._expire(self.time.now_s)
        assert stats.bytes == sum(each.size for each in self.model.kept.values()) <= self.model.bytes_max
        assert (stats.entries, stats.evictions, stats.expired) == (
            len(self.model.kept),
            self.model.evictions,
            self.model.expired,
        )
        assert (stats.hits, stats.misses) == (self.found, self.asked - self.found)

    @invariant()
    def both_have_the_same_favourites(self) -> None:
        if not hasattr(self, "cache"):
            return
        self.model._expire(self.time.now_s)
        uses = {key: entry.uses for key, entry in self.cache.most_used(3)}
        most = sorted((each.uses for each in self.model.kept.values()), reverse=True)[:3]
        assert list(uses.values()) == most
        assert all(self.model.kept[key].uses == count for key, count in uses.items())


BesideTheModel.TestCase.__doc__ = "A promise: whatever is done, it does what its description says."
TestBesideTheModel = BesideTheModel.TestCase


def cache_of(entries: int, policy: Policy, time: Time | None = None) -> Cache[str]:
    """Room for so many values of no size."""
    bytes_max = math.ceil(entries * ENTRY_BYTES / EVICTED_FROM)
    return Cache(bytes_max=bytes_max, policy=policy, ttl_s=TTL_S, clock=time or Time())


@pytest.mark.parametrize(("policy", "gone"), [("lru", b"often"), ("lfu", b"late")])
def test_the_policy_decides_who_makes_room(policy: Policy, gone: bytes) -> None:
    """lru takes out what was used longest ago, lfu what was used least often."""
    cache = cache_of(2, policy)
    cache.put(b"often", "o", 0)
    cache.get(b"often")
    cache.put(b"late", "l", 0)
    cache.put(b"new", "n", 0)
    found = {key for key in (b"often", b"late", b"new") if cache.get(key)}
    assert found == {b"often", b"late", b"new"} - {gone}


def test_room_is_made_before_a_cache_is_full() -> None:
    """From nine tenths on: what it holds is an estimate, and its budget is a promise."""
    cache: Cache[str] = Cache(bytes_max=100 * ENTRY_BYTES, policy="lru", ttl_s=TTL_S, clock=Time())
    for number in range(100):
        cache.put(str(number).encode(), "v", 0)
    assert cache.stats().bytes == 90 * ENTRY_BYTES
    assert cache.stats().evictions == 10


def test_what_is_too_old_is_never_returned() -> None:
    """Its time counts from when it was put; being used often does not lengthen it."""
    time = Time()
    cache = cache_of(2, "lfu", time)
    cache.put(b"a", "a", 0)
    time.now_s += TTL_S - 0.001
    assert cache.get(b"a") == "a"
    time.now_s += 0.001
    assert cache.get(b"a") is None
    assert cache.stats().expired == 1


@given(size=st.integers(1, 10_000))
def test_what_is_larger_than_the_whole_cache_is_not_kept(size: int) -> None:
    """It would push out everything else, and not fit even then."""
    cache = cache_of(1, "lru")
    cache.put(b"small", "s", 0)
    cache.put(b"large", "l", size)
    assert cache.get(b"large") is None
    assert cache.get(b"small") == "s"
