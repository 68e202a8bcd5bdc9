"""How long the last searches took: a ring of plain numbers, for percentiles of the time just past.

Histograms tell of all time since the start, in steps; an alert and a person ask about now. The ring is
bounded in number, so that a flood of searches costs no RAM: of more than fit, the last are told of.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from pi_rag.clock import Clock

RING = 4096
"""64 KiB for both columns. At 13 searches a second it holds five minutes."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles by the nearest rank, in milliseconds; None of nothing."""

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Recent:
    """Milliseconds, each with its moment."""

    def __init__(self, clock: Clock, size: int = RING) -> None:
        self._clock = clock
        self._at_s = array("d", [-math.inf]) * size
        self._ms = array("d", [0.0]) * size
        self._next = 0

    def add(self, ms: float) -> None:
        """One more, now. It takes the place of the oldest."""
        self._at_s[self._next], self._ms[self._next] = self._clock.monotonic_s(), ms
        self._next = (self._next + 1) % len(self._ms)

    def spread(self, window_s: float) -> Spread:
        """Of the last `window_s` seconds."""
        since_s = self._clock.monotonic_s() - window_s
        return spread([ms for at_s, ms in zip(self._at_s, self._ms, strict=True) if at_s >= since_s])


def spread(ms: Sequence[float]) -> Spread:
    """Of these."""
    ordered = sorted(ms)
    p50, p95, p99 = (_rank(ordered, share) for share in (0.50, 0.95, 0.99))
    return Spread(len(ordered), p50, p95, p99)


def _rank(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 3) if ordered else None
