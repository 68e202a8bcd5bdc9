"""A service that starts with a long queue: it is ready soon, stays small, and answers meanwhile.

`pytest --long -s tests/stress/test_full_queue.py` queues 10,000 jobs; its figures are printed.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.store import Connection, jobs
from pi_rag.store.store import Store
from pi_rag.stress.running import RunningService
from pi_rag.stress.workload import marker
from pi_rag.types import ModelCard, NewItem
from tests.stress import truth

pytestmark = [pytest.mark.model, pytest.mark.slow]

JOBS, JOBS_LONG = 1_000, 10_000
FINISHED = 10
"""So many are waited for: that shows that the queue moves, and the first of them can be found."""

GROWTH_MIB_MAX = 24
"""A queue lies on the disk: with a long one the supervisor takes hardly more than with a short one. The other
processes do not see the queue, and the peak of a worker that has just been born may fall into either run."""


@dataclass(frozen=True)
class Seen:
    """A start with a queue, until the first `FINISHED` documents are there."""

    ready_s: float
    mib_max: float
    searches: int
    search_s_max: float

    def __str__(self) -> str:
        return (
            f"READY after {self.ready_s:.2f} s, supervisor {self.mib_max:.0f} MiB at most, "
            f"{self.searches} searches meanwhile, the slowest {self.search_s_max * 1000:.0f} ms"
        )


def test_a_long_queue_holds_up_neither_the_start_nor_a_search(
    tmp_path: Path, minilm: ModelCard, long_form: bool
) -> None:
    """Every job of before is there, first come first served; searches are answered while it is worked off,
    from the first moment on; and the service is no larger for it.
    """
    count = JOBS_LONG if long_form else JOBS
    short = _seen(tmp_path / "short", minilm, FINISHED)
    long = _seen(tmp_path / "long", minilm, count)
    print(f"\n{FINISHED} jobs queued: {short}\n{count} jobs queued: {long}")

    assert long.searches
    assert 0 < long.mib_max < short.mib_max + GROWTH_MIB_MAX
    assert truth.violations(tmp_path / "long" / "data" / "pi-rag.db", ["note-0.txt"]) == []


def _seen(folder: Path, model: ModelCard, count: int) -> Seen:
    """Queue so many jobs, each of one document, start the service, and ask it all along."""
    (folder / "data").mkdir(parents=True)
    asyncio.run(_queued(folder / "data" / "pi-rag.db", count))
    begun_s = time.monotonic()
    with RunningService(folder, {"PI_RAG_MODEL": model.path}) as service:
        ready_s = time.monotonic() - begun_s
        mib, took_s = [0.0], [0.0]
        while (status := service.client.status())["counts"]["documents"] < FINISHED:
            mib.append(_supervisor_mib(status))
            asked_s = time.monotonic()
            answer = service.client.search(f"who has painted fence {len(mib)}")
            took_s.append(time.monotonic() - asked_s)
            assert not answer["degraded"]
        assert status["counts"]["documents"] + status["counts"]["items_queued"] == count
        hits = service.client.search(marker(count, 0), mode="text")["hits"]
        assert [hit["source"] for hit in hits] == ["note-0.txt"]
    return Seen(ready_s, max(mib), len(took_s) - 1, max(took_s))


def _supervisor_mib(status: dict[str, Any]) -> float:
    """What the supervisor takes at the watchdog's last look, in MiB; 0 before its first."""
    found = [taken["pss_mib"] for taken in status["memory"]["processes"] if taken["role"] == "supervisor"]
    return float(sum(found))


async def _queued(database: Path, count: int) -> None:
    store = Store.open(database, StoreSettings(), SystemClock())
    await store.write(_queue, count)
    assert await store.close()


def _queue(db: Connection, count: int) -> None:
    for number in range(count):
        text = f"The fence was painted by {marker(count, number)}. " * 10
        item = NewItem("text", f"note-{number}.txt", payload=text.encode())
        jobs.enqueue(db, "default", [item], count, 1.0)
