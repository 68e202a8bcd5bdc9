"""A graph of neighbours (HNSW) by usearch: for those with RAM to spend and few changes.

Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
Small World graphs", 2018. Vectors are kept as int8 beside the graph. This is the only file that knows
usearch, which is an extra: `pip install 'pi-rag[hnsw]'`.

Its file is read into RAM and not mapped: a read error of a worn card under a map ends the process.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pi_rag.index.proposer import SnapshotUnusable

CONNECTIVITY = 16
EXPANSION_ADD = 200
EXPANSION_SEARCH = 100
"""M, efConstruction and efSearch of the paper."""


class Graph:
    """An HNSW graph over int8 vectors."""

    breadth = 4
    """200 proposals have 0.996 of the nearest ten of 100,000."""

    def __init__(self, dimensions: int) -> None:
        from usearch.index import Index  # an extra: only who chooses this kind needs it

        self._dimensions = dimensions
        self._graph = Index(
            ndim=dimensions,
            metric="cos",
            dtype="i8",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            expansion_search=EXPANSION_SEARCH,
        )
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._graph)

    @property
    def bytes_used(self) -> int:
        """RAM of vectors and edges, as the library counts them."""
        return int(self._graph.memory_usage)

    def add(self, ids: Sequence[int], vectors: bytes) -> None:
        """Learn passages, one row of `vectors` each."""
        if len(ids):
            with self._lock:
                self._graph.add(np.asarray(ids, np.uint64), self._rows(vectors), threads=1)

    def remove(self, ids: Sequence[int]) -> None:
        """Forget passages; the graph keeps their places for later ones."""
        with self._lock:
            for each in ids:
                if each in self._graph:
                    self._graph.remove(each)

    def propose(self, vector: bytes, count: int, within: Sequence[int] | None = None) -> list[int]:
        """Up to `count` passages that seem nearest. Within a choice, all of it is compared."""
        with self._lock:
            if within is not None:
                return self._compared(vector, count, within)
            if not len(self):
                return []
            found: list[int] = self._graph.search(self._rows(vector)[0], count, threads=1).keys.tolist()
        return found

    def save(self, folder: Path) -> None:
        """Write the graph."""
        with self._lock:
            self._graph.save(str(folder / "graph"))

    def load(self, folder: Path) -> None:
        """Become what was saved. Raises SnapshotUnusable."""
        try:
            self._graph.load(str(folder / "graph"))
        except Exception as error:  # the library raises RuntimeError and others for what it cannot read
            raise SnapshotUnusable(str(error)) from error
        if self._graph.ndim != self._dimensions:
            raise SnapshotUnusable("it is of another width")

    def _compared(self, vector: bytes, count: int, within: Sequence[int]) -> list[int]:
        known = [each for each in within if each in self._graph]
        if not known:
            return []
        rows = np.asarray(self._graph.get(np.asarray(known, np.uint64)), np.float32)
        best = np.argsort(-(rows @ self._rows(vector)[0]), kind="stable")[:count]
        return [known[place] for place in best.tolist()]

    def _rows(self, vectors: bytes) -> npt.NDArray[np.float32]:
        return np.frombuffer(vectors, "<f4").reshape(-1, self._dimensions)
