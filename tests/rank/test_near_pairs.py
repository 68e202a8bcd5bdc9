"""Which vectors are found to lie close together."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.rank.near_pairs import EACH_MAX, ROWS_AT_ONCE, near_pairs


def unit_rows(
    seed: int, count: int, dimensions: int = 4
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rows = np.random.default_rng(seed).standard_normal((count, dimensions))
    unit: np.ndarray[tuple[int, int], np.dtype[np.float32]] = rows / np.linalg.norm(
        rows, axis=1, keepdims=True
    )
    return unit.astype("<f4")


@given(st.integers(0, 1000), st.integers(0, EACH_MAX + 1), st.floats(-0.9, 0.99))
def test_it_finds_what_looking_at_every_pair_finds(seed: int, count: int, similarity_min: float) -> None:
    """No pair that is near enough is missed, and none is made up."""
    rows = unit_rows(seed, count)
    expected = {
        (one, other)
        for other in range(count)
        for one in range(other)
        if float(rows[one] @ rows[other]) >= similarity_min + 1e-6
    }

    found = near_pairs(rows.tobytes(), 4, similarity_min)

    assert expected <= {(one, other) for one, other, _ in found}
    assert all(similarity >= similarity_min for _, _, similarity in found)
    assert [similarity for _, _, similarity in found] == sorted((each[2] for each in found), reverse=True)


def test_pairs_are_found_across_blocks() -> None:
    """The first and the last of many rows are held against each other too."""
    rows = unit_rows(1, ROWS_AT_ONCE + 10, 64)
    rows[-1] = rows[0]

    assert near_pairs(rows.tobytes(), 64, 0.99) == [(0, ROWS_AT_ONCE + 9, 1.0)]


def test_where_all_are_alike_each_has_few_links() -> None:
    """A thousand copies of one text do not make half a million pairs."""
    rows = np.repeat(unit_rows(1, 1), 50, axis=0)

    found = near_pairs(rows.tobytes(), 4, 0.9)

    assert len(found) < 50 * EACH_MAX
    assert {other for _, other, _ in found} == set(range(1, 50))
