"""Which of some unit vectors lie close to each other, two by two. Exact, a block of rows at a time.

It is a product of the matrix with itself, of which a few rows are held at once: 10,000 vectors of 384 numbers
take a second or so, and some megabytes beside themselves.
"""

from __future__ import annotations

import numpy as np

ROWS_AT_ONCE = 256
EACH_MAX = 8
"""Neighbours that are kept of each vector: where all are alike, a few links hold them together."""


def near_pairs(vectors: bytes, dimensions: int, similarity_min: float) -> list[tuple[int, int, float]]:
    """(row, row after it, cosine) of pairs that are at least so near, the nearest first.

    `vectors` are float32 little-endian rows of unit length. Of each row its EACH_MAX nearest among the rows
    before it count.
    """
    rows = np.frombuffer(vectors, dtype="<f4").reshape(-1, dimensions)
    pairs = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        block = rows[start : start + ROWS_AT_ONCE] @ rows[: start + ROWS_AT_ONCE].T
        for place, likeness in enumerate(block, start):
            near = np.flatnonzero(likeness[:place] >= similarity_min)
            near = near[np.argsort(-likeness[near], kind="stable")[:EACH_MAX]]
            pairs += [(int(each), place, min(1.0, float(likeness[each]))) for each in near]
    return sorted(pairs, key=lambda pair: (-pair[2], pair[0], pair[1]))
