"""How fast something grows, how sure that is, and which growth a run of this length could have seen at all.

The slope is the median of the slopes between all pairs of points (Theil 1950), which a few outliers do not
move. Its interval is the one that Sen (1968, "Estimates of the regression coefficient based on Kendall's
tau") reads from the sorted slopes. That takes points to be independent; memory is not, it stays where it
went. So points are medians over equal stretches of time, and the variance is widened by what is left of
correlation among the ranks, as Hamed and Rao (1998, "A modified Mann-Kendall trend test for autocorrelated
data") do.

Pure: it knows points in time, and neither processes nor the record.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist, median

Point = tuple[float, float]
"""Seconds, and the value then."""

CONFIDENCE = 0.99
"""Of an interval. A run looks at a handful of them, and a false alarm in a hundred nights is enough."""

HALF_CONFIDENCE = 0.9998
"""Of a half, which is a second look at the same points: it must add no false alarms to those of the whole.
With 0.99 there were four times as many."""

STRETCHES = 60
"""So many medians a run becomes: the pairs are the square of it, however many hours it was."""

POINTS_MIN = 8
"""With fewer no interval is worth its name: the outermost slopes are all there is."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth in units an hour, with the interval in which it lies. The interval may be without end."""

    per_hour: float
    low: float
    high: float
    hours: float

    @property
    def width(self) -> float:
        """From the low end to the high one."""
        return self.high - self.low

    def bound(self, per_hour_max: float, in_all_min: float) -> float:
        """What an hour may take, or so much in all where that is more."""
        return max(per_hour_max, in_all_min / self.hours)


NOTHING = Slope(0.0, -math.inf, math.inf, 0.0)
"""Too little was seen to say anything."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The slope of a run after its warm-up, and of its halves: a leak goes on, a step or a cache ends."""

    whole: Slope
    early: Slope
    late: Slope

    def leaks(self, per_hour_max: float, in_all_min: float = 0.0) -> bool:
        """Growth is above the bound for certain, and does not show to have ended, or to have been a step.

        One half may be sure of it, where a step in the other one blinds the whole. `in_all_min` is what must
        have been grown: in a short run next to nothing is much an hour.
        """
        pairs = (self.whole, self.late), (self.early, self.late), (self.late, self.early)
        return any(
            one.low > one.bound(per_hour_max, in_all_min) and other.high > per_hour_max
            for one, other in pairs
            if one.hours
        )

    def sees_from(self, per_hour_max: float, resolution: float = 0.0, in_all_min: float = 0.0) -> float:
        """The least real growth that would have been called a leak, all but certainly, amid this noise.

        The low end lies half a width below the slope that is seen, which itself lies within half a width of
        the real one; `resolution` is the least step of a value, in its unit. Infinite when nothing could be.
        """
        looked = [each for each in (self.whole, self.early, self.late) if each.hours]
        return min(
            (
                each.bound(per_hour_max, in_all_min) + each.width + 2 * resolution / each.hours
                for each in looked
            ),
            default=math.inf,
        )


def growth(points: Sequence[Point], warm_up_s: float) -> Growth:
    """Of points in the order of time; those before `warm_up_s` after the first are left out."""
    settled = [point for point in points if point[0] - points[0][0] >= warm_up_s]
    if len(settled) < 2:
        return Growth(NOTHING, NOTHING, NOTHING)
    middle_s = (settled[0][0] + settled[-1][0]) / 2
    halves = ([point for point in settled if (point[0] >= middle_s) == is_late] for is_late in (False, True))
    return Growth(slope(settled), *(slope(half, HALF_CONFIDENCE, STRETCHES // 2) for half in halves))


def slope(points: Sequence[Point], confidence: float = CONFIDENCE, stretches: int = STRETCHES) -> Slope:
    """Theil-Sen's slope with Sen's interval. NOTHING of fewer than POINTS_MIN points or of no time."""
    calmed = medians(points, stretches)
    if len(calmed) < POINTS_MIN or calmed[-1][0] <= calmed[0][0]:
        return NOTHING
    slopes = sorted(
        (late[1] - early[1]) / (late[0] - early[0]) * 3600.0 for early, late in combinations(calmed, 2)
    )
    middle = median(slopes)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * math.sqrt(_variance(calmed, middle / 3600.0))
    low, high = (len(slopes) - reach) / 2, (len(slopes) + reach) / 2
    return Slope(
        per_hour=middle,
        low=slopes[int(low)] if low >= 0 else -math.inf,
        high=slopes[math.ceil(high)] if high <= len(slopes) - 1 else math.inf,
        hours=(points[-1][0] - points[0][0]) / 3600.0,
    )


def medians(points: Sequence[Point], stretches: int) -> list[Point]:
    """The median of each of so many equal stretches of time that has any point, at the middle of those."""
    if not points:
        return []
    first_s, length_s = points[0][0], points[-1][0] - points[0][0]
    groups: dict[int, list[Point]] = {}
    for point in points:
        share = (point[0] - first_s) / length_s if length_s else 0.0
        groups.setdefault(min(int(share * stretches), stretches - 1), []).append(point)
    return [(median(at for at, _ in each), median(value for _, value in each)) for each in groups.values()]


def _variance(points: Sequence[Point], per_s: float) -> float:
    """Of Kendall's S: n(n-1)(2n+5)/18 less what ties take, times what correlation adds."""
    count = len(points)
    ties = Counter(value for _, value in points).values()
    plain = (
        count * (count - 1) * (2 * count + 5) - sum(tied * (tied - 1) * (2 * tied + 5) for tied in ties)
    ) / 18.0
    return plain * _correlation(_ranks([value - per_s * at for at, value in points]))


def _correlation(ranks: Sequence[float]) -> float:
    """Hamed and Rao's factor, from the ranks of what is left when the slope is taken away; 1 at the least.

    Only lags whose correlation is no chance count, up to the first that is none: later ones are noise.
    """
    count = len(ranks)
    mean = sum(ranks) / count
    power = sum((rank - mean) ** 2 for rank in ranks)
    if not power:
        return 1.0
    chance, total = NormalDist().inv_cdf(0.975) / math.sqrt(count), 0.0
    for lag in range(1, count - 2):
        pairs = zip(ranks, ranks[lag:], strict=False)
        share = sum((one - mean) * (other - mean) for one, other in pairs) / power
        if share < chance:
            break
        total += (count - lag) * (count - lag - 1) * (count - lag - 2) * share
    return 1.0 + 2.0 / (count * (count - 1) * (count - 2)) * total


def _ranks(values: Sequence[float]) -> list[float]:
    """The place of each in their order; equals share the middle of their places."""
    order = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(order)))}
    return [first[value] + (order.count(value) - 1) / 2 for value in values]
