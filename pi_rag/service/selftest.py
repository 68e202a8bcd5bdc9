"""The proof that the service is usable: one real embedding, one nearest-neighbour search, one word search.

Importing a library proves nothing: a wheel for the wrong processor imports well and fails at the first query.
"""

from __future__ import annotations

from pi_rag.service.meaning import Meaning
from pi_rag.store import by_words, nearest
from pi_rag.store.store import Store
from pi_rag.types import Scope

SENTENCE = "The lamp in the kitchen is on."


async def prove_words(store: Store) -> None:
    """A word search through FTS5. Raises StoreError and its kinds."""
    await store.read(by_words.by_words, SENTENCE, 1, Scope(), 1.0, 1.0)


async def prove_meaning(store: Store, meaning: Meaning, deadline_s: float) -> None:
    """A real vector, searched for as any query's is. Raises TryLater, ModelError and StoreError kinds.

    Through the RAM index where there is one: to read a million vectors from a card would hold READY up.
    """
    vectors = await meaning.embedder.embed([SENTENCE], lane="query", deadline_s=deadline_s)
    await store.read(nearest.nearest, store.derived, vectors[0].tobytes(), 1, Scope())
    store.derived.take_asked()  # nobody asked it: what it finds says nothing of recall
