"""From what vectors and words have found to one ranking, by the setting; how it was weighed is explained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pi_rag.config import QuerySettings
from pi_rag.query.course import Course
from pi_rag.rank.calibrated import Chance, Evidence, fused, weights
from pi_rag.rank.fusion import Fused, Ranked, reciprocal_rank
from pi_rag.store import Connection, identity, vectors
from pi_rag.store.chances import Chances
from pi_rag.store.vectors import cosine
from pi_rag.store.worded import Worded

NO_CHANCE = Chance(0.0, 1.0)
"""Where there are no vectors, nothing is compared with it."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found by each way that was gone."""

    vector: bytes | None
    """The query's."""
    near: Ranked | None
    words: Worded | None

    @property
    def lists(self) -> dict[str, Ranked]:
        """By "vector", "text" or both."""
        near = {} if self.near is None else {"vector": self.near}
        return near if self.words is None else {**near, "text": self.words.ranked}


def one_ranking(
    db: Connection, looked: Looked, chances: Chances, settings: QuerySettings, course: Course
) -> Iterable[Fused]:
    """All that was found, best first."""
    evidence = _evidence(db, looked, chances) if settings.fusion == "calibrated" else None
    if evidence is None:
        few = {"why": "there are too few passages to calibrate"} if settings.fusion == "calibrated" else {}
        course.explain |= {"fusion": "reciprocal_rank", "rrf_k": settings.rrf_k, **few}
        return reciprocal_rank(looked.lists, k=settings.rrf_k)
    weighing = weights(evidence, settings.words_weight)
    ranking, nats = fused(evidence, weighing)
    course.explain |= {"fusion": "calibrated", "nats": round(nats, 3)}
    if len(looked.lists) > 1:
        course.explain["weights"] = {
            "vector": round(weighing.vector, 3),
            "text": round(weighing.text, 3),
            "chance": {
                "mean": round(evidence.chance.mean, 3),
                "deviation": round(evidence.chance.deviation, 3),
            },
            "covered": round(max(evidence.covered.values(), default=0.0), 3),
        }
    return ranking


def _evidence(db: Connection, looked: Looked, chances: Chances) -> Evidence | None:
    """None while there are too few passages to tell what is chance."""
    by_vector, by_text = looked.near or (), looked.words.ranked if looked.words else ()
    model = identity.fingerprint(db)
    if looked.vector is None or model is None:
        return Evidence(by_vector, by_text, NO_CHANCE)
    chance = chances.of(db, looked.vector, model)
    if chance is None:
        return None
    covered = looked.words.covered if looked.words else {}
    cosines = _cosines(db, looked.vector, by_vector, by_text)
    return Evidence(by_vector, by_text, chance, covered, cosines)


def _cosines(db: Connection, vector: bytes, by_vector: Ranked, by_text: Ranked) -> dict[int, float]:
    """Of what the words alone have found: exact, for a look at each vector."""
    known = {item for item, _ in by_vector}
    others = [item for item, _ in by_text if item not in known]
    found = vectors.nearest_of(db, vector, len(others), others) if others else []
    return {chunk_id: cosine(distance) for chunk_id, distance in found}
