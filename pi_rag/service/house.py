"""The rooms of the running service in one hand, and the truth about how they are."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

from pi_rag import __version__, log
from pi_rag.answer_cache import AnswerCache
from pi_rag.budget import TUNER, Step
from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import StoreError, TryLater
from pi_rag.host.heat import condition
from pi_rag.ingest.aside import apart
from pi_rag.ingest.runner import Runner
from pi_rag.ingest.watching import Watching
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory.filling import Filling
from pi_rag.memory.means import Maker, Means
from pi_rag.processes.child import Child
from pi_rag.query import QueryDesk
from pi_rag.service.agents.door import Door
from pi_rag.service.alerting import Alarms
from pi_rag.service.backing_up import BackingUp
from pi_rag.service.degraded import IN_ANSWERS, Facts, lacking
from pi_rag.service.health import Beats
from pi_rag.service.meaning import Meaning
from pi_rag.service.metrics import Metrics
from pi_rag.service.minutes import Minutes
from pi_rag.service.peers import Administration
from pi_rag.service.reindexing import Reindexing
from pi_rag.service.relief import Relief
from pi_rag.service.schemas import Readiness
from pi_rag.service.sizing import Sized
from pi_rag.service.tally import Tally
from pi_rag.service.watchdog import Watchdog
from pi_rag.service.written import Written
from pi_rag.store import checkup
from pi_rag.store.keeper import Keeper
from pi_rag.store.store import Store
from pi_rag.store.upkeep import Upkeep
from pi_rag.types import Degraded

SLOW_DISK_S = 60.0
"""How long a line of the metrics file, or a look at the free space, may wait for the disk beyond its turn."""

TOLD_S_MAX = 5.0
"""How long the status waits for the database. What it has not told by then is not known."""

State = Literal["starting", "ready", "degraded", "stopping"]


class House:
    """What routes and the supervisor share. It is built once, in `serving.py`."""

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
        watchdog: Watchdog,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.sized = Sized(settings, settings)
        """What became of the settings, to fit into the budget."""
        self.store = store
        self.keeper = keeper
        self.meaning = meaning
        self.query = query
        self.results = AnswerCache(
            query, store, settings.cache, clock, watchdog.available_mib, runner.searched
        )
        """The same desk, with the answers it has given before."""
        self.backing_up = BackingUp(store, settings, clock, runner.disk, lambda: self.sized.as_set)
        self.upkeep = Upkeep(store, settings.store, clock)
        self.administration = Administration(settings.service.admin_group)
        self.runner = runner
        self.watchdog = watchdog
        watchdog.use(Relief(self))
        self.watching = Watching(store, runner, settings, clock)
        self.reindexing = reindexing
        self.tuner: Child | None = None
        """The process that measures the machine, while it does."""
        self.proven = False
        """A real embedding, a nearest-neighbour search and a word search have worked."""
        self.stopping = False
        self.waiting = asyncio.Semaphore(settings.service.waiting_max)
        """Places for adds that wait for their job; searches keep the rest of `requests_max`."""
        self.clock = clock
        self.memory = MemoryDesk(self._means())
        """What agents keep; not RAM."""
        self.filling = Filling(lambda: self.memory.means, settings.embedder.ingest_s_max)
        self.tally = Tally(store, TOLD_S_MAX)
        self.agents = Door(self)
        self.metrics = Metrics(clock)
        runner.tell_times(self.metrics.ingested)
        self._written = Written()
        self.minutes = Minutes(settings.metrics_path, settings.metrics, clock, self.minute)
        watchdog.listen(lambda taken: self.minutes.event(taken.event, asdict(taken)))
        self.beats = Beats(clock)
        """Signs of life of every loop."""
        self.alarms = Alarms(self)
        self._expect_beats()
        self.unproven_by: str | None = None
        """The code of the error that the proof at the start ended with last."""
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

    @property
    def ready(self) -> bool:
        """Whether an answer would be made from everything. What only adding lacks does not count."""
        lacks = IN_ANSWERS.intersection(self.degraded())
        return self.proven and not lacks and not self.stopping

    def degraded(self) -> list[Degraded]:
        """What is missing now. While the first workers still start, they are not."""
        starting = not self.proven and self.meaning.status()["state"] == "starting"
        return lacking(
            Facts(
                meaning=() if starting else self.meaning.degraded(),
                silent=self.beats.silent(),
                hindered_by=(*self.runner.hindrances, self.unproven_by, self.store.held_up_by),
                is_read_only=self.store.is_read_only,
                is_damaged=self.store.is_damaged,
                disk_free_mib=self.alarms.disk_free_mib,
                sheds_memory=self.watchdog.step > Step.NORMAL,
                refuses_ingest=self.watchdog.step >= Step.REFUSE,
            )
        )

    def readiness(self) -> Readiness:
        """Whether an answer would be made from everything, and what is missing."""
        return Readiness(ready=self.ready, state=self.state, degraded=self.degraded())

    def _means(self) -> Means:
        """What memory is kept and recalled with."""
        wait_s_max = self.settings.embedder.query_s_max
        shared = (self.store, self.query.cache, self.results.search, self._maker)
        return Means(*shared, self.settings.remember, wait_s_max, self.clock)

    def _maker(self) -> Maker:
        """What makes vectors just now, and what queries are met with."""
        return Maker(
            self.meaning.embedder, self.query.made_by, self.query.query_prefix, self.meaning.tokens_max
        )

    def _expect_beats(self) -> None:
        """Every loop that looks after something says that it works. Those of the heart are its own."""
        health, expect = self.settings.health, self.beats.expect
        self.store.beat_with(
            writer=expect("writer", health.writer_silence_s_max),
            readers=expect("readers", health.readers_silence_s_max),
        )
        self.runner.beat = expect("ingest", health.ingest_silence_s_max)
        self.watching.expect = partial(expect, silence_s_max=health.watching_silence_s_max)
        self.watching.forget = self.beats.forget
        self.minutes.beat = expect("metrics", 2 * self.settings.metrics.line_s + SLOW_DISK_S)
        self.alarms.beat = expect("alerts", 2 * self.settings.alerts.look_s + SLOW_DISK_S)
        self.keeper.beat = expect("index", health.index_silence_s_max)
        self.upkeep.beat = expect("upkeep", health.upkeep_silence_s_max)
        self.filling.beat = expect("filling", health.filling_silence_s_max)
        # There is nothing to look after while it is off, or no model makes vectors.
        self.query.cache.beat = expect("queries", health.queries_silence_s_max, from_first=True)
        self.results.beat = expect("answers", health.answers_silence_s_max)
        self.watchdog.beat = expect("memory", health.memory_silence_s_max)

    async def status(self, *, check: bool = False, well: bool = True) -> dict[str, Any]:
        """Everything `pi-rag status` shows. `check` also reads the whole database for damage and orphans; not
        `well`, memory is told as the watchdog knows it and not measured for this.
        """
        problems = {"problems": await self.problems()} if check else {}
        tally = await self.tally.now()
        waited_for = {
            "counts": tally.counts if tally else None,
            "jobs": tally.jobs if tally else None,
            "remembered": (tally.remembered if tally else {}) | self.filling.status(),
            "reindex": await self._reindex(),
            "memory": await self.watchdog.status(well=well) | self.sized.told(),
            "board": await apart(condition),
        }
        # Nothing is waited for from here on, so that all that is counted is of one moment.
        return waited_for | {
            "version": __version__,
            "ready": self.ready,
            "state": self.state,
            "degraded": self.degraded(),
            "uptime_s": round(self.clock.monotonic_s() - self._begun_s, 1),
            "data": str(self.settings.data_path),
            "model": self.meaning.card,
            "embedder": self.meaning.status(),
            "store": self.store.stats() | {"upkeep": self.upkeep.status()} | problems,
            "index": self.keeper.status(),
            "searches": self.metrics.searches(),
            "io": {"written_bytes": self._written.bytes(pid for pid, _ in self.processes())},
            "log": log.dropped(),
            "alerts": self.alarms.status(),
            "alert_names": list(self.alarms.names),
            "loops": self.beats.status(),
            "ingest": self.runner.status(),
            "watching": self.watching.status(),
            "cache": self.query.cache.status() | {"results": self.results.status()},
        }

    def processes(self) -> list[tuple[int, str]]:
        """Every process of the service that is known by name, and what it is for."""
        embedder = self.meaning.status()
        found = [(os.getpid(), "supervisor"), (embedder["nursery_pid"], "nursery")]
        found += [(worker["pid"], "worker") for worker in embedder["workers"]]
        found += [(self.runner.reader_pid, "reader"), (self.tuner.pid if self.tuner else None, TUNER)]
        return [(pid, role) for pid, role in found if pid] + self.reindexing.processes()

    async def minute(self) -> dict[str, Any]:
        """The status for a line of the metrics file, which must not cost a house at rest its rest."""
        told = await self.status(well=False)
        return told | {"searches": self.metrics.searches(self.settings.metrics.line_s)}

    async def _reindex(self) -> dict[str, Any] | None:
        """How a change of the model is; None when the database does not tell in time."""
        try:
            async with asyncio.timeout(TOLD_S_MAX):
                return await self.reindexing.status()
        except (TryLater, StoreError, TimeoutError):
            return None

    async def problems(self) -> list[str]:
        """A check reads for long: there is one at a time, and all who ask meanwhile share it."""
        if self._check is None or self._check.done():
            check = self.store.aside(lambda reading: checkup.check(reading.db))
            self._check = asyncio.create_task(check, name="check")
        return await asyncio.shield(self._check)
