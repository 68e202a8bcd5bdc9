"""From what each way has found to the few passages that are shown, best first.

Fusion, near-duplicates, one document's share and likeness decide, in this order; what they compute is thought
out in `rank/`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from pi_rag.config import QuerySettings
from pi_rag.query.course import Course
from pi_rag.query.fusing import Looked, one_ranking
from pi_rag.query.question import Question
from pi_rag.rank import diversity
from pi_rag.rank.fusion import Fused
from pi_rag.store import Connection, citing, duplicates, vectors
from pi_rag.store.chances import Chances


@dataclass(frozen=True, slots=True)
class Choice:
    """A passage that is shown. `likeness` is its cosine to the most similar one above it, if that counts."""

    fused: Fused
    likeness: float | None = None


def chosen(
    db: Connection,
    looked: Looked,
    chances: Chances,
    question: Question,
    settings: QuerySettings,
    course: Course,
) -> list[Choice]:
    """The passages for an answer: at most `question.k`, the best first."""
    with course.stage("fuse"):
        fused = one_ranking(db, looked, chances, settings, course)
    if looked.words is not None and looked.words.every:
        # Who asks for certain words wants no passage without them, however near in meaning it is.
        fused = (each for each in fused if "text" in each.scores)
    if question.unique:
        fused = _each_once(db, list(fused))
    if question.per_document_max is not None:
        fused = _few_of_each(db, list(fused), question.per_document_max)
    wanted = settings.diversity if question.diversity is None else question.diversity
    if not wanted:
        return [Choice(each) for each in islice(fused, question.k)]
    with course.stage("diversify"):
        choices, considered = _diverse(db, list(fused), question.k, wanted, settings)
        course.explain["diversity"] = {"diversity": wanted, "considered": considered}
        return choices


def _each_once(db: Connection, fused: Sequence[Fused]) -> list[Fused]:
    """The same without what is a near-duplicate of something above it.

    Which of them is the oldest does not matter: that one may be out of scope.
    """
    originals = duplicates.originals(db, [each.id for each in fused])
    best: dict[int, Fused] = {}
    for each in fused:
        best.setdefault(originals.get(each.id, each.id), each)
    return list(best.values())


def _few_of_each(db: Connection, fused: Sequence[Fused], count_max: int) -> list[Fused]:
    """The same without what is beyond the best `count_max` of a document."""
    documents = citing.documents_of(db, [each.id for each in fused])
    seen: Counter[int] = Counter()
    kept = []
    for each in fused:
        document_id = documents.get(each.id)
        if document_id is not None and seen[document_id] < count_max:
            seen[document_id] += 1
            kept.append(each)
    return kept


def _diverse(
    db: Connection, fused: Sequence[Fused], k: int, wanted: float, settings: QuerySettings
) -> tuple[list[Choice], int]:
    """The choice, and among how many it was made. Only vectors that could change it are read."""
    scores = diversity.normalised([each.score for each in fused[: max(k, settings.diversity_candidates)]])
    considered = fused[: diversity.reach(scores, k, wanted)]
    known = dict(vectors.of(db, [each.id for each in considered]))
    picks = diversity.picked(scores, [known.get(each.id) for each in considered], k, wanted)
    return [Choice(considered[place], round(likeness, 6)) for place, likeness in picks], len(considered)
