"""Readers are few, reused, bounded, and all given back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from pi_rag.clock import SystemClock
from pi_rag.errors import InternalError, Stopping, StoreBusy
from pi_rag.store import Connection
from pi_rag.store.pool import Pool
from pi_rag.store.rows import value

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


class Gate:
    """A read that holds its connection until the gate is opened."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, db: Connection) -> Connection:
        """The read itself."""
        self.inside.release()
        assert self.open.wait(10)
        return db

    async def holds(self, count: int) -> None:
        """Wait until `count` more reads are inside."""
        for _ in range(count):
            assert await asyncio.to_thread(self.inside.acquire, timeout=10)


def _pool(**changes: Any) -> Pool:
    settings: dict[str, Any] = {"kept": 2, "overflow_max": 1, "wait_s_max": 10.0, "clock": SystemClock()}
    return Pool(lambda: Connection(":memory:"), **(settings | changes))


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    """Two connections that are kept, one of overflow."""
    made = _pool()
    yield made
    assert await made.close(10)


def _tasks(pool: Pool, read: Callable[[Connection], Any], count: int) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(pool.run(read)) for _ in range(count)]


async def test_the_connection_used_last_is_taken_first(pool: Pool) -> None:
    """A quiet service keeps using the warm one, and opens no second."""
    used = [await pool.run(lambda db: db) for _ in range(5)]
    assert len(set(map(id, used))) == 1
    assert (pool.stats()["opened"], pool.stats()["reads"], pool.stats()["idle"]) == (1, 5, 1)


async def test_of_several_idle_ones_the_last_returned_comes_first(pool: Pool) -> None:
    """Last in, first out."""
    first, second = Gate(), Gate()
    one, other = asyncio.create_task(pool.run(first)), asyncio.create_task(pool.run(second))
    await first.holds(1)
    await second.holds(1)
    first.open.set()
    await one
    second.open.set()
    last = await other
    assert await pool.run(lambda db: db) is last


async def test_a_burst_opens_more_and_closes_them_after(pool: Pool) -> None:
    """Overflow costs RAM only while it lasts."""
    gate = Gate()
    tasks = _tasks(pool, gate, 3)
    await gate.holds(3)
    assert pool.stats()["in_use"] == 3
    gate.open.set()
    assert len({id(db) for db in await asyncio.gather(*tasks)}) == 3
    stats = pool.stats()
    assert (stats["in_use_max"], stats["in_use"], stats["idle"], stats["closed"]) == (3, 0, 2, 1)


async def test_one_more_waits_until_a_place_is_free(pool: Pool) -> None:
    """It is not refused, and it is counted."""
    gate = Gate()
    tasks = _tasks(pool, gate, 4)
    await gate.holds(3)
    assert pool.stats()["in_use"] == 3
    gate.open.set()
    await asyncio.gather(*tasks)
    stats = pool.stats()
    assert (stats["waited"], stats["gave_up"], stats["in_use_max"]) == (1, 0, 3)
    assert stats["wait_ms_max"] > 0


async def test_waiting_too_long_is_busy_and_takes_no_place() -> None:
    """The client is told to come again; afterwards everything works."""
    pool, gate = _pool(wait_s_max=0.01), Gate()
    tasks = _tasks(pool, gate, 3)
    await gate.holds(3)
    with pytest.raises(StoreBusy) as raised:
        await pool.run(lambda db: db)
    assert raised.value.retry_after_ms
    gate.open.set()
    await asyncio.gather(*tasks)
    assert pool.stats()["gave_up"] == 1
    for _ in range(10):  # as many at a time as have places: none has to wait, however slow the machine is
        await asyncio.gather(*_tasks(pool, lambda db: value(db, "SELECT 1"), 3))
    assert await pool.close(10)


async def test_cancelled_reads_give_their_connections_back(pool: Pool) -> None:
    """Whether they were reading or waiting; a hundred times over, none is lost or left in a transaction."""
    for _ in range(100):
        gate = Gate()
        tasks = _tasks(pool, gate, 5)
        await gate.holds(3)
        for task in tasks:
            task.cancel()
        gate.open.set()
        await asyncio.gather(*tasks, return_exceptions=True)
    after = Gate()
    tasks = _tasks(pool, after, 3)
    await after.holds(3)
    after.open.set()
    assert len({id(db) for db in await asyncio.gather(*tasks)}) == 3
    assert (pool.stats()["in_use"], pool.stats()["in_use_max"]) == (0, 3)


async def test_a_place_is_not_given_away_while_a_cancelled_read_still_works() -> None:
    """Or there would be more connections than the settings allow."""
    pool, gate = _pool(kept=1, overflow_max=0), Gate()
    [task] = _tasks(pool, gate, 1)
    await gate.holds(1)
    task.cancel()
    [waiting] = _tasks(pool, lambda db: db, 1)
    await asyncio.wait({task})
    assert not waiting.done()
    gate.open.set()
    await waiting
    assert pool.stats()["in_use_max"] == 1
    assert await pool.close(10)


async def test_a_read_sees_one_state_throughout(pool: Pool) -> None:
    """All statements of a function are in one transaction, which ends with it, also when it fails."""
    assert await pool.run(lambda db: db.in_transaction)
    with pytest.raises(InternalError, match="no such column"):
        await pool.run(lambda db: value(db, "SELECT absent"))
    db = await pool.run(lambda db: db)
    assert not db.in_transaction


async def test_an_unfinished_cursor_does_not_hold_the_transaction(pool: Pool) -> None:
    """A function that leaves a statement half-read holds nobody up."""
    cursor = await pool.run(lambda db: db.execute("VALUES (1), (2), (3)"))
    db = await pool.run(lambda db: db)
    assert not db.in_transaction
    del cursor


async def test_a_connection_that_cannot_be_opened_costs_no_place() -> None:
    """The next one may succeed."""
    broken = [True]

    def connect() -> Connection:
        if broken.pop() if broken else False:
            return Connection("/nowhere/at/all.db")
        return Connection(":memory:")

    pool = Pool(connect, kept=1, overflow_max=0, wait_s_max=10, clock=SystemClock())
    with pytest.raises(Exception, match="cannot be used"):
        await pool.run(lambda db: db)
    assert await pool.run(lambda db: value(db, "SELECT 7")) == 7
    assert await pool.close(10)


async def test_closing_waits_for_reads_and_refuses_new_ones() -> None:
    """Those in progress get their answer; those that waited for a place are told to come again."""
    pool, gate = _pool(), Gate()
    tasks = _tasks(pool, gate, 4)
    await gate.holds(3)
    closing = asyncio.create_task(pool.close(10))
    await asyncio.sleep(0)
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Connection] * 3 + [Stopping]
    assert await closing
    with pytest.raises(Stopping):
        await pool.run(lambda db: db)
    assert (pool.stats()["opened"], pool.stats()["closed"]) == (3, 3)


async def test_a_read_without_end_is_interrupted_when_closing() -> None:
    """A shutdown is not held up by somebody's mistake."""
    pool, gate = _pool(), Gate()
    gate.open.set()
    task = asyncio.create_task(pool.run(lambda db: value(gate(db), ENDLESS)))
    await gate.holds(1)
    assert await pool.close(0.05)
    with pytest.raises(Stopping):
        await task
    assert pool.stats()["closed"] == 1
