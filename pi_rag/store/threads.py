"""Blocking work on threads, for tasks that wait for it.

A task that is cancelled while it waits leaves the work to finish on its thread: no transaction is cut in half
and no connection is lost. Whoever closes waits for the work in progress, and interrupts what takes too long.

It knows nothing of databases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pi_rag.errors import Stopping

T = TypeVar("T")

INTERRUPT_S_MAX = 1.0
"""How long interrupted work may take to unwind. SQLite notices an interrupt within milliseconds."""


class Threads:
    """A bounded number of threads for one event loop.

    Work goes to the first that has none, so a service that is asked one thing at a time is always answered by
    the same one: its memory is in the processor's caches. An executor of several gives each its turn.
    """

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._loads: dict[ThreadPoolExecutor, int] = {}
        """How much each has to do: one thread each, made when it is first needed."""
        self._working: set[asyncio.Future[Any]] = set()
        self.closing = False
        self.beat: Callable[[], None] = lambda: None
        """Called by a thread when it has ended a piece of work, however that went: a sign that it works."""

    async def run(self, work: Callable[[], T], on_end: Callable[[], None] = lambda: None) -> T:
        """The result of `work`, done on a thread. `on_end` is called in the loop when it has ended, always.

        Raises Stopping once closing has begun.
        """
        return await asyncio.shield(self.begin(work, on_end))

    def begin(self, work: Callable[[], T], on_end: Callable[[], None] = lambda: None) -> asyncio.Future[T]:
        """As `run`, for those who wait for the same work: each waits for `asyncio.shield` of the future."""
        if self.closing:
            on_end()
            raise Stopping("The store is closing.")
        thread = self._first_free()
        future = asyncio.get_running_loop().run_in_executor(thread, self._beating, work)
        self._loads[thread] += 1
        self._working.add(future)
        future.add_done_callback(lambda done: self._ended(done, thread, on_end))
        return future

    def _first_free(self) -> ThreadPoolExecutor:
        """Or a new one. Where that would be too many, the work stands in line behind one, for good: who has
        several threads begins no more at once than those.
        """
        least = min(self._loads, key=self._loads.__getitem__, default=None)
        if least is not None and (not self._loads[least] or len(self._loads) == self._count):
            return least
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"{self._name}_{len(self._loads)}")
        self._loads[thread] = 0
        return thread

    def _beating(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            self.beat()

    def _ended(
        self, future: asyncio.Future[Any], thread: ThreadPoolExecutor, on_end: Callable[[], None]
    ) -> None:
        self._working.discard(future)
        self._loads[thread] -= 1
        if not future.cancelled():
            future.exception()  # seen, even when the task that waited for it is gone
        on_end()

    async def drain(self, wait_s_max: float, interrupt: Callable[[], None]) -> bool:
        """Take no more work and wait for what there is, `interrupt` it when that takes too long.

        Returns whether all of it has ended.
        """
        self.closing = True
        if await self._idle(wait_s_max):
            return True
        interrupt()
        return await self._idle(INTERRUPT_S_MAX)

    async def _idle(self, wait_s_max: float) -> bool:
        if self._working:
            await asyncio.wait(set(self._working), timeout=wait_s_max)
        return not self._working

    async def last(self, work: Callable[[], T]) -> T:
        """Run one more piece of work after `drain`."""
        return await asyncio.get_running_loop().run_in_executor(self._first_free(), work)

    def end(self) -> None:
        """Let the threads go; those with no work end at once."""
        for thread in self._loads:
            thread.shutdown(wait=not self._working)
