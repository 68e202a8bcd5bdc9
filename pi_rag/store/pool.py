"""The readers: connections that cannot write, the one used last taken first.

The last one used has the warmest cache, so a quiet service keeps using one and the others cost nothing. A few
are kept open; a burst may open some more, which are closed after use. A read that finds no place waits a
bounded time.

It knows no tables: it runs a function on a connection, inside one read transaction, so that all statements of
the function see the same state.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import apsw

from pi_rag.clock import Clock
from pi_rag.errors import StoreBusy
from pi_rag.store import Connection
from pi_rag.store.threads import Threads
from pi_rag.store.translate import translated

T = TypeVar("T")


class Pool:
    """Read connections for one event loop."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        *,
        kept: int,
        overflow_max: int,
        wait_s_max: float,
        clock: Clock,
    ) -> None:
        """`connect` opens a connection; `kept` stay open, `overflow_max` more may be open for a while."""
        self._connect = connect
        self._kept = kept
        self._wait_s_max = wait_s_max
        self._clock = clock
        self._threads = Threads("store-reader", kept + overflow_max)
        self._places = asyncio.Semaphore(kept + overflow_max)
        self._lock = threading.Lock()  # guards the two lists and the numbers that the threads change
        self._idle: list[Connection] = []
        self._busy: list[Connection] = []
        self._numbers = dict.fromkeys(("reads", "opened", "closed", "in_use_max", "waited", "gave_up"), 0)
        self._wait_s_longest = 0.0

    async def run(self, job: Callable[[Connection], T]) -> T:
        """The result of `job`, which gets a connection for as long as it runs.

        Raises StoreBusy when no place became free in time, Stopping when closing, or what `job` raises.
        """
        await self._wait_for_place()
        return await self._threads.run(lambda: self._work(job), on_end=self._places.release)

    async def close(self, wait_s_max: float) -> bool:
        """Wait for the reads in progress, interrupt those that take too long, and close all connections.

        Returns whether all are closed. One that is still in use closes itself when its read ends.
        """
        ended = await self._threads.drain(wait_s_max, self._interrupt)
        self.shed()
        self._threads.end()
        return ended

    def beat_with(self, beat: Callable[[], None]) -> None:
        """From now on `beat` is called, from a thread, whenever a read has ended."""
        self._threads.beat = beat

    async def turn(self) -> None:
        """A read of nothing, to see that one could be made. Raises as `run` does."""
        await self.run(lambda db: db.execute("SELECT 1 FROM sqlite_schema LIMIT 1").get)

    def shed(self) -> None:
        """Close the connections at rest, with their caches. The next read opens one anew."""
        with self._lock:
            idle, self._idle = self._idle, []
        for db in idle:
            self._close(db)

    def stats(self) -> dict[str, Any]:
        """Numbers since the start, and how many connections there are now."""
        with self._lock:
            now = {"kept_max": self._kept, "idle": len(self._idle), "in_use": len(self._busy)}
            return {**now, **self._numbers, "wait_ms_max": round(self._wait_s_longest * 1000, 3)}

    async def _wait_for_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()  # returns at once, and keeps the order of those who wait
            return
        self._count("waited")
        began_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self._wait_s_max):
                await self._places.acquire()
        except TimeoutError:
            self._count("gave_up")
            raise StoreBusy(f"No reader became free within {self._wait_s_max:g} s.") from None
        finally:
            self._wait_s_longest = max(self._wait_s_longest, self._clock.monotonic_s() - began_s)

    def _work(self, job: Callable[[Connection], T]) -> T:
        """On a thread: one read transaction on one connection."""
        with translated():
            db = self._take()
            try:
                db.execute("BEGIN")
                return job(db)
            finally:
                self._give_back(db)

    def _take(self) -> Connection:
        with self._lock:
            db = self._idle.pop() if self._idle else None
        opened = db is None
        db = db or self._connect()
        with self._lock:
            self._busy.append(db)
            self._numbers["reads"] += 1
            self._numbers["opened"] += opened
            self._numbers["in_use_max"] = max(self._numbers["in_use_max"], len(self._busy))
        return db

    def _give_back(self, db: Connection) -> None:
        """End the transaction. A connection that is over the number, or will not end it, is closed."""
        sound = _ended_transaction(db)
        with self._lock:
            self._busy.remove(db)
            keep = sound and not self._threads.closing and len(self._idle) + len(self._busy) < self._kept
            if keep:
                self._idle.append(db)
        if not keep:
            self._close(db)

    def _interrupt(self) -> None:
        with self._lock:
            for db in self._busy:
                db.interrupt()

    def _close(self, db: Connection) -> None:
        db.close(True)
        self._count("closed")

    def _count(self, name: str) -> None:
        with self._lock:
            self._numbers[name] += 1


def _ended_transaction(db: Connection) -> bool:
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
    except apsw.Error:
        return False
    return not db.in_transaction
