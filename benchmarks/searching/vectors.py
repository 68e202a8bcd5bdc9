"""Vectors of a real distribution, as many as asked for, and real queries. Made once, kept in `.cache/search`.

The first rows are the vectors of the retrieval sets' own documents. The others are copies of these, mixed
with a near neighbour and perturbed along the difference of two other documents, so that they lie where real
texts do: x' = a x_i + (1 - a) x_j + s (x_p - x_q), brought to unit length. No row is there twice.

It knows our embedder, and nothing of indexes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.environment import CACHE
from benchmarks.model import benchmark_model
from benchmarks.sets import load
from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder.pool import Pool

if TYPE_CHECKING:
    from pi_rag.types import Vectors

KEPT = CACHE / "search"
SETS = ("scifact", "cosqa_dev", "lihua_world")
CHARS = 1200
"""Of each document, which is more than the model's window of 256 tokens mostly holds."""
NEIGHBOURS = 20
"""Among how many nearest documents the one to mix with is drawn."""
SHARE_MIN = 0.5
"""The least share `a` of a copy's own document; the most is 1."""
PERTURBATION = 0.3
"""The `s` of a copy. A difference of two documents is some 1.4 long: the copy's cosine to its mixture is
about 0.92, so that hardly any copy counts as a near-duplicate."""
BLOCK = 10_000
REQUEST = 8
"""Texts of a request, and requests under way."""


def real(root: Path) -> tuple[Vectors, Vectors]:
    """(documents, queries) of the retrieval sets, unit vectors. The first call embeds them: some minutes."""
    passages, queries = KEPT / "passages.npy", KEPT / "queries.npy"
    if not passages.exists() or not queries.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        sets = [load(root / name) for name in SETS]
        texts = [f"{title}\n{text}"[:CHARS] for data in sets for title, text in data.corpus.values()]
        asked = [query for data in sets for query in data.queries.values()]
        np.save(queries, asyncio.run(_embedded(asked)))
        np.save(passages, asyncio.run(_embedded(texts)))
    return np.load(passages), np.load(queries)


async def _embedded(texts: Sequence[str]) -> Vectors:
    pool = Pool(benchmark_model(), EmbedderSettings(), SystemClock())
    await pool.start()
    under_way = asyncio.Semaphore(REQUEST)

    async def part(some: Sequence[str]) -> Vectors:
        async with under_way:
            return await pool.embed(some, lane="ingest", deadline_s=3600)

    try:
        parts = (texts[at : at + REQUEST] for at in range(0, len(texts), REQUEST))
        return np.concatenate(await asyncio.gather(*(part(some) for some in parts)))
    finally:
        await pool.stop()


def extended(base: Vectors, rows: int, folder: Path = KEPT) -> Path:
    """The file (.npy, float32) of at least so many rows: those of `base`, then its copies. Kept in `folder`.

    A row depends on its number alone, so that the first rows are the same at every size.
    """
    kept = sorted(folder.glob("extended-*.npy"), key=lambda path: int(path.stem.split("-")[1]))
    enough = [path for path in kept if int(path.stem.split("-")[1]) >= rows]
    return enough[0] if enough else _written(base, rows, folder)


def _written(base: Vectors, rows: int, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path, partial = folder / f"extended-{rows}.npy", folder / "partial.npy"
    base = np.random.default_rng(0).permutation(np.unique(base, axis=0))
    file = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=(rows, base.shape[1]))
    near = neighbours(base)
    file[: len(base)] = base[:rows]
    for at in range(0, max(rows - len(base), 0), BLOCK):
        block = copies(base, near, np.random.default_rng(at + 1))
        begin = len(base) + at
        file[begin : begin + BLOCK] = block[: rows - begin]
    file.flush()
    return partial.rename(path)


def neighbours(base: Vectors) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    """The nearest other rows of each row, shape (rows, NEIGHBOURS), in no order."""
    count = min(NEIGHBOURS, len(base) - 1)
    found = np.empty((len(base), count), dtype=np.intp)
    for at in range(0, len(base), 1000):
        near = base[at : at + 1000] @ base.T
        near[np.arange(len(near)), np.arange(at, at + len(near))] = -2.0
        found[at : at + 1000] = np.argpartition(-near, count - 1, axis=1)[:, :count]
    return found


def copies(
    base: Vectors, near: np.ndarray[tuple[int, int], np.dtype[np.intp]], dice: np.random.Generator
) -> Vectors:
    """BLOCK new unit vectors, as the module's docstring says."""
    own, first, second = dice.integers(len(base), size=(3, BLOCK))
    other = near[own, dice.integers(near.shape[1], size=BLOCK)]
    share = dice.uniform(SHARE_MIN, 1.0, size=(BLOCK, 1)).astype(np.float32)
    mixed = share * base[own] + (1 - share) * base[other] + PERTURBATION * (base[first] - base[second])
    unit: Vectors = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return unit


def nearest(vectors: Vectors, queries: Vectors, k: int) -> list[list[int]]:
    """The numbers of the k rows nearest to each query: the truth, by exact float32 products."""
    best = np.full((len(queries), k), -2.0, dtype=np.float32)
    numbers = np.zeros((len(queries), k), dtype=np.int64)
    for at in range(0, len(vectors), BLOCK):
        block = queries @ np.asarray(vectors[at : at + BLOCK]).T
        own = np.broadcast_to(np.arange(at, at + block.shape[1]), block.shape)
        scores, known = np.concatenate([best, block], axis=1), np.concatenate([numbers, own], axis=1)
        chosen = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best, numbers = np.take_along_axis(scores, chosen, 1), np.take_along_axis(known, chosen, 1)
    return [[int(each) for each in row] for row in numbers]
