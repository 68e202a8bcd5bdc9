"""The service and the machine, looked at once a second by a thread that disturbs neither.

Processes are asked of the kernel, so that a service that stands still is seen as well; the queue is asked of
the service, which has a second to answer. How much memory a process really costs takes the kernel
milliseconds to count, so that is done only as often as takes less than a hundredth of a core.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pi_rag.client import Client
from pi_rag.errors import PiRagError
from pi_rag.host import firmware, heat, memory
from pi_rag.stress import family
from pi_rag.stress.types import Sample

EVERY_S = 1.0
ANSWER_S_MAX = 1.0
"""The service has so long to say how it is. One that has stopped must not stop the monitor."""

SHARE_MAX = 0.01
"""Of one core, for counting the pages of all processes."""

THROTTLED_EVERY = 30
"""Samples between two questions for throttling, which on a Pi 5 take a program of their own."""


@dataclass
class Seen:
    """What is remembered from one look to the next."""

    at_s: float = 0.0
    processor_s: dict[int, float] = field(default_factory=dict)
    sizes: dict[int, memory.Size] = field(default_factory=dict)
    sized_at_s: float = -math.inf
    size_every_s: float = EVERY_S
    is_throttled: bool | None = None
    looks: int = 0


class Monitor:
    """Samples of the service with this supervisor while the block lasts."""

    def __init__(
        self,
        supervisor: Callable[[], int | None],
        client: Client,
        data: Path,
        elapsed_s: Callable[[], float],
        keep: Callable[[Sample], None],
    ) -> None:
        self._supervisor = supervisor
        self._client = client
        self._data = data
        self._elapsed_s = elapsed_s
        self._keep = keep
        self._seen = Seen()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self.errors: Counter[str] = Counter()
        """What looking has failed with. None should be: a look tells of what is away too."""
        self.looking_s = 0.0
        """Processor time that looking has taken so far."""

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(ANSWER_S_MAX + 10.0)

    @property
    def size_every_s(self) -> float:
        """How often memory is counted, as things are."""
        return self._seen.size_every_s

    def _run(self) -> None:
        while True:
            began_s = time.monotonic()
            try:
                self._keep(self.look())
            except Exception as error:
                self.errors[f"{type(error).__name__}: {error}"] += 1
            self.looking_s = time.thread_time()
            if self._is_over.wait(max(0.05, EVERY_S - (time.monotonic() - began_s))):
                return

    def look(self) -> Sample:
        """The machine and the service now."""
        supervisor = self._supervisor()
        found = family.family(supervisor) if supervisor else {}
        told = self._told()
        at_s = self._elapsed_s()
        shares = self._processor_shares(found, at_s)
        self._size(found, at_s)
        self._seen.at_s, self._seen.looks = at_s, self._seen.looks + 1
        return Sample(
            at_s=round(at_s, 3),
            pss_mib=self._by_role(found, "pss_mib"),
            private_mib=self._by_role(found, "private_mib"),
            processor_share=shares,
            descriptors=family.descriptors(supervisor) if found and supervisor else 0,
            threads=family.threads(supervisor) if found and supervisor else 0,
            wal_mib=_size_mib(self._data / "pi-rag.db-wal"),
            disk_free_mib=_free_mib(self._data),
            queued=int(told["counts"]["items_queued"]) if told else -1,
            is_ready=bool(told.get("ready")),
            degraded=tuple(told.get("degraded", ())),
            temperature_c=heat.temperature_c(),
            is_throttled=self._throttled(),
        )

    def _told(self) -> Mapping[str, Any]:
        with suppress(PiRagError):
            return self._client.status()
        return {}

    def _processor_shares(self, found: Mapping[str, list[int]], at_s: float) -> dict[str, float]:
        before, elapsed_s = self._seen.processor_s, max(at_s - self._seen.at_s, 1e-3)
        now = {
            pid: used
            for pids in found.values()
            for pid in pids
            if (used := family.processor_s(pid)) is not None
        }
        self._seen.processor_s = now
        return {
            role: round(
                sum(max(0.0, now[pid] - before[pid]) for pid in pids if pid in now and pid in before)
                / elapsed_s,
                3,
            )
            for role, pids in found.items()
        }

    def _size(self, found: Mapping[str, list[int]], at_s: float) -> None:
        """Count pages, if it is time, or if there is a process that was never counted."""
        pids = {pid for each in found.values() for pid in each}
        seen = self._seen
        due = at_s - seen.sized_at_s >= seen.size_every_s - EVERY_S / 2
        began_s = time.thread_time()
        wanted = pids if due else pids - seen.sizes.keys()
        sizes = {pid: size for pid in wanted if (size := memory.size(pid)) is not None}
        seen.sizes = {pid: size for pid, size in (seen.sizes | sizes).items() if pid in pids}
        if due:
            seen.sized_at_s = at_s
            seen.size_every_s = max(EVERY_S, math.ceil((time.thread_time() - began_s) / SHARE_MAX))

    def _by_role(self, found: Mapping[str, list[int]], what: str) -> dict[str, float]:
        sizes = self._seen.sizes
        return {
            role: round(sum(getattr(sizes[pid], what) for pid in pids if pid in sizes), 1)
            for role, pids in found.items()
        }

    def _throttled(self) -> bool | None:
        if self._seen.looks % THROTTLED_EVERY == 0:
            told = firmware.asked()
            self._seen.is_throttled = told.throttled if told else None
        return self._seen.is_throttled


def _size_mib(path: Path) -> float:
    try:
        return round(path.stat().st_size / memory.MIB, 2)
    except OSError:
        return 0.0


def _free_mib(folder: Path) -> float:
    try:
        return round(shutil.disk_usage(folder).free / memory.MIB, 1)
    except OSError:
        return -1.0
