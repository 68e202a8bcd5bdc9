"""The metrics file: one line a minute, and one at once for each event, in a bounded number of files.

It outlives a journal that is kept in RAM, and the service. What the disk does not take is kept, up to a
bound, and written when it does; the service goes on either way. It knows no desk: it is given how to look.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.config import MetricsSettings
from pi_rag.errors import Busy, PiRagError
from pi_rag.ingest.aside import apart
from pi_rag.service import minute
from pi_rag.service.measures import Status
from pi_rag.service.rotating import Rotating

NAME = "metrics"

LINES_WAITING_MAX = 200
"""Lines that wait for a disk that takes none; the oldest go first. Three hours of minutes."""

_log = log.logger("metrics")


class Minutes:
    """One for the life of the service. It does nothing until `start`."""

    def __init__(
        self,
        folder: Path,
        settings: MetricsSettings,
        clock: Clock,
        look: Callable[[], Awaitable[Status]],
    ) -> None:
        """`look` gives the status, with the searches of the last `metrics.line_s`."""
        bytes_max = settings.file_mib_max * 2**20
        self._file = Rotating(folder, NAME, bytes_max=bytes_max, files_max=settings.files_max)
        self._line_s = settings.line_s
        self._clock = clock
        self._look = look
        self._before: Status = {}
        self._waiting: deque[bytes] = deque(maxlen=LINES_WAITING_MAX)
        self._happened = asyncio.Event()
        self._is_told = False
        self.beat: Callable[[], None] = lambda: None
        """Called with every line, be it one that waits for the disk."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin to write."""
        self._task = asyncio.create_task(self._keep(), name="metrics")
        return self._task

    async def stop(self) -> None:
        """Write what waits and end. Twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
            await self._write()

    def event(self, kind: str, figures: Mapping[str, Any]) -> None:
        """Have it written at once, with the figures that caused it. Never raises and never waits."""
        self._put(minute.event(kind, figures))
        self._happened.set()

    async def _keep(self) -> None:
        next_s = self._clock.monotonic_s() + self._line_s
        while True:
            try:
                async with asyncio.timeout(max(0.0, next_s - self._clock.monotonic_s())):
                    await self._happened.wait()
            except TimeoutError:
                next_s = self._clock.monotonic_s() + self._line_s
                await self._note()
            self._happened.clear()
            await self._write()
            self.beat()

    async def _note(self) -> None:
        """A line about now. A status that cannot be told is no reason to end."""
        try:
            now = await self._look()
        except PiRagError as error:
            _log.warning("metrics_not_looked_at", code=error.code)
        except Exception:
            # The status asks every room; a fault of ours in one of them costs a line and not the service.
            _log.exception("metrics_fault")
        else:
            self._put(minute.line(now, self._before))
            self._before = now

    def _put(self, fields: Mapping[str, Any]) -> None:
        stamped = {"at": round(self._clock.wall_s(), 1), **fields}
        self._waiting.append(json.dumps(stamped, separators=(",", ":")).encode() + b"\n")

    async def _write(self) -> None:
        """What waits, in one go; it waits on when the disk does not take it."""
        lines = list(self._waiting)
        self._waiting.clear()
        if not lines:
            return
        try:
            append = apart(self._file.append, b"".join(lines))
            await asyncio.shield(append)
        except asyncio.CancelledError:
            # The end of the service: its thread may be at it, and what comes after is written after it.
            await asyncio.wait({append})
            if append.exception() is None:
                self._tell(None)
            else:
                self._waiting.extendleft(reversed(lines))
            raise
        except (OSError, Busy) as error:
            self._waiting = deque([*lines, *self._waiting], maxlen=LINES_WAITING_MAX)
            self._tell((error.strerror if isinstance(error, OSError) else None) or str(error))
        else:
            self._tell(None)

    def _tell(self, reason: str | None) -> None:
        """Once that it cannot be written, and once that it can again."""
        if reason is not None and not self._is_told:
            _log.warning("metrics_not_written", reason=reason)
        elif reason is None and self._is_told:
            _log.info("metrics_written_again")
        self._is_told = reason is not None
