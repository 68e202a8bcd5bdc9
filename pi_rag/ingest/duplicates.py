"""What a document may repeat is looked for between its embedding and its transaction.

A few passages at a time, so that no reader of the database is held long. It decides nothing: what is found is
measured again in the transaction (`store/duplicates.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pi_rag.index.proposer import Proposer
from pi_rag.ingest.cutting import Embedded, Moves, nobody
from pi_rag.store import Connection, duplicates, identity, vectors
from pi_rag.store.derived import Derived
from pi_rag.store.store import Store
from pi_rag.store.vectors import Scored, cosine

LOOKUP_VECTORS = 8
"""Passages that are looked for in one read: a few milliseconds."""

PROPOSALS = 32
"""How many passages the RAM index proposes. What is as near as a near-duplicate stands far above the rest."""

SCANNED_MAX = 5_000
"""Where no RAM index is, a look-up reads all vectors. With more passages than this it would slow ingest; only
copies are found then, which need no vector."""


async def candidates(
    store: Store,
    collection: str,
    source: str,
    embedded: Embedded,
    similarity_min: float,
    moves: Moves = nobody,
) -> list[Sequence[int]]:
    """For each passage, stored ones that it may be a near-duplicate of. Raises StoreError kinds."""
    width = len(embedded.vectors) // max(1, len(embedded.text_hashes))
    first: dict[bytes, int] = {}
    for at, text_hash in enumerate(embedded.text_hashes):
        first.setdefault(text_hash, at)
    # What is the same has the same neighbours: a long file may say one thing thousands of times.
    different = list(first.items())
    before: Mapping[bytes, int] | None = None
    found: dict[bytes, Sequence[int]] = {}
    for start in range(0, len(different), LOOKUP_VECTORS):
        made_of = [
            (text_hash, embedded.vectors[at * width : (at + 1) * width])
            for text_hash, at in different[start : start + LOOKUP_VECTORS]
        ]
        known = (collection, source) if before is None else before
        before, some = await store.read(_candidates, store.derived, known, made_of, similarity_min)
        found.update(zip((text_hash for text_hash, _ in made_of), some, strict=True))
        moves()
    return [found[text_hash] for text_hash in embedded.text_hashes]


def _candidates(
    db: Connection,
    derived: Derived,
    known: tuple[str, str] | Mapping[bytes, int],
    made_of: Sequence[tuple[bytes, bytes]],
    similarity_min: float,
) -> tuple[Mapping[bytes, int], list[list[int]]]:
    """What the document has now, which the first read of several looks up; and the candidates."""
    before = duplicates.passages_of(db, *known) if isinstance(known, tuple) else known
    return before, duplicates.candidates(db, before, made_of, _way(db, derived), similarity_min)


def _way(db: Connection, derived: Derived) -> Callable[[bytes], Scored]:
    """How the nearest passages of a vector are found: proposed from RAM, or among all of a few, or not."""
    model = identity.fingerprint(db)
    if model is None:
        return _nothing
    index = derived.usable(model)[0]
    if index is not None:
        return partial(_proposed, db, index)
    return partial(_of_all, db) if duplicates.are_few(db, SCANNED_MAX) else _nothing


def _proposed(db: Connection, index: Proposer, vector: bytes) -> Scored:
    proposals = index.propose(vector, PROPOSALS)
    return _scored(vectors.nearest_of(db, vector, duplicates.NEIGHBOURS, proposals))


def _of_all(db: Connection, vector: bytes) -> Scored:
    return _scored(vectors.nearest(db, vector, duplicates.NEIGHBOURS))


def _nothing(_: bytes) -> Scored:
    return []


def _scored(rows: Sequence[tuple[Any, ...]]) -> Scored:
    return [(chunk_id, cosine(distance)) for chunk_id, distance in rows]
