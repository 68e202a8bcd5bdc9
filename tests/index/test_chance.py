"""What is learned of chance from a sample of vectors."""

from __future__ import annotations

import numpy as np
import pytest

from pi_rag.index.chance import DEVIATION_MIN, likeness


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype="<f4")


def test_it_is_what_comparing_every_pair_gives() -> None:
    """The mean cosine of a query to all, and how far the cosines of a passage are from their own mean."""
    rows = unit(np.random.default_rng(4).normal(0.3, 1, (40, 16)))
    query = unit(np.random.default_rng(5).normal(0, 1, (1, 16)))
    learned = likeness(rows.tobytes(), 16)
    spreads = [
        np.delete(rows @ rows[place], place) - np.delete(rows @ rows[place], place).mean()
        for place in range(40)
    ]
    assert learned.mean(query.tobytes()) == pytest.approx(float((rows @ query[0]).mean()), abs=1e-6)
    assert learned.deviation == pytest.approx(float(np.sqrt(np.mean(np.square(spreads)))), rel=1e-4)


def test_passages_that_are_all_the_same_divide_by_something() -> None:
    """A folder of copies has no chance to compare with, and is no error."""
    rows = np.tile(unit(np.ones((1, 8))), (20, 1))
    assert likeness(rows.tobytes(), 8).deviation == DEVIATION_MIN
