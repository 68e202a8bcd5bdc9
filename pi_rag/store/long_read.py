"""Reads that last: a copy or a check of everything, beside the readers and without stopping the writer.

Each has a connection and a thread of its own, so that searches keep theirs. While one goes on, the log cannot
be emptied: the writer is told, and does not wait for what will not come soon. Whoever closes the store ends
them at once.

It knows no tables.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from pi_rag.errors import Stopping
from pi_rag.store import Connection
from pi_rag.store.threads import Threads
from pi_rag.store.translate import translated

T = TypeVar("T")
P = ParamSpec("P")

AT_ONCE = 2
"""A backup, and a check beside it. One more waits."""

PROGRESS_STEPS = 10_000
"""Steps of SQLite's machine between two looks at whether it is to end: a few milliseconds."""


class Reading:
    """What a read that lasts holds: its connection, and a way to rest that ends when the store closes."""

    def __init__(self, db: Connection, closing: threading.Event) -> None:
        self.db = db
        self._closing = closing

    def rest(self, seconds: float) -> None:
        """Let others work. Raises Stopping as soon as the store is being closed."""
        if self._closing.wait(seconds):
            raise Stopping("The store is closing.")

    def is_over(self) -> bool:
        """Whether it is to end now."""
        return self._closing.is_set()


class LongReads:
    """All of them, for one event loop."""

    def __init__(self, connect: Callable[[], Connection], hold: Callable[[int], None]) -> None:
        """`hold` is called in the loop with 1 when one begins, and with -1 when it has ended."""
        self._connect = connect
        self._hold = hold
        self._threads = Threads("store-aside", AT_ONCE)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._closing = threading.Event()

    async def run(self, job: Callable[Concatenate[Reading, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `job(reading, ...)`, run in one read transaction. Raises Stopping, or as `job`."""
        await self._turns.acquire()  # so whoever waits gets the thread that is free first
        self._hold(1)
        return await self._threads.run(lambda: self._work(lambda it: job(it, *args, **kwargs)), self._ended)

    async def close(self) -> bool:
        """End them now; whether all have ended."""
        self._closing.set()
        ended = await self._threads.drain(0.0, lambda: None)
        self._threads.end()
        return ended

    def _ended(self) -> None:
        self._hold(-1)
        self._turns.release()

    def _work(self, job: Callable[[Reading], T]) -> T:
        """On a thread. A statement that takes long asks now and then whether it is to end."""
        with translated():
            db = self._connect()
            try:
                db.set_progress_handler(self._closing.is_set, PROGRESS_STEPS)
                db.execute("BEGIN")
                return job(Reading(db, self._closing))
            finally:
                db.close(True)
