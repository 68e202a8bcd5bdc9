"""Passages that say different things."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.rank.diversity import normalised, picked, reach

A, B, C = (np.eye(3, dtype="<f4")[place].tobytes() for place in range(3))

scores_lists = st.lists(st.integers(0, 1000), min_size=1, max_size=40).map(
    lambda numbers: sorted((number / 1000 for number in numbers), reverse=True)
)
degrees = st.integers(0, 100).map(lambda number: number / 100)


def unit_rows(count: int, seed: int) -> list[bytes]:
    """Random unit vectors of few dimensions, so that some are much alike."""
    rows = np.random.default_rng(seed).standard_normal((count, 4)).astype("<f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return [row.tobytes() for row in rows]


def test_a_copy_gives_way_to_something_else() -> None:
    """The second of two equal passages comes after a worse one that says something new."""
    assert picked([1.0, 0.99, 0.6], [A, A, B], 2, 0.5) == [(0, 0.0), (2, 0.0)]
    assert [place for place, _ in picked([1.0, 0.99, 0.6], [A, A, B], 2, 0.0)] == [0, 1]
    assert picked([1.0, 0.99], [A, A], 2, 0.5)[1] == (1, 1.0)


@given(scores_lists, st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_without_diversity_the_order_is_that_of_the_scores(scores: list[float], k: int, seed: int) -> None:
    """Whatever the vectors are."""
    picks = picked(scores, unit_rows(len(scores), seed), k, 0.0)

    assert [place for place, _ in picks] == list(range(min(k, len(scores))))


@given(scores_lists, st.integers(1, 12), degrees, st.integers(0, 2**32 - 1))
def test_what_cannot_win_a_place_need_not_be_looked_at(
    scores: list[float], k: int, diversity: float, seed: int
) -> None:
    """Choosing among those within reach gives the same as choosing among all, to float32's rounding."""
    rows = unit_rows(len(scores), seed)
    fewer = picked(scores, rows[: reach(scores, k, diversity)], k, diversity)
    every = picked(scores, rows, k, diversity)

    assert [place for place, _ in fewer] == [place for place, _ in every]
    assert [near for _, near in fewer] == pytest.approx([near for _, near in every], abs=1e-6)


@given(scores_lists, st.integers(1, 12), degrees, st.integers(0, 2**32 - 1))
def test_it_is_maximal_marginal_relevance(scores: list[float], k: int, diversity: float, seed: int) -> None:
    """Each place is worth as much as the one that the paper's own formula picks, to float32's rounding."""
    rows = unit_rows(len(scores), seed)
    vectors = np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1).astype(np.float64)
    chosen: list[int] = []
    for place, likeness in picked(scores, rows, k, diversity):
        near = np.max(vectors @ vectors[chosen].T, axis=1, initial=0.0) if chosen else np.zeros(len(rows))
        worth = (1 - diversity) * np.array(scores) - diversity * near
        worth[chosen] = -np.inf
        assert worth[place] == pytest.approx(worth.max(), abs=1e-5)
        assert likeness == pytest.approx(near[place], abs=1e-5)
        chosen.append(place)
    assert len(set(chosen)) == min(k, len(scores))


def test_what_has_no_vector_is_like_nothing() -> None:
    """A passage that only words know keeps its place, also when none has a vector."""
    assert [place for place, _ in picked([1.0, 0.9, 0.8], [A, None, A], 3, 0.5)] == [0, 1, 2]
    assert picked([1.0, 0.9], [None, None], 2, 0.5) == [(0, 0.0), (1, 0.0)]
    assert picked([], [], 3, 0.5) == []


def test_reach_is_short_where_scores_fall_steeply() -> None:
    """A little diversity looks at few; all of it looks at all."""
    scores = [1.0 - place / 100 for place in range(100)]

    assert reach(scores, 8, 0.0) == 8
    assert reach(scores, 8, 0.1) == pytest.approx(19, abs=1)
    assert reach(scores, 8, 1.0) == 100
    assert reach(scores[:3], 8, 0.1) == 3


def test_scores_are_parts_of_the_best() -> None:
    """The best is 1, also where nothing scores or nothing is there."""
    assert normalised([0.5, 0.25]) == [1.0, 0.5]
    assert normalised([0.0, 0.0]) == [0.0, 0.0]
    assert normalised([]) == []
