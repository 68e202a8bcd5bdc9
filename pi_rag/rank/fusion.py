"""Fusion of ranked lists by their ranks: pure arithmetic over (id, score) pairs.

It knows nothing of where the lists come from, and reads no text. `calibrated.py` fuses by scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Ranked = Sequence[tuple[int, float]]
"""(id, score), best first."""


@dataclass(frozen=True, slots=True)
class Fused:
    """One passage after fusion."""

    id: int
    score: float
    """From 0 to 1; 1 is first in every list."""
    scores: Mapping[str, float]
    """Its own score by each way that has compared it."""
    ranks: Mapping[str, int]
    """Its rank in each list that found it, from 1."""


def reciprocal_rank(lists: Mapping[str, Ranked], *, k: float) -> list[Fused]:
    """Fuse by the sum of 1 / (k + rank), scaled so that first in every list is 1, best first.

    Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
    learning methods", SIGIR 2009. Equal sums go by id, so that the same question always gets the same answer.
    """
    ranks: dict[int, dict[str, int]] = {}
    scores: dict[int, dict[str, float]] = {}
    for name, ranked in lists.items():
        for rank, (item, score) in enumerate(ranked, start=1):
            ranks.setdefault(item, {})[name] = rank
            scores.setdefault(item, {})[name] = score
    best = len(lists) / (k + 1) or 1.0
    fused = [
        Fused(item, sum(1 / (k + rank) for rank in found.values()) / best, scores[item], found)
        for item, found in ranks.items()
    ]
    return sorted(fused, key=lambda each: (-each.score, each.id))
