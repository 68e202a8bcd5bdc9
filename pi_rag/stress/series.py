"""Figures over time against what is usual: what is above it, what is so more often, what goes on growing.

Usual is a median, and beside it the median absolute deviation (Rousseeuw and Croux 1993, "Alternatives to the
median absolute deviation"), which a few outliers do not move. Pure: it knows points, not what they are of.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

Points = Sequence[tuple[float, float]]
"""(s, value), in the order of time."""

Marked = Sequence[tuple[float, bool]]
"""(s, whether it is so), in the order of time."""

SIGMA_OF_MAD = 1.4826
"""What makes a median absolute deviation the standard deviation of a normal distribution."""

CHANCE_MAX = 1e-5
"""What chance does more often than that in one window is no burst."""

SECONDS_MIN = 3
"""What happens in fewer different seconds is a hiccup."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A time in which something was so."""

    began_s: float
    noticed_s: float
    """When enough of it had been seen to tell."""
    ended_s: float
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual."""

    middle: float
    deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Usual:
        """Of nothing: that nothing is usual."""
        if not values:
            return cls(0.0, 0.0)
        middle = median(values)
        return cls(middle, SIGMA_OF_MAD * median(abs(value - middle) for value in values))

    def above(self, least: float, deviations: float) -> float:
        """What is beyond the usual both in absolute units and in deviations."""
        return self.middle + max(least, deviations * self.deviation)


def values_within(points: Points, times_s: tuple[float, float]) -> list[float]:
    """Those between the two times."""
    return [value for at_s, value in points if times_s[0] <= at_s <= times_s[1]]


def each_second(points: Points) -> list[tuple[float, float]]:
    """The median of each second that has any."""
    seconds: defaultdict[int, list[float]] = defaultdict(list)
    for at_s, value in points:
        seconds[int(at_s)].append(value)
    return [(float(second), median(values)) for second, values in sorted(seconds.items())]


def changes(points: Points) -> list[tuple[float, float]]:
    """Without those that only repeat the value before: it was not measured anew."""
    return [point for before, point in pairwise([(0.0, float("nan")), *points]) if point[1] != before[1]]


def stretches(points: Points, limit: float) -> Iterator[Points]:
    """Points in a row that are above the limit."""
    stretch: list[tuple[float, float]] = []
    for point in points:
        if point[1] > limit:
            stretch.append(point)
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def bursts(marked: Marked, usual: float, *, window_s: float, count: int, share: float) -> Iterator[Episode]:
    """Times in which far more of them are so than the share that is usual.

    A window that ends with one that is so is looked at: there must be `count` of it, in SECONDS_MIN different
    seconds, and `share` of all above the usual one; and chance must not do that (the binomial tail).
    """
    ends: list[Episode] = []
    first = 0
    for last, (end_s, is_so) in enumerate(marked):
        while end_s - marked[first][0] > window_s:
            first += 1
        if is_so:
            hits = [at_s for at_s, hit in marked[first : last + 1] if hit]
            spread = len({int(at_s) for at_s in hits}) >= SECONDS_MIN
            all_of = last + 1 - first
            large = len(hits) >= count and len(hits) / all_of > usual + share
            if spread and large and chance(len(hits), all_of, usual) < CHANCE_MAX:
                ends.append(Episode(hits[0], end_s, end_s))
    yield from joined(ends, window_s)


def chance(hits: int, all_of: int, share: float) -> float:
    """That so many or more of all are so, when each is with this chance."""
    return sum(
        math.comb(all_of, each) * share**each * (1 - share) ** (all_of - each)
        for each in range(hits, all_of + 1)
    )


def growing(points: Points, least: float, *, window_s: float) -> Iterator[Episode]:
    """Times in which it grew by more than `least` within a window, in steps; the size is growth a second."""
    ends: list[Episode] = []
    first = 0
    for last, (end_s, value) in enumerate(points):
        while end_s - points[first][0] > window_s:
            first += 1
        window = points[first : last + 1]
        if _rises(window, least):
            per_s = (value - window[0][1]) / (end_s - window[0][0])
            ends.append(Episode(_began_s(window), end_s, end_s, per_s))
    yield from joined(ends, window_s)


def _began_s(window: Points) -> float:
    """When it was last as low as at the lowest, but for a tenth of what it grew."""
    least = min(value for _, value in window)
    most = least + 0.1 * (window[-1][1] - least)
    return max(at_s for at_s, value in window if value <= most)


def _rises(window: Points, least: float) -> bool:
    """By more than `least`, in steps of which three of four go up and no two make three quarters of it."""
    steps = [late[1] - early[1] for early, late in pairwise(window)]
    grown = window[-1][1] - window[0][1]
    if len(steps) < SECONDS_MIN or grown <= least:
        return False
    return sum(sorted(steps)[-2:]) <= 0.75 * grown and sum(step > 0 for step in steps) >= 0.75 * len(steps)


def joined(episodes: Sequence[Episode], apart_s: float) -> Iterator[Episode]:
    """Those that overlap, or are no further apart than this, as one, of their median size."""
    group: list[Episode] = []
    for each in sorted(episodes, key=lambda one: one.began_s):
        if group and each.began_s > max(one.ended_s for one in group) + apart_s:
            yield _as_one(group)
            group = []
        group.append(each)
    if group:
        yield _as_one(group)


def _as_one(group: Sequence[Episode]) -> Episode:
    return Episode(
        group[0].began_s,
        min(each.noticed_s for each in group),
        max(each.ended_s for each in group),
        median(each.size for each in group),
    )


def share(marked: Sequence[bool]) -> float:
    """Of those that are so; 0 of nothing."""
    return sum(marked) / len(marked) if marked else 0.0


def usual_share(marked: Sequence[bool]) -> float:
    """As above, and half a one more: what was not seen in a short time may happen all the same (Jeffreys)."""
    return (sum(marked) + 0.5) / (len(marked) + 1)
