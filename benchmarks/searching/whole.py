"""A real service over a filled database, asked at its socket: one client at a time, then twenty at once.

It knows the client and the bare engine, whose time a search is compared with.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.searching import filling
from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings, StoreSettings
from pi_rag.embedder.engine import Engine
from pi_rag.embedder.llama import Model
from pi_rag.errors import PiRagError
from pi_rag.service.meaning import fingerprint
from pi_rag.store.store import Store
from pi_rag.store.upkeep import SPREAD_MAX
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard

if TYPE_CHECKING:
    from pi_rag.types import Vectors

CLIENTS = 20
SETTLED_S_MAX = 120.0
STAGES = ("embed", "vector", "text", "fuse", "read", "total")

Asked = Callable[[str], Mapping[str, Any]]


def prepare(folder: Path, vectors: Vectors, texts: Sequence[str], card: ModelCard) -> None:
    """A database that a service with this model opens as its own."""
    database = folder / "data" / "pi-rag.db"

    async def filled() -> None:
        store = Store.open(database, StoreSettings(), SystemClock())
        await filling.fill(store, vectors, 0, fingerprint(card), texts)
        await store.close()

    database.parent.mkdir(parents=True)
    asyncio.run(filled())


def service(folder: Path, card: ModelCard, *, keeps_answers: bool) -> RunningService:
    """A service over that folder. Where it keeps answers, many a search is none."""
    environ = {} if keeps_answers else {"PI_RAG_CACHE_RESULTS_MAX": "0"}
    return RunningService(folder, {"PI_RAG_MODEL": card.path, **environ})


def wait_until_settled(running: RunningService, passages: int) -> None:
    """Until the RAM index has every passage, and the words of what was just stored lie as they do at rest.

    Raises RuntimeError when it does not come to that.
    """
    end_s = time.monotonic() + SETTLED_S_MAX
    while not _is_settled(running.client.status(), passages):
        if time.monotonic() > end_s:
            raise RuntimeError(f"It is not settled after {SETTLED_S_MAX:.0f} s:\n{running.log_text()}")
        time.sleep(0.1)


def _is_settled(status: Mapping[str, Any], passages: int) -> bool:
    spread = status["store"]["upkeep"].get("words_spread", 1.0)
    return bool(status["index"]["passages"] >= passages and spread <= SPREAD_MAX)


@dataclass
class Times:
    """Milliseconds of many searches."""

    ms: list[float] = field(default_factory=list)
    errors: int = 0
    degraded: int = 0

    def percentile(self, percent: int) -> float:
        """The value below which so many of a hundred lie."""
        return float(np.percentile(self.ms, percent))

    def ask(self, search: Asked, query: str) -> Mapping[str, Any]:
        """One search, timed. An error is counted."""
        begun_s = time.perf_counter()
        try:
            answer = search(query)
        except PiRagError:
            self.errors += 1
            return {}
        self.ms.append((time.perf_counter() - begun_s) * 1000)
        self.degraded += bool(answer["degraded"])
        return answer


def cached(search: Asked, queries: Sequence[str]) -> tuple[Times, dict[str, float]]:
    """(times, medians of the service's own stages) of searches whose vectors are known."""
    for query in queries:
        search(query)
    times, stages = Times(), []
    for query in queries:
        answer = times.ask(search, query)
        stages.append(answer["took_ms"])
    return times, {name: median(each.get(name, 0.0) for each in stages) for name in STAGES}


def uncached(search: Asked, queries: Sequence[str], card: ModelCard) -> tuple[Times, float]:
    """(times of searches never asked before, milliseconds of the bare engine for the same texts), in turn."""
    model = Model.load(card.path)
    engine = Engine(model, EmbedderSettings().tokens_max)
    times, bare_ms = Times(), []
    try:
        engine.embed(queries[:1])
        for query in queries:
            begun_s = time.perf_counter()
            engine.embed([card.query_prefix + query])
            bare_ms.append((time.perf_counter() - begun_s) * 1000)
            times.ask(search, query)
    finally:
        engine.close()
        model.close()
    return times, median(bare_ms)


def crowd(search: Asked, queries: Iterator[str], seconds: float) -> Times:
    """CLIENTS at once, each asking the next as soon as it has its answer."""
    times, end_s, lock = Times(), time.monotonic() + seconds, threading.Lock()

    def client() -> None:
        while time.monotonic() < end_s:
            with lock:
                query = next(queries)
            times.ask(search, query)

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def never_asked(queries: Sequence[str]) -> Iterator[str]:
    """Questions without end, no two alike."""
    return (f"{query} {number}" for number in itertools.count() for query in queries)
