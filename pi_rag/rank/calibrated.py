"""Fusion by what the scores are evidence of: pure arithmetic over (id, score) pairs.

It knows nothing of where the scores come from, and reads no text. What it was measured against is in
docs/decisions/fusion.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pi_rag.rank.fusion import Fused, Ranked


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


def fused(evidence: Evidence, weighing: Weights) -> list[Fused]:
    """Fuse by the sum of both ways' evidence, scaled so that best by both is 1; best first.

    A cosine counts as its surprise in nats, z * z / 2, where z is by how many deviations it is above chance:
    the exponent of a normal distribution's tail, as in Fisher's method of combining tests. BM25 is a log-odds
    already (Robertson and Zaragoza, "The probabilistic relevance framework", 2009); it counts by the part of
    the query that the passage covers (Lucene's coordination factor).

    With one list only, its order stays. Equal sums go by cosine, then by BM25, then by id.
    """
    by_vector = {item: _surprise(evidence.chance, cosine) for item, cosine in _cosines(evidence).items()}
    by_text = _told(evidence)
    most = weighing.vector * _best(by_vector) + weighing.text * _best(by_text)
    sums = {
        item: (weighing.vector * by_vector.get(item, 0.0) + weighing.text * by_text.get(item, 0.0)) / most
        if most
        else 0.0
        for item in by_vector | by_text
    }
    return _ordered(sums, evidence)


def _ordered(sums: Mapping[int, float], evidence: Evidence) -> list[Fused]:
    scores = {"vector": _cosines(evidence), "text": dict(evidence.text)}
    lists = {"vector": evidence.vector, "text": evidence.text}
    ranks = {
        name: {item: rank for rank, (item, _) in enumerate(ranked, start=1)} for name, ranked in lists.items()
    }

    def place(item: int) -> tuple[float, float, float, int]:
        return -sums[item], -scores["vector"].get(item, -1.0), -scores["text"].get(item, 0.0), item

    return [
        Fused(
            item,
            min(1.0, sums[item]),
            {name: known[item] for name, known in scores.items() if item in known},
            {name: known[item] for name, known in ranks.items() if item in known},
        )
        for item in sorted(sums, key=place)
    ]


def _cosines(evidence: Evidence) -> dict[int, float]:
    return {**evidence.cosines, **dict(evidence.vector)}


def _told(evidence: Evidence) -> dict[int, float]:
    """What the words of each passage tell. With no vectors to weigh them against, BM25 as it is."""
    if not evidence.vector:
        return dict(evidence.text)
    return {item: score * evidence.covered.get(item, 1.0) for item, score in evidence.text}


def _deviations(chance: Chance, cosine: float) -> float:
    return max(0.0, (cosine - chance.mean) / chance.deviation)


def _surprise(chance: Chance, cosine: float) -> float:
    return _deviations(chance, cosine) ** 2 / 2


def _best(told: Mapping[int, float]) -> float:
    return max(told.values(), default=0.0)
