"""Measures of a ranking, as trec_eval computes them: linear gain, log2 discount."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def ndcg(ranked: Sequence[str], grades: Mapping[str, int], depth: int) -> float:
    """Normalised discounted cumulative gain at `depth` (Järvelin and Kekäläinen, 2002), from 0 to 1."""
    gains = [grades.get(item, 0) for item in ranked[:depth]]
    ideal = sorted(grades.values(), reverse=True)[:depth]
    return _discounted(gains) / _discounted(ideal)


def recall(ranked: Sequence[str], grades: Mapping[str, int], depth: int) -> float:
    """The part of the relevant documents that is among the first `depth`."""
    relevant = {item for item, grade in grades.items() if grade > 0}
    return len(relevant & set(ranked[:depth])) / len(relevant)


def reciprocal(ranked: Sequence[str], grades: Mapping[str, int]) -> float:
    """One over the rank of the first relevant document; 0 when there is none."""
    return next((1 / rank for rank, item in enumerate(ranked, start=1) if grades.get(item, 0) > 0), 0.0)


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
