"""Growth is seen where there is growth, and nowhere else, and a run says how little it could have seen."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.stress.slopes import NOTHING, Growth, Point, growth, medians, slope

HALF_AN_HOUR_S = 1800
BOUND = 1.0


def series(
    seed: int, *, seconds: int = HALF_AN_HOUR_S, per_hour: float = 0.0, noise: float = 0.3, held: float = 0.95
) -> Iterator[Point]:
    """Memory as it is: a level, noise of which the most part stays to the next second, steps of 0.1 MiB."""
    dice, drift = random.Random(seed), 0.0
    for second in range(seconds):
        drift = held * drift + dice.gauss(0.0, noise * math.sqrt(1 - held**2))
        yield float(second), round(200.0 + per_hour * second / 3600 + drift, 1)


def seen(seed: int, **how: float) -> Growth:
    return growth(list(series(seed, **how)), warm_up_s=600)  # type: ignore[arg-type]


def test_a_line_has_its_slope_and_no_doubt() -> None:
    """Without noise the interval is the slope itself."""
    line = slope([(float(second), 5.0 + second / 3600) for second in range(600)])

    assert line.per_hour == pytest.approx(1.0)
    assert [line.low, line.high] == pytest.approx([1.0, 1.0])


def test_what_stands_still_has_no_slope() -> None:
    """All equal is 0, for certain."""
    flat = slope([(float(second), 7.0) for second in range(600)])

    assert (flat.per_hour, flat.low, flat.high) == (0.0, 0.0, 0.0)


def test_outliers_do_not_move_it() -> None:
    """A tenth of the points far off, such as a reading child that comes and goes, changes nothing."""
    dice = random.Random(3)
    points = [(float(s), 100.0 + (200.0 if dice.random() < 0.1 else 0.0)) for s in range(HALF_AN_HOUR_S)]

    assert slope(points).per_hour == 0.0


def test_too_little_says_nothing() -> None:
    """A run without enough points neither leaks nor is without a leak: no growth would have been seen."""
    assert slope([(0.0, 1.0), (1.0, 2.0)]) == NOTHING
    few = growth([(float(second), float(second)) for second in range(5)], warm_up_s=0)

    assert not few.leaks(BOUND)
    assert few.sees_from(BOUND) == math.inf
    assert growth([], warm_up_s=0) == Growth(NOTHING, NOTHING, NOTHING)


@pytest.mark.slow
def test_noise_is_no_leak(long_form: bool) -> None:
    """Of 1,000 runs (100 in the short form) of half an hour that do not grow, two at most are leaks."""
    seeds = range(1000 if long_form else 100)

    assert sum(seen(seed).leaks(BOUND) for seed in seeds) <= 2


@pytest.mark.slow
def test_growth_at_the_bound_is_no_leak(long_form: bool) -> None:
    """1 MiB an hour is allowed, and amid noise it is not taken for more."""
    seeds = range(500 if long_form else 50)

    assert sum(seen(seed, per_hour=BOUND).leaks(BOUND) for seed in seeds) <= len(seeds) // 50


@pytest.mark.slow
def test_what_a_run_says_it_would_have_seen_it_sees(long_form: bool) -> None:
    """A leak of the size that a clean run of the same noise names is found in 95 of 100 others."""
    count = 300 if long_form else 40
    names = [seen(seed).sees_from(BOUND, resolution=0.1) for seed in range(count)]
    found = [seen(10_000 + seed, per_hour=size).leaks(BOUND) for seed, size in enumerate(names)]

    assert max(names) < 20.0, "half an hour is worth something"
    assert sum(found) >= 0.95 * count


def test_a_short_run_says_that_it_would_not_have_seen_a_small_leak() -> None:
    """A minute amid the same noise names a growth far above that of half an hour."""
    short = growth(list(series(1, seconds=60)), warm_up_s=20)

    assert short.sees_from(BOUND, 0.1) > 5 * seen(1).sees_from(BOUND, 0.1)


@given(st.integers(0, HALF_AN_HOUR_S), st.floats(0.5, 100.0))
def test_one_step_is_no_leak(at_s: int, size: float) -> None:
    """What grows once and stays, such as a cache that has filled, is not called a leak wherever it does."""
    points = [(at, value + (size if at >= at_s else 0.0)) for at, value in series(at_s, noise=0.1)]

    assert not growth(points, warm_up_s=600).leaks(BOUND)


def test_next_to_nothing_is_no_leak_of_a_short_run() -> None:
    """A quarter of a MiB in three minutes is five an hour, and no leak; with half a MiB in all it is one."""
    crept = growth([(float(second), 5.0 + 0.25 * second / 180) for second in range(180)], warm_up_s=0)

    assert crept.leaks(BOUND)
    assert not crept.leaks(BOUND, in_all_min=0.5)
    assert crept.leaks(BOUND, in_all_min=0.2)
    assert crept.sees_from(BOUND, in_all_min=0.5) == pytest.approx(10.0, rel=0.02)


@given(st.integers(660, 1740), st.integers(0, 100))
def test_a_step_in_one_half_does_not_blind_the_other(at_s: int, seed: int) -> None:
    """The run says that it would have seen a leak all the same, and sees one of that size beside the step."""

    def stepped(seed: int, per_hour: float) -> Growth:
        points = series(seed, per_hour=per_hour, noise=0.05)
        return growth([(at, value + (2.0 if at >= at_s else 0.0)) for at, value in points], warm_up_s=600)

    sees = stepped(seed, 0.0).sees_from(BOUND, 0.1)

    assert sees < 6.0
    assert stepped(seed + 1000, 1.2 * sees).leaks(BOUND)


@given(st.floats(30.0, 600.0), st.floats(1.0, 50.0))
def test_a_cache_that_fills_is_no_leak(tau_s: float, size: float) -> None:
    """Growth that ends during the warm-up or soon after it is told from growth that goes on."""
    points = [(at, value + size * (1 - math.exp(-at / (tau_s / 5)))) for at, value in series(7, noise=0.1)]

    assert not growth(points, warm_up_s=600).leaks(BOUND)


@given(st.integers(0, 10_000), st.floats(0.0, 50.0), st.floats(-100.0, 1000.0))
def test_it_moves_with_what_is_added(seed: int, per_hour: float, level: float) -> None:
    """A line added to a series adds its slope to the slope and its ends, and its level nothing."""
    # One point a stretch: the median of several is not that of the several with a line added.
    plain = list(series(seed, seconds=60))
    lined = [(at, value + level + per_hour * at / 3600) for at, value in plain]
    one, other = slope(plain), slope(lined)

    assert other.per_hour == pytest.approx(one.per_hour + per_hour, abs=1e-6)
    assert one.low <= one.per_hour <= one.high


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e3)), max_size=80), st.integers(1, 20))
def test_medians_are_of_what_there_was(points: list[Point], stretches: int) -> None:
    """No more than asked for, in the order of time, and within the values."""
    found = medians(sorted(points), stretches)

    assert len(found) <= stretches
    assert found == sorted(found, key=lambda point: point[0])
    assert not points or len(found) >= 1
    assert all(min(v for _, v in points) <= value <= max(v for _, v in points) for _, value in found)
