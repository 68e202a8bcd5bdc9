"""Passages that say different things: maximal marginal relevance, over scores and unit vectors.

Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing
Summaries", SIGIR 1998. Each place goes to the candidate with the most of

    (1 - diversity) * score - diversity * (cosine to the most similar one chosen before)

where a cosine below zero counts as zero. Two things make it cheap: the greatest cosine so far is kept for
each candidate, so that a place costs one product of a matrix and a vector; and `reach` tells which candidates
cannot win a place whatever their vectors are, so that these are never read.

It is numpy because plain Python takes 75 times as long for 100 candidates of 384 numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def normalised(scores: Sequence[float]) -> list[float]:
    """Scores as parts of the best, so that the same diversity means the same for every way of scoring."""
    best = max(scores, default=0.0)
    return [score / best if best > 0 else 0.0 for score in scores]


def reach(scores: Sequence[float], k: int, diversity: float) -> int:
    """How many of the candidates, best first, can win one of `k` places at all.

    While places are left, one of the best `k` is not chosen yet, and it is worth (1 - diversity) *
    scores[k - 1] - diversity at the least. Who is worth less even with nothing like it above is never chosen.
    """
    if len(scores) <= k:
        return len(scores)
    least = (1 - diversity) * scores[k - 1] - diversity
    return next(
        (place for place in range(k, len(scores)) if (1 - diversity) * scores[place] < least), len(scores)
    )


def picked(
    scores: Sequence[float], vectors: Sequence[bytes | None], k: int, diversity: float
) -> list[tuple[int, float]]:
    """(place among the candidates, cosine to the most similar one chosen before), in the order chosen.

    `scores` go from 1 down, the best first; there may be more of them than `vectors`, which are float32
    little-endian rows of unit length. One whose vector is None is like nothing else. Equals go by place.
    """
    worth = (1 - diversity) * np.array(scores[: len(vectors)], dtype=np.float64)
    rows = _rows(vectors)
    likeness = np.zeros(len(vectors), dtype=np.float32)
    picks = []
    for _ in range(min(k, len(vectors))):
        best = int(np.argmax(worth - diversity * likeness))
        picks.append((best, min(1.0, float(likeness[best]))))
        worth[best] = -math.inf
        np.maximum(likeness, rows @ rows[best], out=likeness)
    return picks


def _rows(vectors: Sequence[bytes | None]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The vectors as one matrix; zeros for those that are None."""
    width = max((len(vector) for vector in vectors if vector is not None), default=0)
    data = b"".join(bytes(width) if vector is None else vector for vector in vectors)
    return np.frombuffer(data, dtype="<f4").reshape(len(vectors), width // 4)
