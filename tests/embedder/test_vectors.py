"""Promises of pi_rag/embedder/vectors.py."""

from __future__ import annotations

import numpy as np
import pytest

from pi_rag.embedder import vectors
from pi_rag.errors import VectorInvalid


def unit(count: int = 2, dimensions: int = 4) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Some unit rows."""
    random = np.random.default_rng(1)
    return vectors.normalised(random.standard_normal((count, dimensions)).astype(np.float32))


def test_normalised_rows_pass() -> None:
    """What `normalised` makes of rows with a direction is what `check` asks for."""
    vectors.check(unit(), 2, 4)
    vectors.check(unit(0), 0, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.5, -3.0, 3e38])
def test_one_bad_number_is_noticed(value: float) -> None:
    """Not finite, or a row of another length: refused."""
    rows = unit()
    rows[1, 2] = value
    with pytest.raises(VectorInvalid):
        vectors.check(rows, 2, 4)


def test_a_row_without_direction_is_refused() -> None:
    """Zero cannot be scaled to one, and is not passed off as a vector."""
    rows = np.zeros((1, 4), dtype=np.float32)
    with pytest.raises(VectorInvalid):
        vectors.check(rows, 1, 4)
    with pytest.raises(VectorInvalid):
        vectors.check(vectors.normalised(rows), 1, 4)


@pytest.mark.parametrize(("count", "dimensions"), [(1, 4), (3, 4), (2, 3), (2, 5)])
def test_another_shape_is_refused(count: int, dimensions: int) -> None:
    """Too few, too many, too short, too long."""
    with pytest.raises(VectorInvalid):
        vectors.check(unit(), count, dimensions)
