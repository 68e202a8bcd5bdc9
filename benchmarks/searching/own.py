"""Our own store as a child process that speaks the peers' orders: `python -m benchmarks.searching.own`.

Vectors go in as documents with short texts, through the function that ingest ends with. They come back
through the one that a search calls for its vector stage: in a transaction on a reader, as in the service, but
in the thread that asks, as the others are asked. So a build has rows, words and vectors in it, and an insert
is a commit that has reached the disk.
"""

from __future__ import annotations

import asyncio
import functools
import json
import shutil
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.searching.orders import Rows, answer_orders

T = TypeVar("T")


class OwnStore:
    """A store. Options: settings of its index; texts: a JSON file of them for the passages; derived: False
    takes the snapshot of the index away first."""

    about = "pi_rag"

    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        # Here and not above, so that what the project itself takes is counted as the peers' libraries are.
        from pi_rag.config import IndexSettings
        from pi_rag.store.store import Store

        settings = {**options}
        if not settings.pop("derived", True):
            shutil.rmtree(folder / "index", ignore_errors=True)
        self._texts_path = settings.pop("texts", None)
        self._opened, self._path = Store.open, folder / "store.db"
        # A look at what the index misses would be in the time of some search.
        self._settings = IndexSettings(recall_s_between=0, **settings)
        self._loop = asyncio.new_event_loop()

    def build(self, vectors: Rows) -> None:
        """As documents, many in a transaction; then the index, as the service makes it."""
        from benchmarks.searching import filling

        self._open()
        fingerprint = filling.made_up(vectors.shape[1])
        self._run(filling.fill(self._store, vectors, 0, fingerprint, self._texts))
        self._run(self._kept())

    def load(self) -> None:
        """Until a search is answered from the index."""
        self._open()
        self._run(self._kept())

    def search(self, query: Rows, k: int) -> Sequence[int]:
        """As the story of a search asks."""
        from pi_rag.store.nearest import nearest
        from pi_rag.types import Scope

        self._reader.execute("BEGIN")
        found = nearest(self._reader, self._store.derived, query.tobytes(), k, Scope()).found
        self._reader.execute("ROLLBACK")
        return [chunk_id - 1 for chunk_id, _ in found]

    def insert(self, first: int, vectors: Rows) -> None:
        """One transaction of documents of twenty passages."""
        from benchmarks.searching import filling

        self._run(filling.add(self._store, vectors, first, self._texts))

    def close(self) -> None:
        """As the service does when it stops."""
        self._run(self._closed())
        self._loop.close()

    def _open(self) -> None:
        from pi_rag.clock import SystemClock
        from pi_rag.config import StoreSettings
        from pi_rag.store import connection
        from pi_rag.store.keeper import Keeper

        clock = SystemClock()
        self._store = self._opened(self._path, StoreSettings(), clock, self._settings)
        self._reader = connection.open_reader(self._path, StoreSettings())
        self._keeper = Keeper(self._store, clock)

    async def _kept(self) -> None:
        """What is due of the index is done now; then it is looked after as in the service."""
        while await self._keeper.look() != "nothing":
            pass
        self._keeper.start()

    async def _closed(self) -> None:
        await self._keeper.stop()
        self._reader.close()
        await self._store.close()

    @functools.cached_property
    def _texts(self) -> Sequence[str]:
        """Read when they are first needed, which is not before the RAM has been weighed."""
        if self._texts_path is None:
            return ()
        found: list[str] = json.loads(Path(self._texts_path).read_text(encoding="utf-8"))
        return found

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)


if __name__ == "__main__":
    answer_orders({"store": OwnStore})
