"""The rooms of the running service in one hand, and the truth about how they are."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Literal

from pi_rag import __version__
from pi_rag.answer_cache import AnswerCache
from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import StoreBusy
from pi_rag.host.heat import condition
from pi_rag.host.memory import available_mib, pss_mib
from pi_rag.ingest.runner import Runner
from pi_rag.ingest.watching import Watching
from pi_rag.query import QueryDesk
from pi_rag.service.meaning import Meaning
from pi_rag.service.reindexing import Reindexing
from pi_rag.service.schemas import Readiness
from pi_rag.store import checkup, documents
from pi_rag.store.keeper import Keeper
from pi_rag.store.store import Store
from pi_rag.store.upkeep import Upkeep
from pi_rag.types import Counts, Degraded

State = Literal["starting", "ready", "degraded", "stopping"]


class House:
    """What routes and the supervisor share. It is built once, in `run.py`."""

    def __init__(
        self,
        *,
        settings: Settings,
        store: Store,
        keeper: Keeper,
        meaning: Meaning,
        query: QueryDesk,
        runner: Runner,
        reindexing: Reindexing,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.store = store
        self.keeper = keeper
        self.meaning = meaning
        self.query = query
        self.results = AnswerCache(query, store, settings.cache, clock, available_mib, runner.searched)
        """The same desk, with the answers it has given before."""
        self.upkeep = Upkeep(store, settings.store, clock)
        self.runner = runner
        self.watching = Watching(store, runner, settings, clock)
        self.reindexing = reindexing
        self.proven = False
        """A real embedding, a nearest-neighbour search and a word search have worked."""
        self.stopping = False
        self.waiting = asyncio.Semaphore(settings.service.waiting_max)
        """Places for adds that wait for their job; searches keep the rest of `requests_max`."""
        self.clock = clock
        self._begun_s = clock.monotonic_s()
        self._check: asyncio.Task[list[str]] | None = None

    @property
    def state(self) -> State:
        """One word for how the service is."""
        if self.stopping:
            return "stopping"
        if self.degraded():
            return "degraded"
        return "ready" if self.proven else "starting"

    def degraded(self) -> list[Degraded]:
        """What is missing now. While the first workers still start, nothing is."""
        starting = not self.proven and self.meaning.status()["state"] == "starting"
        return [] if starting else self.meaning.degraded()

    def readiness(self) -> Readiness:
        """Whether an answer would be made from everything."""
        return Readiness(ready=self.state == "ready", state=self.state, degraded=self.degraded())

    async def status(self, *, check: bool = False) -> dict[str, Any]:
        """Everything `pi-rag status` shows. `check` also reads the whole database for damage and orphans."""
        embedder = self.meaning.status()
        processes = _processes(embedder, self.runner.reader_pid) + self.reindexing.processes()
        problems = {"problems": await self._problems()} if check else {}
        return {
            "version": __version__,
            "ready": self.state == "ready",
            "state": self.state,
            "degraded": self.degraded(),
            "uptime_s": round(self.clock.monotonic_s() - self._begun_s, 1),
            "data": str(self.settings.data_path),
            "model": self.meaning.card,
            "embedder": embedder,
            "store": self.store.stats() | {"upkeep": self.upkeep.status()} | problems,
            "index": self.keeper.status(),
            "counts": await self._counts(),
            "ingest": self.runner.status(),
            "watching": self.watching.status(),
            "reindex": await self._reindex(),
            "cache": self.query.cache.status() | {"results": self.results.status()},
            "memory": await asyncio.to_thread(_memory, processes),
            "board": await asyncio.to_thread(condition),
        }

    async def _counts(self) -> Counts | None:
        """How much there is; None when no reader is free, since the status must be told even then."""
        try:
            return await self.store.read(documents.counts)
        except StoreBusy:
            return None

    async def _reindex(self) -> dict[str, Any] | None:
        """How a change of the model is; None when no reader is free."""
        try:
            return await self.reindexing.status()
        except StoreBusy:
            return None

    async def _problems(self) -> list[str]:
        """A check holds a reader for long: there is one at a time, and all who ask meanwhile share it."""
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self.store.read(checkup.check), name="check")
        return await asyncio.shield(self._check)


def _processes(embedder: dict[str, Any], reader_pid: int | None) -> list[tuple[int, str]]:
    found = [(os.getpid(), "supervisor"), (embedder["nursery_pid"], "nursery"), (reader_pid, "reader")]
    found += [(worker["pid"], "worker") for worker in embedder["workers"]]
    return [(pid, role) for pid, role in found if pid]


def _memory(processes: list[tuple[int, str]]) -> dict[str, Any]:
    """Proportional set size of every process of the service, in MiB."""
    sizes = [(pid, role, pss_mib(pid)) for pid, role in processes]
    return {
        "pss_mib_total": round(sum(size or 0 for _, _, size in sizes), 1),
        "processes": [{"pid": pid, "role": role, "pss_mib": size} for pid, role, size in sizes],
    }
