"""The watchdog's hands: each step of the ladder of memory, carried out by the rooms of the house.

It decides nothing, and whatever is asked twice changes nothing the second time.
"""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

from pi_rag.errors import StoreError, TryLater
from pi_rag.host.memory import trim
from pi_rag.ingest.aside import apart
from pi_rag.service.sampling import Known

if TYPE_CHECKING:
    from pi_rag.service.house import House
    from pi_rag.service.meaning import StartedEmbedder


class Relief:
    """Implements watchdog.Hands over a house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def processes(self) -> Known:
        """The supervisor, nurseries and workers, the reading child, and what measures the machine."""
        return self._house.processes()

    @property
    def workers(self) -> int:
        """As the settings have it now, or what was measured best."""
        return self._house.settings.embedder.workers_wanted

    async def shed(self) -> None:
        """Drop answers, vectors of queries and page caches, and give what that frees to the kernel."""
        self._house.results.shed()
        self._house.query.cache.shed()
        with contextlib.suppress(TryLater, StoreError):
            await self._house.store.shed()
        await apart(_give_back)

    def refuse(self, refuse: bool) -> None:
        """Documents, those that are queued too; and a measurement of the machine ends."""
        self._house.runner.refuse(refuse=refuse)
        if refuse and self._house.tuner is not None:
            self._house.tuner.process.kill()

    async def recycle(self, pid: int) -> None:
        """A worker of either pool, or the reading child."""
        if pid == self._house.runner.reader_pid:
            self._house.runner.give_up_reader()
        for pool in self._pools:
            await pool.recycle(pid)

    def hold_to(self, workers: int) -> None:
        """Of each pool."""
        for pool in self._pools:
            pool.hold_to(workers)

    def rest(self, rest: bool) -> None:
        """Both pools, and the reading child."""
        if rest:
            self._house.runner.give_up_reader()
        for pool in self._pools:
            pool.rest(rest=rest)

    @property
    def _pools(self) -> list[StartedEmbedder]:
        return self._house.meaning.pools + self._house.reindexing.pools


def _give_back() -> None:
    gc.collect()
    trim()
