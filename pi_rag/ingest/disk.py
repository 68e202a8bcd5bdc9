"""Asking the disk for what it may never answer, and still going on.

What asks a dead network mount hangs, and nothing can end it. So each question has a thread of its own, which
nobody waits for in the end (`aside.py`). While one hangs, nothing more is asked of the same mount, so a dead
one costs as many threads as there were questions when it died. The mount that the service itself lives on is
alive, whatever a question hangs in that begins there. It does not know what is asked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pi_rag.clock import Clock
from pi_rag.config import IngestSettings
from pi_rag.errors import DiskStuck, DocumentStalled
from pi_rag.ingest.aside import apart
from pi_rag.ingest.mounts import place_of

RETRY_S_MIN = 10.0
"""How long who was turned away waits at least."""

LATE_SHARE = 0.9
"""A question that has waited for so much of its time is late: when that is over, its mount must be known."""

P = ParamSpec("P")
T = TypeVar("T")


class Disk:
    """Questions to file systems, and which of these give no answer."""

    def __init__(self, settings: IngestSettings, clock: Clock, home: Path) -> None:
        """`home` is where the service lives: the mounts on the way there answer, or it would not run."""
        self._settings = settings
        self._clock = clock
        self._home = Path(os.path.realpath(home))
        self._asked: dict[asyncio.Future[Any], tuple[str | Path, float]] = {}

    async def ask(self, path: str | Path, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `do` gives or raises, which asks the disk about `path`.

        Raises DiskStuck while an earlier question to the same mount hangs, DocumentStalled when this one has
        no answer within `disk_s_max`, and Busy when there is no thread for it.
        """
        self._check(path)
        future = apart(do, *args, **kwargs)
        self._asked[future] = path, self._clock.monotonic_s()
        future.add_done_callback(self._asked.pop)
        await asyncio.wait({future}, timeout=self._settings.disk_s_max)
        if not future.done():
            raise DocumentStalled(f"The disk gave no answer for {self._settings.disk_s_max:g} s.")
        return future.result()

    def stuck(self) -> list[dict[str, Any]]:
        """The mounts that give no answer: for how long, and how many threads wait for one.

        A question that hangs although its path leads to no other mount than ours is one for itself.
        """
        now_s, late_s = self._clock.monotonic_s(), self._settings.disk_s_max * LATE_SHARE
        late: dict[str, list[float]] = {}
        for path, begun_s in self._asked.values():
            if now_s - begun_s >= late_s:
                late.setdefault(place_of(path, self._home), []).append(now_s - begun_s)
        return [
            {"mount": mount, "for_s": round(max(for_s), 1), "threads": len(for_s)}
            for mount, for_s in sorted(late.items())
        ]

    def _check(self, path: str | Path) -> None:
        """Raise DiskStuck for a path on a mount that gives no answer."""
        for stuck in self.stuck():
            if stuck["mount"] == place_of(path, self._home):
                # The longer it has been away, the less a moment matters.
                wait_s = min(max(stuck["for_s"], RETRY_S_MIN), self._settings.retry_s_max)
                reason = f"What is at {stuck['mount']} has given no answer for {stuck['for_s']:g} s."
                raise DiskStuck(reason, retry_after_ms=int(wait_s * 1000))
