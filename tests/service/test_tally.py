"""What is told of how much there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import Settings
from pi_rag.errors import DiskStuck, PiRagError, StoreBusy, StoreDamaged, StoreUnusable
from pi_rag.service.house import House
from pi_rag.service.tally import Tally
from pi_rag.store.store import Store
from pi_rag.types import NewItem


class Between:
    """A real store, but for what the test does to each read of the tally."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reads = 0
        self.before: Callable[[], Awaitable[object]] = nothing
        self.after: Callable[[], Awaitable[object]] = nothing

    @property
    def writes(self) -> int:
        return self.store.writes

    async def read(self, fn: Any) -> Any:
        self.reads += 1
        await self.before()
        found = await self.store.read(fn)
        await self.after()
        return found


async def nothing() -> None:
    """What most tests do to a read."""


def tally_of(between: Between, wait_s_max: float = 30.0) -> Tally:
    return Tally(cast("Store", between), wait_s_max)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """One that nobody writes to but the test: in a house, others do in their own time."""
    opened = Store.open(settings.database_path, settings.store, SystemClock())
    yield opened
    await opened.close()


async def test_it_is_counted_once_after_each_write(store: Store) -> None:
    """However often it is asked for, and by however many at a time."""
    between = Between(store)
    tally = tally_of(between)
    together = await asyncio.gather(*(tally.now() for _ in range(5)))
    again = await tally.now()
    before = between.reads
    await store.write(lambda _: None)
    await tally.now()

    assert (before, between.reads) == (1, 2)
    assert again is not None and all(each is again for each in together)


async def test_what_was_acknowledged_is_in_it(house: House) -> None:
    """Who asks after a write is not given what was being counted before it."""
    between, has_read, goes_on = Between(house.store), asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        has_read.set()
        await goes_on.wait()

    between.after = waits
    tally = tally_of(between)
    early = asyncio.create_task(tally.now())
    await has_read.wait()
    job = await house.runner.enqueue("default", [NewItem("text", "a", payload=b"the lamp is on")])
    await house.runner.finished(job)
    late = asyncio.create_task(tally.now())
    await asyncio.sleep(0)
    goes_on.set()
    before, after = await early, await late

    assert before is not None and before.counts.documents == 0
    assert after is not None and after.counts.documents == 1
    assert after.jobs["states"]["done"] == 1


@pytest.mark.parametrize("error", [StoreBusy, DiskStuck, StoreDamaged, StoreUnusable])
async def test_what_cannot_be_read_is_not_known(house: House, error: type[PiRagError]) -> None:
    """Nobody who tells how the service is falls over it; the next one tries again."""
    between = Between(house.store)

    async def fails() -> None:
        raise error("canary")

    between.before = fails
    tally = tally_of(between)
    during = await tally.now()
    between.before = nothing
    after = await tally.now()

    assert during is None
    assert after is not None


async def test_a_disk_that_hangs_holds_one_reader(house: House) -> None:
    """Whoever asks is told in time that it is not known, and no further read is begun meanwhile."""
    between, goes_on = Between(house.store), asyncio.Event()
    between.before = goes_on.wait
    tally = tally_of(between, 0.05)
    during = [await tally.now() for _ in range(3)]
    begun = between.reads
    goes_on.set()
    async with asyncio.timeout(30):
        while (after := await tally.now()) is None:
            pass

    assert (during, begun) == ([None, None, None], 1)
    assert after.counts.documents == 0
