"""From chosen passages to the hits of an answer: cited, ordered by age, joined, with their neighbours.

Every text is cut from the document itself, so that its offsets hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pi_rag.config import QuerySettings
from pi_rag.query.choosing import Choice
from pi_rag.query.course import Course
from pi_rag.query.question import Hit, Question
from pi_rag.rank import recency
from pi_rag.rank.joining import touching
from pi_rag.store import Connection, citing, documents, duplicates
from pi_rag.types import Original, Passage


def hits(
    db: Connection,
    choices: Sequence[Choice],
    question: Question,
    settings: QuerySettings,
    course: Course,
    now_s: float,
) -> tuple[Hit, ...]:
    """The hits for these choices. `now_s` is wall time.

    A passage that is gone since it was ranked is left out instead of failing the whole answer.
    """
    with course.stage("read"):
        passages = citing.passages(db, [choice.fused.id for choice in choices])
        by_id = {choice.fused.id: choice for choice in choices}
        repeats = duplicates.repeats(db, [passage.chunk_id for passage in passages])
        found = [_hit(passage, by_id[passage.chunk_id], *repeats[passage.chunk_id]) for passage in passages]
        found = _aged(found, question, settings, course, now_s)
        if question.join:
            found = _joined(db, found)
        return tuple(_with_neighbours(db, hit, question.neighbours) for hit in found)


def _hit(passage: Passage, choice: Choice, duplicate_of: Original | None, newer: int) -> Hit:
    return Hit(
        passage=passage,
        fused=choice.fused,
        score=choice.fused.score,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        chunk_ids=(passage.chunk_id,),
        likeness=choice.likeness,
        duplicate_of=duplicate_of,
        duplicates=newer,
    )


def _aged(
    found: list[Hit], question: Question, settings: QuerySettings, course: Course, now_s: float
) -> list[Hit]:
    """The same hits in the order of what age has left of their scores, where age counts."""
    half_life_days = question.recency_half_life_days
    if half_life_days is None:
        half_life_days = settings.recency_half_life_days
    if not half_life_days:
        return found
    weight = settings.recency_weight
    course.explain["recency"] = {"half_life_days": half_life_days, "weight": weight}
    aged = []
    for hit in found:
        age_s = now_s - recency.own_time(hit.passage.metadata, hit.passage.updated_at)
        left = recency.left(age_s, half_life_days, weight)
        aged.append(replace(hit, score=hit.score * left, recency=round(left, 6)))
    return sorted(aged, key=lambda hit: -hit.score)


def _joined(db: Connection, found: Sequence[Hit]) -> list[Hit]:
    """Passages that touch as one hit, which stands where the best of them stood."""
    groups = touching([hit.passage for hit in found])
    return [_one(db, [found[place] for place in group]) for group in groups]


def _one(db: Connection, parts: Sequence[Hit]) -> Hit:
    """The hit that these make together; the best comes first."""
    best = parts[0]
    if len(parts) == 1:
        return best
    as_they_stand = sorted(parts, key=lambda part: part.start)
    start, end = as_they_stand[0].start, max(part.end for part in parts)
    text = documents.excerpt(db, best.passage.document_id, start, end)
    chunk_ids = tuple(part.passage.chunk_id for part in as_they_stand)
    return replace(best, start=start, end=end, text=text, chunk_ids=chunk_ids)


def _with_neighbours(db: Connection, hit: Hit, count: int) -> Hit:
    """The hit with what stands before and after it, `count` passages of each at most."""
    if not count:
        return hit
    start, end = citing.around(db, hit.chunk_ids[0], hit.chunk_ids[-1], count)
    wide = documents.excerpt(db, hit.passage.document_id, start, end)
    return replace(hit, before=wide[: hit.start - start], after=wide[hit.end - start :])
