"""How alike passages are that have nothing to do with one another, from some of their vectors.

The cosines of one model lie about 0.1, of another about 0.6, and a house full of chats is more alike than one
of science: what a cosine is worth is learned from the collection itself, without labels. It knows neither
queries nor SQLite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEVIATION_MIN = 1e-3
"""Where all passages are the same there is no chance to compare with; a zero would divide by nothing."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What the sample tells."""

    centre: bytes
    """The mean of the vectors, float32; its product with a query is the query's mean cosine."""
    deviation: float
    """How far the cosine of a passage to another one is from its own mean, as a root mean square."""

    def mean(self, query: bytes) -> float:
        """The mean cosine of a query's unit vector (float32, little-endian) to the passages."""
        return float(np.frombuffer(query, dtype="<f4") @ np.frombuffer(self.centre, dtype="<f4"))


def likeness(vectors: bytes, dimensions: int) -> Likeness:
    """Learn from rows of unit vectors (float32, little-endian), at least two; n rows cost n * n products."""
    rows = np.frombuffer(vectors, dtype="<f4").reshape(-1, dimensions)
    assert len(rows) >= 2, "One passage is like nothing."
    others = ~np.eye(len(rows), dtype=bool)
    cosines = (rows @ rows.T)[others].reshape(len(rows), -1)
    deviation = float(np.sqrt(np.mean((cosines - cosines.mean(axis=1, keepdims=True)) ** 2)))
    return Likeness(rows.mean(axis=0).astype("<f4").tobytes(), max(deviation, DEVIATION_MIN))
