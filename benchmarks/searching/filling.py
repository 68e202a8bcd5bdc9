"""A store filled with ready vectors, through the same function that ingest ends with. No model is needed.

Passages get the numbers from 1 in the order of their vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pi_rag.ingest.cutting import text_hash
from pi_rag.store import Connection, documents, identity
from pi_rag.store.store import Store
from pi_rag.types import Chunk, Fingerprint, NewDocument

if TYPE_CHECKING:
    from pi_rag.types import Vectors

PASSAGES = 20
"""Of each document."""
DOCUMENTS = 50
"""Of each transaction, when a store is filled."""


def made_up(dimensions: int) -> Fingerprint:
    """Of a model that nobody has, for a store that no service will open."""
    return Fingerprint("none", "0" * 64, "mean", "", dimensions, 1)


async def fill(
    store: Store, vectors: Vectors, first: int, fingerprint: Fingerprint, texts: Sequence[str] = ()
) -> None:
    """Add all rows, the first of which is number `first` from 0, as documents in large transactions.

    Passages get `texts` in turn; without them, a short one.
    """
    await store.write(identity.claim_fingerprint, fingerprint)
    step = PASSAGES * DOCUMENTS
    for at in range(0, len(vectors), step):
        await add(store, vectors[at : at + step], first + at, texts)


async def add(store: Store, vectors: Vectors, first: int, texts: Sequence[str] = ()) -> None:
    """The same in one transaction."""

    def put(db: Connection) -> None:
        for at in range(0, len(vectors), PASSAGES):
            _put(db, vectors[at : at + PASSAGES], first + at, texts)

    await store.write(put)


def _put(db: Connection, vectors: Vectors, first: int, texts: Sequence[str]) -> None:
    bodies = [
        texts[(first + at) % len(texts)] if texts else f"passage {first + at}" for at in range(len(vectors))
    ]
    chunks, offset = [], 0
    for seq, body in enumerate(bodies):
        chunks.append(Chunk(seq, offset, offset + len(body), body, "", None, len(body.split())))
        offset += len(body) + 1
    text, name = "\n".join(bodies), f"{first}.txt"
    document = NewDocument("benchmark", name, name, "text", text, str(first), {})
    made_of = [text_hash(body) for body in bodies]
    documents.put(db, document, chunks, vectors.astype("<f4").tobytes(), 0.0, made_of)
