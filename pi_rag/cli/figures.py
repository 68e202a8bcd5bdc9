"""From answers of the service to the figures of the last minutes: rates, latencies by stage, time left.

Counters of the service only grow, so a rate is a difference of two looks, and a histogram of the last minutes
is a difference of two histograms. It knows neither the service nor the screen.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

WINDOW_S = 300.0
"""How far back the figures and their curves go."""

LEFT_S_MIN = 10.0
"""A time left is told from this long on: before, one document more or less would decide it."""

LANES = ("query", "ingest")
"""Of searches, and of documents."""

Buckets = dict[float, float]
"""How many took at most so many seconds, by that bound; the last bound is infinite."""

Series = list[tuple[float, float]]
"""(when, in seconds of a monotonic clock, and the value)."""

_BUCKET = re.compile(r"pi_rag_stage_seconds_bucket\{([^}]*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Look:
    """One look at the service: its status, and its histograms by (lane, stage) where it has told them."""

    at_s: float
    status: Mapping[str, Any]
    stages: Mapping[tuple[str, str], Buckets] = field(default_factory=dict)

    def number(self, *path: str) -> float | None:
        """A number of the status by its keys; None where it is not told."""
        value: Any = self.status
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return float(value) if isinstance(value, (int, float)) else None


def stages_of(metrics: str) -> dict[tuple[str, str], Buckets]:
    """The histograms of the stages in a page of GET /metrics, by (lane, stage)."""
    found: dict[tuple[str, str], Buckets] = {}
    for labels, count in _BUCKET.findall(metrics):
        named = dict(_LABEL.findall(labels))
        stage = found.setdefault((named.get("lane", ""), named.get("stage", "")), {})
        stage[float(named.get("le", "inf"))] = float(count)
    return found


def quantile_ms(buckets: Buckets, share: float) -> float | None:
    """The value that this share stays below, in ms; None of nothing.

    Within a bucket it is interpolated, as Prometheus' histogram_quantile does; beyond the last finite
    bound it is that bound.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    rank, low_s, below = share * total, 0.0, 0.0
    for bound_s in bounds:
        within = buckets[bound_s] - below
        if buckets[bound_s] >= rank and within > 0:
            if bound_s == float("inf"):
                break
            return 1000 * (low_s + (bound_s - low_s) * (rank - below) / within)
        low_s, below = (bound_s, buckets[bound_s]) if bound_s != float("inf") else (low_s, below)
    return 1000 * low_s


class Stages(NamedTuple):
    """How long each stage of a lane took."""

    ms: dict[str, dict[str, float]]
    """By stage, `p50` and `p95`; a stage that was not gone through has none."""
    last_s: float | None
    """So many seconds they are of; None: of all since the start of the service."""


def _stages_ms(lane: str, now: Look, before: Look | None) -> dict[str, dict[str, float]]:
    """Between two looks, or up to one."""
    found: dict[str, dict[str, float]] = {}
    for key in now.stages:
        earlier = before.stages.get(key, {}) if before else {}
        grown = {bound: count - earlier.get(bound, 0.0) for bound, count in now.stages[key].items()}
        p50, p95 = quantile_ms(grown, 0.5), quantile_ms(grown, 0.95)
        if key[0] == lane and p50 is not None and p95 is not None:
            found[key[1]] = {"p50": p50, "p95": p95}
    return found


class History:
    """The looks of the last WINDOW_S. A service that was started anew begins it anew."""

    def __init__(self) -> None:
        self._looks: deque[Look] = deque()

    def add(self, look: Look) -> None:
        """The newest look."""
        if self._looks and (look.number("uptime_s") or 0) < (self._looks[-1].number("uptime_s") or 0):
            self._looks.clear()
        self._looks.append(look)
        while self._looks[0].at_s < look.at_s - WINDOW_S:
            self._looks.popleft()

    @property
    def last(self) -> Look | None:
        """The newest one."""
        return self._looks[-1] if self._looks else None

    def values(self, *path: str) -> Series:
        """A number of the status over time, where it was told."""
        told = ((look.at_s, look.number(*path)) for look in self._looks)
        return [(at_s, value) for at_s, value in told if value is not None]

    def rates(self, *path: str) -> Series:
        """How fast a counter grew from each look to the next, per second."""
        return [(at_s, max(0.0, grown) / took_s) for at_s, grown, took_s in self._steps(*path)]

    def share(self, of: tuple[str, ...], rest: tuple[str, ...]) -> Series:
        """Of what two counters grew by from each look to the next, the part of the first; 0 to 1."""
        others = {at_s: grown for at_s, grown, _ in self._steps(*rest)}
        both = [(at_s, grown, others.get(at_s, 0.0)) for at_s, grown, _ in self._steps(*of)]
        return [(at_s, grown / (grown + other)) for at_s, grown, other in both if grown + other > 0]

    def stages_ms(self, lane: str) -> Stages:
        """The stages of a lane, all of one time: the last minutes, or since the start if nothing came."""
        told = [look for look in self._looks if look.stages]
        if not told:
            return Stages({}, None)
        now, first = told[-1], told[0]
        recent = _stages_ms(lane, now, first)
        return Stages(recent, now.at_s - first.at_s) if recent else Stages(_stages_ms(lane, now, None), None)

    def as_object(self) -> dict[str, Any]:
        """The newest figures for a program: those that the status does not have by itself, and the status."""
        searches, passages = self.rates("searches", "searches"), self.rates("ingest", "passages", "embedded")
        return {
            "searches_per_s": searches[-1][1] if searches else None,
            "passages_per_s": passages[-1][1] if passages else None,
            "left_s": self.left_s(),
            "stages": {lane: self.stages_ms(lane)._asdict() for lane in LANES},
            "status": self.last.status if self.last else {},
        }

    def left_s(self) -> float | None:
        """How long the documents that wait will take, by how their number sank; None: it cannot be said."""
        waiting = self.values("counts", "items_queued")
        if len(waiting) < 2 or waiting[-1][1] <= 0:
            return None
        took_s, sunk = waiting[-1][0] - waiting[0][0], waiting[0][1] - waiting[-1][1]
        return waiting[-1][1] * took_s / sunk if took_s >= LEFT_S_MIN and sunk > 0 else None

    def _steps(self, *path: str) -> Iterator[tuple[float, float, float]]:
        """(when, how much the counter grew, in how many seconds) from each look to the next."""
        for (before_s, before), (at_s, value) in pairwise(self.values(*path)):
            if at_s > before_s:
                yield at_s, value - before, at_s - before_s
