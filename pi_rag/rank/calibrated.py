"""Fusion by what the scores are evidence of: pure arithmetic over (id, score) pairs.

It knows nothing of where the scores come from, and reads no text. What it was measured against is in
docs/decisions/fusion.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pi_rag.rank.fusion import Fused, Ranked

N = TypeVar("N", int, float)

COVERING = 1.5
"""The power of the covered part by which BM25 counts. By 1 a passage with half of the words tells too much,
by 2 too little: docs/decisions/fusion.md."""


@dataclass(frozen=True, slots=True)
class Chance:
    """The cosines of a query to passages that have nothing to do with it."""

    mean: float
    deviation: float
    """Above 0."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What both ways know of the passages that either has found."""

    vector: Ranked
    """Cosines, best first."""
    text: Ranked
    """BM25, from 0, best first."""
    chance: Chance
    covered: Mapping[int, float] = field(default_factory=dict)
    """From 0 to 1, for those in `text`: the part of the query's weight in words that a passage holds."""
    cosines: Mapping[int, float] = field(default_factory=dict)
    """Of those that are in `text` alone."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each way counts for one query."""

    vector: float
    text: float


def weights(evidence: Evidence, words_weight: float) -> Weights:
    """The query's own: vectors count by how many deviations the nearest passage is above chance.

    That is small where nothing is near in meaning, and large where something is, as a paraphrase. Words need
    no such weight: BM25 is small by itself where the query has no rare word, or no passage holds them.
    """
    nearest = max((cosine for _, cosine in evidence.vector), default=-1.0)
    return Weights(_deviations(evidence.chance, nearest), words_weight)


def fused(evidence: Evidence, weighing: Weights) -> tuple[Iterator[Fused], float]:
    """Fuse by the sum of both ways' evidence, scaled so that best by both is 1: the passages, best first, and
    what 1 is worth, in nats. A score times that is comparable between collections.

    A cosine counts as its surprise in nats, z * z / 2, where z is by how many deviations it is above chance:
    the exponent of a normal distribution's tail, as in Fisher's method of combining tests. BM25 is a log-odds
    already (Robertson and Zaragoza, "The probabilistic relevance framework", 2009); it counts by the part of
    the query that the passage covers (Lucene's coordination factor), to a power.

    With one list only, its order stays. Equal sums go by cosine, then by BM25, then by id.
    """
    cosines = {**evidence.cosines, **dict(evidence.vector)}
    by_vector, by_text = _surprises(evidence.chance, cosines), _told(evidence)
    most = weighing.vector * _best(by_vector) + weighing.text * _best(by_text)
    sums = {
        item: (weighing.vector * by_vector.get(item, 0.0) + weighing.text * by_text.get(item, 0.0))
        / (most or 1.0)
        for item in by_vector | by_text
    }
    return _ordered(sums, cosines, evidence), most


def _ordered(sums: Mapping[int, float], cosines: Mapping[int, float], evidence: Evidence) -> Iterator[Fused]:
    bm25 = dict(evidence.text)
    by_vector, by_text = _ranks(evidence.vector), _ranks(evidence.text)

    def place(item: int) -> tuple[float, float, float, int]:
        return -sums[item], -cosines.get(item, -1.0), -bm25.get(item, 0.0), item

    def told(item: int) -> Fused:
        scores = _of(item, vector=cosines, text=bm25)
        return Fused(item, min(1.0, sums[item]), scores, _of(item, vector=by_vector, text=by_text))

    # Sorted now, told as far as somebody asks: a search shows few of them.
    return map(told, sorted(sums, key=place))


def _ranks(ranked: Ranked) -> dict[int, int]:
    return {item: rank for rank, (item, _) in enumerate(ranked, start=1)}


def _of(item: int, **by_way: Mapping[int, N]) -> dict[str, N]:
    return {name: numbers[item] for name, numbers in by_way.items() if item in numbers}


def _told(evidence: Evidence) -> dict[int, float]:
    """What the words of each passage tell. With no vectors to weigh them against, BM25 as it is."""
    if not evidence.vector:
        return dict(evidence.text)
    return {item: score * evidence.covered.get(item, 1.0) ** COVERING for item, score in evidence.text}


def _deviations(chance: Chance, cosine: float) -> float:
    return max(0.0, (cosine - chance.mean) / chance.deviation)


def _surprises(chance: Chance, cosines: Mapping[int, float]) -> dict[int, float]:
    """Written out, since a search has a hundred of them."""
    mean, deviation = chance.mean, chance.deviation
    return {item: max(0.0, (cosine - mean) / deviation) ** 2 / 2 for item, cosine in cosines.items()}


def _best(told: Mapping[int, float]) -> float:
    return max(told.values(), default=0.0)
