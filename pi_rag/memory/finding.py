"""What of the memories fits a question: one read, by words and by vectors, with what each is evidence of.

It knows no documents, and nothing of how the rest of an answer comes to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pi_rag.memory.learned import Learned
from pi_rag.memory_types import Memory
from pi_rag.query.course import Course
from pi_rag.rank.calibrated import Chance, Evidence, Weights, fused, weights
from pi_rag.rank.fusion import Fused, Ranked, reciprocal_rank
from pi_rag.store import Connection, identity
from pi_rag.store.memory import memories, mentions, vectors
from pi_rag.store.memory import words as word_index
from pi_rag.store.memory.seen import Seen
from pi_rag.store.worded import Worded
from pi_rag.text.entities import entities_in
from pi_rag.types import Fingerprint

CANDIDATES = 50
"""Parts that are looked at of each way. Nothing beyond the fortieth passage moved a figure of chats."""

WORDS_WEIGHT = 2.8
"""As `query.words_weight` has it; benchmarks/LOG.md has what others gave on a year of chats."""

RRF_K = 60.0
"""Cormack, Clarke and Buettcher's constant, for where there is too little to tell what is chance."""

NOTHING = Chance(0.0, 1.0)
"""Where there are no vectors, nothing is compared with it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way."""

    query: str
    seen: Seen
    mode: str
    count: int
    """How many memories are wanted at most."""
    vector: bytes | None
    """The query's; None: words alone answer."""
    made_by: Fingerprint | None
    """The model of that vector."""


@dataclass(frozen=True, slots=True)
class Found:
    """A memory with the best of its parts."""

    memory: Memory
    fused: Fused
    start: int
    end: int
    """Where that part is in its text."""
    link: float
    """How much of what the query names it names, from 0 to 1; 1 where the query names nothing."""


@dataclass(frozen=True, slots=True)
class Memories:
    """What one read has found."""

    found: Sequence[Found]
    nats: float | None
    """What a score of 1 is worth as evidence; None: the scores are of ranks."""
    chance: Chance | None
    """What cosines are here by chance; None where nobody can tell."""
    pending: int
    explain: Mapping[str, Any] = field(default_factory=dict)


def find(db: Connection, asked: Asked, learned: Learned, course: Course) -> Memories:
    """The memories that fit a question, the best first."""
    pending = vectors.pending(db, asked.seen)
    near = _near(db, asked, course)
    words = None
    if near is None or asked.mode == "hybrid":
        with course.stage("text"):
            words = word_index.worded(db, asked.query, CANDIDATES, asked.seen, learned.common)
    with course.stage("fuse"):
        evidence = _evidence(db, asked, near, words, learned)
        ranked, nats, weighing = _ranking(evidence, near, words)
    with course.stage("read"):
        found = _read(db, asked, ranked)
    named = {"candidates": {"vector": len(near or ()), "text": len(words.ranked) if words else 0}}
    explain = {**named, "fusion": "reciprocal_rank" if nats is None else "calibrated", **_told(weighing)}
    return Memories(found, nats, evidence.chance if evidence else None, pending, explain)


def linked(db: Connection, best: Sequence[int], seen: Seen, count: int) -> list[tuple[Memory, mentions.Link]]:
    """The memories that share most with the best ones, a step away."""
    links = {link.memory_id: link for link in mentions.linked(db, best, seen, count)}
    return [(memory, links[memory.id]) for memory in memories.get(db, list(links))]


def _near(db: Connection, asked: Asked, course: Course) -> Ranked | None:
    """The nearest parts; None without a vector that could be compared with those here."""
    model = vectors.model(db)
    if asked.vector is None or model is None or asked.made_by is None:
        return None
    if not identity.comparable(model, asked.made_by):
        return None
    with course.stage("vector"):
        return vectors.nearest(db, asked.vector, CANDIDATES, asked.seen)


def _evidence(
    db: Connection, asked: Asked, near: Ranked | None, words: Worded | None, learned: Learned
) -> Evidence | None:
    """None while there are too few vectors to tell what is chance."""
    by_text = words.ranked if words else []
    if near is None:
        return Evidence((), by_text, NOTHING)
    chance = _chance(db, asked, learned)
    if chance is None:
        return None
    known = {part_id for part_id, _ in near}
    others = [part_id for part_id, _ in by_text if part_id not in known]
    assert asked.vector is not None
    cosines = dict(vectors.cosines(db, asked.vector, others))
    return Evidence(near, by_text, chance, words.covered if words else {}, cosines)


def _chance(db: Connection, asked: Asked, learned: Learned) -> Chance | None:
    assert asked.vector is not None
    model = vectors.model(db)
    assert model is not None
    own = learned.chances.of(db, asked.vector, model)
    others = identity.fingerprint(db)
    if own is not None or others is None or not identity.comparable(others, model):
        return own
    return learned.of_documents.of(db, asked.vector, others)


def _ranking(
    evidence: Evidence | None, near: Ranked | None, words: Worded | None
) -> tuple[Iterable[Fused], float | None, Weights | None]:
    if evidence is None:
        lists = {"vector": near or (), "text": words.ranked if words else ()}
        return reciprocal_rank({name: found for name, found in lists.items() if found}, k=RRF_K), None, None
    weighing = weights(evidence, WORDS_WEIGHT)
    return *fused(evidence, weighing), weighing


def _told(weighing: Weights | None) -> dict[str, Any]:
    if weighing is None:
        return {}
    return {"weights": {"vector": round(weighing.vector, 3), "text": round(weighing.text, 3)}}


def _read(db: Connection, asked: Asked, ranked: Iterable[Fused]) -> list[Found]:
    """The memories of the best parts, each once, with what links them to the query."""
    parts = list(ranked)
    owners = vectors.parts_of(db, [each.id for each in parts])
    best: dict[int, Fused] = {}
    for each in parts:
        if each.id in owners and len(best) < asked.count:
            best.setdefault(owners[each.id].memory_id, each)
    links = _links(db, asked, list(best))
    return [
        Found(
            memory,
            part := best[memory.id],
            owners[part.id].start,
            owners[part.id].end,
            1.0 if links is None else links.get(memory.id, 0.0),
        )
        for memory in memories.get(db, list(best))
    ]


def _links(db: Connection, asked: Asked, memory_ids: Sequence[int]) -> dict[int, float] | None:
    named = entities_in(asked.query)
    if not named:
        return None
    counts = mentions.naming(db, named, memory_ids)
    return {memory_id: count / len(named) for memory_id, count in counts.items()}
