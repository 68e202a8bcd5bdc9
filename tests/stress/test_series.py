"""What is usual, what is beyond it, what chance does not do, and what goes on growing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.stress import series
from pi_rag.stress.series import Episode, Usual


def test_the_usual_is_not_moved_by_a_few() -> None:
    """A tenth of the values far off leaves the median and the deviation as they were."""
    values = [10.0, 11.0, 12.0] * 30

    assert Usual.of(values + [1e6] * 9).middle == 11.0
    assert Usual.of(values + [1e6] * 9).deviation == Usual.of(values).deviation
    assert Usual.of([]) == Usual(0.0, 0.0)


def test_beyond_the_usual_is_beyond_both_bounds() -> None:
    """Absolute units protect what is steady, deviations what is noisy."""
    assert Usual(10.0, 0.1).above(25.0, 6.0) == 35.0
    assert Usual(10.0, 10.0).above(25.0, 6.0) == 70.0


def test_what_was_not_measured_anew_is_no_point() -> None:
    """A value that only repeats the one before is left out."""
    assert series.changes([(0.0, 1.0), (1.0, 1.0), (2.0, 2.0), (3.0, 2.0)]) == [(0.0, 1.0), (2.0, 2.0)]


def test_stretches_are_in_a_row() -> None:
    """One point below the limit parts them."""
    points = [(float(second), value) for second, value in enumerate([1, 9, 9, 1, 9])]

    assert list(series.stretches(points, 5.0)) == [[(1.0, 9), (2.0, 9)], [(4.0, 9)]]


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.01, 0.99))
def test_chance_is_one(hits: int, more: int, share: float) -> None:
    """The tail is a probability, certain from 0 on, and falls as more is asked for."""
    all_of = hits + more
    tail = series.chance(hits, all_of, share)

    assert -1e-9 <= tail <= 1 + 1e-9
    assert series.chance(0, all_of, share) == pytest.approx(1.0)
    assert series.chance(hits + 1, all_of, share) <= tail + 1e-12


def test_chance_is_the_binomial_one() -> None:
    """Three of three coins in a row: one of eight; two or more: four of eight."""
    assert series.chance(3, 3, 0.5) == pytest.approx(0.125)
    assert series.chance(2, 3, 0.5) == pytest.approx(0.5)


def test_a_hiccup_is_no_burst() -> None:
    """All within one second, however many, are one event."""
    marked = [(second / 10, 100 <= second < 110) for second in range(600)]

    assert list(series.bursts(marked, 0.01, window_s=6.0, count=4, share=0.03)) == []


def test_a_burst_begins_with_its_first() -> None:
    """It is noticed when enough were seen, and ends with the last."""
    marked = [(second / 10, 100 <= second < 150) for second in range(600)]
    [burst] = series.bursts(marked, 0.01, window_s=6.0, count=4, share=0.03)

    assert burst.began_s == 10.0
    assert 12.0 <= burst.noticed_s <= 13.0
    assert burst.ended_s == 14.9


def test_growth_is_step_by_step() -> None:
    """The same growth in one leap is none, and neither is up and down."""
    steady = [(float(second), 2.0 * max(0, second - 10)) for second in range(30)]
    leap = [(float(second), 40.0 if second > 10 else 0.0) for second in range(30)]
    saw = [(float(second), 10.0 * (second % 3)) for second in range(30)]

    [grown] = series.growing(steady, 8.0, window_s=6.0)
    assert grown.began_s == pytest.approx(10.0, abs=1.0)
    assert grown.size == pytest.approx(2.0, rel=0.2)
    assert list(series.growing(leap, 8.0, window_s=6.0)) == []
    assert list(series.growing(saw, 8.0, window_s=6.0)) == []


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), max_size=30), st.floats(0, 5))
def test_joined_episodes_are_apart(given_ones: list[tuple[float, float]], apart_s: float) -> None:
    """Nothing is lost, and what is left lies further apart than was asked for."""
    episodes = [Episode(began, began + length / 2, began + length) for began, length in given_ones]
    found = list(series.joined(episodes, apart_s))

    assert all(late.began_s > early.ended_s + apart_s for early, late in pairwise(found))
    for each in episodes:
        assert any(one.began_s <= each.began_s and each.ended_s <= one.ended_s for one in found)


def test_a_share_that_was_never_seen_is_not_nothing() -> None:
    """Of a hundred that were not so, one of a hundred may still be."""
    assert series.share([]) == 0.0
    assert series.usual_share([False] * 99) == 0.005
    assert series.usual_share([True] * 99) == 0.995
