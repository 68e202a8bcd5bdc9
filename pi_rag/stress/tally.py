"""Counting answers for hours in bounded memory, without losing what percentiles need.

Latencies go into buckets, each 2% wider than the one below: a percentile read from them is never below the
true one and at most 2% above it. Answers are counted by operation and by second; when a run has become so
long that there are too many seconds, each two neighbours become one. It knows neither guests nor plots.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pi_rag.stress.types import Answer

WIDTH = 1.02
"""Of a bucket: its upper edge as a multiple of its lower one."""

LATENCY_MS_MIN, LATENCY_MS_MAX = 0.01, 3_600_000.0
"""What is faster or slower is counted as this; nothing here takes less than 10 us or more than an hour."""

BUCKET_MAX = math.ceil(math.log(LATENCY_MS_MAX / LATENCY_MS_MIN, WIDTH)) + 1

SLOTS_MAX = 2048
"""Of one operation. A night of eight hours then has 16 seconds to a slot."""


@dataclass(slots=True)
class Histogram:
    """Latencies and how the answers ended."""

    buckets: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    """By an answer's code; "" stands for all is well."""

    @property
    def count(self) -> int:
        """All answers, errors too."""
        return sum(self.codes.values())

    def add(self, latency_ms: float, code: str = "") -> None:
        """One answer. Only the latency of what was answered counts: a refusal is fast and says nothing."""
        self.codes[code] += 1
        if is_answered(code):
            self.buckets[bucket_of(latency_ms)] += 1

    def merge(self, other: Histogram) -> None:
        """Take the other's answers as well."""
        self.buckets.update(other.buckets)
        self.codes.update(other.codes)

    def percentile_ms(self, percent: float) -> float | None:
        """By nearest rank, rounded up to its bucket's upper edge; None when nothing was answered."""
        total = sum(self.buckets.values())
        rank, seen = max(1, math.ceil(total * percent / 100)), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return upper_ms(bucket)
        return None

    def errors(self, *, but: Iterable[str] = ("busy",)) -> dict[str, int]:
        """What was not answered, by code, without those that are no error."""
        return {
            code: count for code, count in self.codes.items() if not is_answered(code) and code not in but
        }


def judged(seen: Mapping[str, Histogram]) -> tuple[str, bool | None]:
    """Of answers by operation: what was told that is worse than `busy`, and whether all is well.

    None: nothing was asked. Where nobody ever got an answer, it is not well.
    """
    errors = [f"{name} {code} {n}" for name, each in seen.items() for code, n in each.errors().items()]
    asked = sum(each.count for each in seen.values())
    answered = sum(n for each in seen.values() for code, n in each.codes.items() if is_answered(code))
    busy = sum(each.codes["busy"] for each in seen.values())
    told = f"{', '.join(errors) or 'none'} of {asked} requests ({busy} times busy)"
    return told, (not errors and answered > 0) if asked else None


def is_answered(code: str) -> bool:
    """Whether an answer with this code told what was asked for, if by less than everything."""
    return code in ("", "degraded")


def bucket_of(latency_ms: float) -> int:
    """The bucket whose upper edge is the first that is not below it."""
    bounded = min(max(latency_ms, LATENCY_MS_MIN), LATENCY_MS_MAX)
    bucket = math.ceil(math.log(bounded / LATENCY_MS_MIN, WIDTH))
    # The logarithm may be off by its last digit just at an edge.
    return bucket if upper_ms(bucket) >= bounded else bucket + 1


def upper_ms(bucket: int) -> float:
    """The upper edge of a bucket."""
    return float(LATENCY_MS_MIN * WIDTH**bucket)


@dataclass(slots=True)
class Tally:
    """Answers by operation and time."""

    slot_s: int = 1
    slots: dict[str, dict[int, Histogram]] = field(default_factory=dict)
    """By operation, then by the number of the slot since the run began."""

    def add(self, answers: Iterable[Answer]) -> None:
        """Count them."""
        for each in answers:
            of_operation = self.slots.setdefault(each.operation, {})
            slot = int(max(each.at_s, 0.0)) // self.slot_s
            of_operation.setdefault(slot, Histogram()).add(each.latency_ms, each.code)
            while len(of_operation) > SLOTS_MAX:
                self._coarsen()
                of_operation = self.slots[each.operation]

    def _coarsen(self) -> None:
        self.slot_s *= 2
        for operation, before in self.slots.items():
            after: dict[int, Histogram] = {}
            for slot, histogram in before.items():
                after.setdefault(slot // 2, Histogram()).merge(histogram)
            self.slots[operation] = after

    def whole(self, operation: str) -> Histogram:
        """All answers of one operation."""
        total = Histogram()
        for each in self.slots.get(operation, {}).values():
            total.merge(each)
        return total

    def to_json(self) -> dict[str, Any]:
        """Plain objects; `from_json` reads them again."""
        return {
            "slot_s": self.slot_s,
            "operations": {
                operation: [
                    [slot, _listed(each.buckets), dict(each.codes)] for slot, each in sorted(of.items())
                ]
                for operation, of in sorted(self.slots.items())
            },
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Tally:
        """What `to_json` gave. Raises KeyError, TypeError, ValueError, AttributeError for what is none."""
        return cls(
            _whole(told["slot_s"], 1),
            {
                operation: {_whole(slot): _read(buckets, codes) for slot, buckets, codes in of}
                for operation, of in told["operations"].items()
            },
        )


def _listed(buckets: Mapping[int, int]) -> list[list[int]]:
    return [[bucket, count] for bucket, count in sorted(buckets.items())]


def _read(buckets: Sequence[Sequence[int]], codes: Mapping[str, int]) -> Histogram:
    return Histogram(
        Counter({_whole(bucket, 0, BUCKET_MAX): _whole(count) for bucket, count in buckets}),
        Counter({code: _whole(count) for code, count in codes.items()}),
    )


def _whole(told: object, low: int = 0, high: int = 2**53) -> int:
    """A whole number within bounds. Raises ValueError."""
    if not isinstance(told, int) or not low <= told <= high:
        raise ValueError(f"{told!r} is no whole number from {low} to {high}")
    return told
