"""One ranking of memories and documents: both as evidence of the same kind, then each memory's own signals.

A document's passage and a memory are compared in nats: what their words and vectors tell beyond chance, each
by what is chance in its own collection. Pure; it reads nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pi_rag.config import RememberSettings
from pi_rag.memory.finding import WORDS_WEIGHT, Found, Memories
from pi_rag.memory.judging import trust_of_source
from pi_rag.memory_types import Memory, Recalled
from pi_rag.query.question import Answer, Hit
from pi_rag.rank import worth
from pi_rag.rank.calibrated import Evidence, fused, weights
from pi_rag.store.memory.mentions import Link

WALKED = 0.5
"""What is left at most of the best score for what was reached over an entity alone: nothing of the query's
words or meaning speaks for it."""


def blended(
    memories: Memories, documents: Answer | None, now: float, settings: RememberSettings
) -> list[Recalled]:
    """One ranking, best first. A score of 1 is the best by every way, and loses nothing by any signal."""
    passages = list(documents.hits) if documents else []
    fits, nats = _fits(memories, documents, passages)
    own = memories.nats if memories.found and memories.nats else 0.0
    best = max(own, nats) or 1.0
    ours = [_memory(each, each.fused.score * (own or 1.0) / best, now, settings) for each in memories.found]
    theirs = [_passage(hit, fit * (nats or 1.0) / best) for hit, fit in zip(passages, fits, strict=True)]
    ranked = sorted([*ours, *theirs], key=lambda hit: -hit.score)
    return [ranked[place] for place in worth.by_trust([hit.memory for hit in ranked])]


def walked(
    reached: Iterable[tuple[Memory, Link]], above: float, now: float, settings: RememberSettings
) -> list[Recalled]:
    """What shares an entity with the best hits, whose first has the score `above`."""
    hits = []
    for memory, link in reached:
        factors = worth.signals(memory, now, half_life_days(memory, settings), 1.0)
        score = WALKED * above * link.weight * worth.product(factors)
        scores = {"walk": round(link.weight, 6), **_rounded(factors)}
        hits.append(_hit(memory, score, scores, linked_by=link.names))
    return hits


def half_life_days(memory: Memory, settings: RememberSettings) -> float:
    """How fast it fades, by its kind; 0: not at all."""
    kind = memory.kind if memory.type == "fact" else memory.type
    days: float = getattr(settings, f"half_life_{kind}_days")
    return days


def _fits(memories: Memories, documents: Answer | None, passages: Sequence[Hit]) -> tuple[list[float], float]:
    """The documents' scores, and what a score of 1 is worth there; 0 where scores are of ranks."""
    if documents is None or not passages:
        return [], 0.0
    nats = float(documents.explain.get("nats", 0.0))
    if nats or memories.chance is None or memories.nats is None:
        return [hit.score for hit in passages], nats
    # There are too few passages to tell what is chance among them: what is chance among memories stands in.
    by_vector = [
        (place, hit.fused.scores["vector"]) for place, hit in enumerate(passages) if _has(hit, "vector")
    ]
    by_text = [(place, hit.fused.scores["text"]) for place, hit in enumerate(passages) if _has(hit, "text")]
    evidence = Evidence(by_vector, by_text, memories.chance)
    weighing = weights(evidence, WORDS_WEIGHT)
    ranking, nats = fused(evidence, weighing)
    scores = {each.id: each.score for each in ranking}
    return [scores.get(place, 0.0) for place in range(len(passages))], nats


def _has(hit: Hit, way: str) -> bool:
    return way in hit.fused.scores


def _memory(found: Found, fits: float, now: float, settings: RememberSettings) -> Recalled:
    memory = found.memory
    factors = worth.signals(memory, now, half_life_days(memory, settings), found.link)
    scores = {**_rounded(found.fused.scores), "fused": round(fits, 6), **_rounded(factors)}
    return _hit(memory, min(1.0, fits * worth.product(factors)), scores)


def _hit(memory: Memory, score: float, scores: dict[str, float], linked_by: tuple[str, ...] = ()) -> Recalled:
    return Recalled(
        type=memory.type,
        text=memory.text,
        trust=memory.trust,
        score=round(score, 6),
        memory=memory,
        document_id=memory.document_id,
        chunk_id=None,
        source=memory.source,
        title=memory.topic,
        at=memory.at,
        scores=scores,
        linked_by=linked_by,
    )


def _passage(hit: Hit, fits: float) -> Recalled:
    passage = hit.passage
    trust = trust_of_source(passage.source)
    factor = worth.TRUSTED[trust]
    return Recalled(
        type="document",
        text=hit.text,
        trust=trust,
        score=round(min(1.0, fits * factor), 6),
        memory=None,
        document_id=passage.document_id,
        chunk_id=passage.chunk_id,
        source=passage.source,
        title=passage.title,
        at=passage.updated_at,
        scores={**_rounded(hit.fused.scores), "fused": round(fits, 6), "trust": factor},
    )


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(number, 6) for name, number in scores.items()}
