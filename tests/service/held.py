"""Threads that hang, as on a disk that gives no answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

HELD_S_MAX = 60.0
"""No test takes as long."""


@asynccontextmanager
async def shared_threads_held() -> AsyncIterator[None]:
    """Of those that `asyncio.to_thread` takes none is free meanwhile; what waits for one fails."""
    loop, go = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    held = loop.run_in_executor(None, go.wait, HELD_S_MAX)
    try:
        async with asyncio.timeout(HELD_S_MAX / 2):
            yield
    finally:
        go.set()
        assert await held


class Hanging:
    """Does what it stands for only once it is let go; counts who has come."""

    def __init__(self, does: Callable[..., Any]) -> None:
        self._does = does
        self._go = threading.Event()
        self.calls = 0

    def __call__(self, *args: Any) -> Any:
        """On the thread that hangs."""
        self.calls += 1
        assert self._go.wait(HELD_S_MAX)
        return self._does(*args)

    def let_go(self) -> None:
        """From now on nothing hangs."""
        self._go.set()
