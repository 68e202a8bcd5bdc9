"""A store with a RAM index and many passages, in clusters as texts have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from pi_rag.clock import SystemClock
from pi_rag.config import IndexSettings, StoreSettings
from pi_rag.store import Connection, identity, vectors
from pi_rag.store.rows import Row
from pi_rag.store.store import Store
from tests.store.making import FINGERPRINT, put

SETTINGS = IndexSettings(exact_passages_max=20, proposals_extra=20, recall_s_between=0.0)

Rows = npt.NDArray[np.float32]


def rows_of(count: int, seed: int) -> Rows:
    """Shape (count, 8): unit vectors."""
    raw = np.random.default_rng(seed).standard_normal((count, 8))
    made: Rows = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype("<f4")
    return made


def put_many(db: Connection, source: str, count: int, seed: int, collection: str = "default") -> int:
    """A document of so many passages."""
    texts = [f"{source} {number}" for number in range(count)]
    return put(db, source, texts, vectors=rows_of(count, seed).tobytes(), collection=collection)


def opened(path: Path, settings: IndexSettings = SETTINGS) -> Store:
    """A store that may have an index."""
    return Store.open(path, StoreSettings(), SystemClock(), settings)


async def filled(path: Path, settings: IndexSettings = SETTINGS, passages: int = 300) -> Store:
    """One with a document `first` of so many passages."""
    store = opened(path, settings)
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    await store.write(put_many, "first", passages, 1)
    return store


async def truly_nearest(store: Store, vector: bytes, k: int) -> list[Row]:
    """By comparing all."""
    return await store.read(vectors.nearest, vector, k)
