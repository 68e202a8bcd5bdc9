"""Our own store as a child process that speaks the peers' orders: `python -m benchmarks.searching.own`.

Vectors go in as documents with short texts, through the function that ingest ends with, and come back through
the one that a search calls for its vector stage, on a reader of the open store. So a build has rows, words
and vectors in it, and an insert is a commit that has reached the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.searching.orders import Rows, answer_orders

T = TypeVar("T")


class OwnStore:
    """An open store. Options: the settings of its index."""

    about = "pi_rag"

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        # Here and not above, so that what the project itself takes is counted as the peers' libraries are.
        from pi_rag.clock import SystemClock
        from pi_rag.config import StoreSettings
        from pi_rag.store.store import Store

        self._loop = asyncio.new_event_loop()
        self._store = Store.open(folder / "store.db", StoreSettings(), SystemClock())

    def build(self, vectors: Rows) -> None:
        """As documents of twenty passages, many in a transaction."""
        from benchmarks.searching import filling

        self._run(filling.fill(self._store, vectors, 0, filling.made_up(vectors.shape[1])))

    def load(self) -> None:
        """It is open."""

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """As the desk of queries asks."""
        from pi_rag.store import search
        from pi_rag.types import Scope

        found = self._run(self._store.read(search.by_vector, query.tobytes(), k, Scope()))
        return [chunk_id - 1 for chunk_id, _ in found]

    def insert(self, first: int, vectors: Rows) -> None:
        """One transaction of several documents."""
        from benchmarks.searching import filling

        self._run(filling.add(self._store, vectors, first))

    def close(self) -> None:
        """As the service does when it stops."""
        self._run(self._store.close())
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)


if __name__ == "__main__":
    answer_orders({"store": OwnStore})
