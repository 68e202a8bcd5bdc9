"""Reads that last: they see one state, the writer does not wait for them, and closing ends them."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import Stopping
from pi_rag.store import identity
from pi_rag.store.long_read import Reading
from pi_rag.store.rows import value
from pi_rag.store.store import Store
from tests.store.making import FINGERPRINT, put

SQL = "SELECT count(*) FROM documents"


def waiting(reading: Reading, begun: threading.Event, go_on: threading.Event) -> tuple[int, int]:
    """How many documents there are before and after somebody says to go on."""
    before = value(reading.db, SQL)
    begun.set()
    assert go_on.wait(30)
    return before, value(reading.db, SQL)


async def test_it_sees_one_state_while_the_writer_goes_on_without_waiting(path: Path) -> None:
    """The log grows beyond its bound, no checkpoint waits for the reader, and afterwards it shrinks again."""
    store = Store.open(path, StoreSettings(wal_mib_max=1), SystemClock())
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    begun, go_on = threading.Event(), threading.Event()
    task = asyncio.create_task(store.aside(waiting, begun, go_on))
    await asyncio.to_thread(begun.wait, 30)

    for number in range(40):
        await store.write(put, f"{number}", [f"tea {number} " * 200] * 20)
    held = store.wal_bytes
    put_off = store.stats()["writer"]["checkpoints_put_off"]
    go_on.set()

    assert await task == (0, 0)
    assert (held > 2 * 2**20, put_off) == (True, 0)
    for number in range(4):
        await store.write(put, f"{number}", [f"milk {number} " * 200] * 20)
    assert store.wal_bytes <= 2**20
    assert await store.close()


async def test_who_waits_gets_the_thread_that_is_free_first(path: Path) -> None:
    """A look behind a backup and a short one does not wait for the backup."""
    store = Store.open(path, StoreSettings(), SystemClock())
    long, short = threading.Event(), threading.Event()

    def looking(_: Reading, until: threading.Event) -> bool:
        return until.wait(30)

    tasks = [asyncio.create_task(store.aside(looking, each)) for each in (long, short)]
    third = asyncio.create_task(store.aside(lambda _: "seen"))
    short.set()

    assert await asyncio.wait_for(third, 30) == "seen"

    assert await tasks[1] and not tasks[0].done()
    long.set()
    assert await tasks[0]
    assert await store.close()


async def test_closing_ends_it_in_a_rest_and_in_a_statement(path: Path) -> None:
    """Within moments, with an error that says so."""
    store = Store.open(path, StoreSettings(), SystemClock())
    begun = threading.Event()
    endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"

    def resting(reading: Reading) -> None:
        reading.rest(600)

    def working(reading: Reading) -> None:
        begun.set()
        value(reading.db, endless)

    tasks = [asyncio.create_task(store.aside(each)) for each in (resting, working)]
    await asyncio.to_thread(begun.wait, 30)

    assert await store.close()

    for task in tasks:
        with pytest.raises(Stopping):
            await task
    with pytest.raises(Stopping):
        await store.aside(resting)
