"""Work that goes piece by piece, and can be held back between two pieces. It knows nothing of the work."""

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
