"""Percentiles of the time just past."""

from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.service.recent import Recent, Spread, spread
from tests.service.hands import Hands


def test_only_the_time_just_past_counts() -> None:
    """What is older than the window is told of no more, and nothing has no percentile."""
    clock = Hands()
    recent = Recent(clock)
    assert recent.spread(60) == Spread(0, None, None, None)
    recent.add(500.0)
    clock.now_s += 50
    recent.add(5.0)
    assert recent.spread(60) == Spread(2, 5.0, 500.0, 500.0)
    clock.now_s += 20
    assert recent.spread(60) == Spread(1, 5.0, 5.0, 5.0)


def test_of_more_than_fit_the_last_are_told_of() -> None:
    """A flood costs no more RAM than the ring has."""
    recent = Recent(Hands(), size=10)
    for ms in range(100):
        recent.add(float(ms))
    assert recent.spread(60) == Spread(10, 94.0, 99.0, 99.0)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_values_that_occurred(ms: list[float]) -> None:
    """By the nearest rank: no slower than the slowest, and half are no slower than p50."""
    found = spread(ms)
    rounded = {round(each, 3) for each in ms}
    assert {found.p50_ms, found.p95_ms, found.p99_ms} <= rounded
    assert found.p50_ms == round(statistics.median_low(ms), 3)
    assert found.p50_ms <= (found.p95_ms or 0) <= (found.p99_ms or 0)
