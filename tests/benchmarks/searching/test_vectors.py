"""The vectors that indexes are measured with lie as those of real texts do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.searching import vectors


def unit(rows: int, seed: int = 1) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((rows, 24)).astype(np.float32)
    found: np.ndarray = made / np.linalg.norm(made, axis=1, keepdims=True)
    return found


def test_copies_are_new_and_near_to_what_they_were_made_of(tmp_path: Path) -> None:
    """An index is not measured with rows that it has twice, nor with noise."""
    base = unit(300)
    found = np.load(vectors.extended(np.concatenate([base, base[:50]]), 2000, tmp_path))

    assert found.shape == (2000, 24)
    assert len(np.unique(found, axis=0)) == 2000
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert {row.tobytes() for row in base} == {row.tobytes() for row in found[:300]}
    nearest = (found[300:] @ base.T).max(axis=1)
    assert np.median(nearest) > 0.7
    assert nearest.max() < 0.9999


def test_a_larger_file_begins_with_the_smaller_one(tmp_path: Path) -> None:
    """Sizes are compared with the same rows, and what was made once serves the smaller ones too."""
    small = np.load(vectors.extended(unit(300), 500, tmp_path / "small"))
    path = vectors.extended(unit(300), 11_000, tmp_path / "large")

    assert np.array_equal(np.load(path)[:500], small)
    assert vectors.extended(unit(300), 700, tmp_path / "large") == path


def test_the_truth_is_what_sorting_all_products_says() -> None:
    """Blocks and their seams change nothing."""
    rows, queries = unit(25_000), unit(7, seed=2)
    wanted = np.argsort(-(queries @ rows.T), axis=1)[:, :10]

    assert vectors.nearest(rows, queries, 10) == wanted.tolist()


def test_neighbours_are_the_nearest_others() -> None:
    """A row is never mixed with itself."""
    rows = unit(1200)
    products = rows @ rows.T
    np.fill_diagonal(products, -2)
    wanted = np.argsort(-products, axis=1)[:, : vectors.NEIGHBOURS]

    assert np.array_equal(np.sort(vectors.neighbours(rows), axis=1), np.sort(wanted, axis=1))
