"""What a document may repeat is looked for between its embedding and its transaction.

A few passages at a time, so that no reader of the database is held long. It decides nothing: what is found is
measured again in the transaction (`store/duplicates.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from pi_rag.ingest.cutting import Embedded
from pi_rag.store import duplicates
from pi_rag.store.store import Store

LOOKUP_VECTORS = 8
"""Passages that are looked for in one read. Without an index in RAM each reads all vectors."""


async def candidates(
    store: Store, collection: str, source: str, embedded: Embedded, similarity_min: float
) -> list[Sequence[int]]:
    """For each passage, stored ones that it may be a near-duplicate of. Raises StoreError kinds."""
    count = len(embedded.text_hashes)
    width = len(embedded.vectors) // max(1, count)
    before = await store.read(duplicates.passages_of, collection, source)
    found: list[Sequence[int]] = []
    for start in range(0, count, LOOKUP_VECTORS):
        made_of = [
            (embedded.text_hashes[at], embedded.vectors[at * width : (at + 1) * width])
            for at in range(start, min(start + LOOKUP_VECTORS, count))
        ]
        found += await store.read(duplicates.candidates, before, made_of, similarity_min)
    return found
