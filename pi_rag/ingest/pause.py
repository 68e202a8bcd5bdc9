"""Work that goes piece by piece: held back between two pieces, and called to. It knows no work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Pause:
    """Many work, one holds them back. For one event loop."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._inside = 0

    @contextlib.asynccontextmanager
    async def piece(self) -> AsyncIterator[None]:
        """Do one piece of work inside; it does not begin while work is held back."""
        while not self._open.is_set():
            await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Inside it nobody works: what was begun has been ended first. One at a time."""
        self._open.clear()
        try:
            await self._empty.wait()
            yield
        finally:
            self._open.set()


class Bell:
    """Each ring wakes one of those who wait, or the next one who comes. For one event loop.

    So one piece of work wakes one hand, and not all of them, to find out that there is no more.
    """

    def __init__(self, kept_max: int) -> None:
        """More rings than `kept_max` are not kept for later: as many as there are to be woken."""
        self._rings: asyncio.Queue[None] = asyncio.Queue(kept_max)

    def ring(self) -> None:
        """Wake one."""
        with contextlib.suppress(asyncio.QueueFull):
            self._rings.put_nowait(None)

    def ring_all(self) -> None:
        """Wake as many as there may be."""
        while not self._rings.full():
            self._rings.put_nowait(None)

    async def heard(self) -> None:
        """Return when it rings for whoever waits here, or has rung for nobody."""
        await self._rings.get()
