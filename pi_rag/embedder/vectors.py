"""What makes a vector good: unit length, finite, and as many numbers as the model promises."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pi_rag.errors import VectorInvalid

NORM_ERROR_MAX = 1e-3
"""How far from 1 a vector's length may be. Float32 rounding stays a thousand times below it."""


def normalised(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The rows scaled to unit length. A row without a direction becomes NaN, which `check` refuses."""
    with np.errstate(all="ignore"):
        scaled: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def check(vectors: npt.NDArray[np.float32], count: int, dimensions: int) -> None:
    """Raise VectorInvalid unless these are `count` unit vectors of `dimensions` finite numbers."""
    if vectors.shape != (count, dimensions):
        raise VectorInvalid(f"Vectors of shape {vectors.shape} came back; ({count}, {dimensions}) were due.")
    if not np.isfinite(vectors).all():
        raise VectorInvalid("A vector came back with a number that is not finite.")
    with np.errstate(over="ignore"):  # a length beyond float32 is no length of 1 either
        off = np.abs(np.linalg.norm(vectors, axis=1) - 1.0)
    if count and float(off.max()) > NORM_ERROR_MAX:
        raise VectorInvalid(f"A vector came back with length {1.0 + float(off.max()):.4f} instead of 1.")
