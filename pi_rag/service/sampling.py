"""The sizes of all processes, often and at little cost.

Every look reads how many pages each process has, which takes microseconds. What it really costs is measured
now and then, and at once when it has grown; between two measurements what has come is added. Measuring walks
page tables and takes milliseconds, so that it is put off when it would take more than a hundredth of a core.
It does not know what follows from the figures.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pi_rag.budget import TUNER, Process, Sample
from pi_rag.clock import Clock
from pi_rag.config import MemorySettings
from pi_rag.host import memory
from pi_rag.host.memory import Size

GROWN_MIB = 8.0
"""So much more in RAM of one process is a reason to measure now."""

STILL_MIB = 1.0
"""No process at rest moves by more."""

STILL_TIMES = 8
"""So many times as seldom all are measured while none has moved: little can have become of them. A page that
several had and one has written to is seen that much later."""

REST_TIMES = 4
"""While no process moves, only every such look need be a whole one: most of what that costs is the thread
that it is done on."""

COST_SHARE = 0.01
"""Of one core, that measuring may take."""

FRESH_S = 1.0
"""Who asks again within this is told what was measured, and what has come since."""

Known = Sequence[tuple[int, str]]
"""Processes by pid, and what they are for."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A process as it was measured."""

    size: Size
    resident_mib: float

    def now(self, resident_mib: float) -> Size:
        """With what has come since."""
        grown = max(0.0, resident_mib - self.resident_mib)
        return Size(round(self.size.pss_mib + grown, 1), round(self.size.private_mib + grown, 1))


class Sampler:
    """For any thread; they are let in one at a time."""

    def __init__(
        self,
        settings: MemorySettings,
        clock: Clock,
        *,
        sqlite_mib: Callable[[], float | None] = lambda: None,
        undervoltage: Callable[[], bool | None] = lambda: None,
        root: Path = memory.ROOT,
        cpu_s: Callable[[], float] = time.thread_time,
    ) -> None:
        """`root` stands for the machine that tells of cgroup, pressure and free memory."""
        self._settings = settings
        self._clock = clock
        self._sqlite_mib = sqlite_mib
        self._undervoltage = undervoltage
        self._root = root
        self._cpu_s = cpu_s
        self._seen: dict[int, _Seen] = {}
        self._measured_s = float("-inf")
        self._not_before_s = float("-inf")
        self._turn = threading.Lock()
        self._passed = 0
        self.cost_ms = 0.0
        """Processor time of the last measuring of all processes."""

    def look(self, known: Known, *, often: bool = False, well: bool = False) -> Sample:
        """All there is to know now. `often`: measured as soon as it may be; `well`: whatever it costs."""
        with self._turn:
            return self._look(known, often, well)

    def _look(self, known: Known, often: bool, well: bool) -> Sample:
        resident = self._resident(_with_strangers(known))
        self._measure({pid: resident_mib for (pid, _), resident_mib in resident.items()}, often, well)
        processes = [self._process(pid, role, mib) for (pid, role), mib in resident.items()]
        return Sample(
            tuple(processes),
            self._sqlite_mib(),
            memory.group(self._root),
            memory.pressure_percent(self._root),
            memory.available_mib(self._root),
            self._undervoltage(),
        )

    def _resident(self, known: Known) -> Mapping[tuple[int, str], float]:
        looked = ((each, memory.resident_mib(each[0])) for each in known)
        return {each: mib for each, mib in looked if mib is not None}

    def _measure(self, resident: Mapping[int, float], often: bool, well: bool) -> None:
        """All of them when it is time, or only those that are new."""
        now_s = self._clock.monotonic_s()
        if self._seen.keys() - resident.keys():
            self._measured_s = float("-inf")  # what it shared is the others' now
        self._seen = {pid: seen for pid, seen in self._seen.items() if pid in resident}
        grown = any(
            mib - self._seen[pid].resident_mib >= GROWN_MIB
            for pid, mib in resident.items()
            if pid in self._seen
        )
        times = STILL_TIMES if self._is_still(resident) else 1
        due = often or grown or now_s - self._measured_s >= times * self._settings.measure_s
        wanted = well and now_s - self._measured_s >= FRESH_S
        all_of_them = wanted or (due and now_s >= self._not_before_s)
        began_s = self._cpu_s()
        self._note({pid: mib for pid, mib in resident.items() if all_of_them or pid not in self._seen})
        cost_s = self._cpu_s() - began_s
        if not well:
            # Who asks well pays for it himself: however often, the looks that decide are not put off.
            self._not_before_s = max(self._not_before_s, now_s) + cost_s / COST_SHARE
        if all_of_them:
            self._measured_s, self.cost_ms = now_s, round(cost_s * 1000, 2)

    def may_rest(self, known: Known) -> bool:
        """Whether the one who looks may pass: these are the processes that were measured, and as large, and
        it has not passed too often. A matter of microseconds, for one caller.
        """
        self._passed += 1
        if self._passed < REST_TIMES:
            resident = self._resident(_with_strangers(known))
            if self._is_still({pid: mib for (pid, _), mib in resident.items()}):
                return True
        self._passed = 0
        return False

    def _is_still(self, resident: Mapping[int, float]) -> bool:
        return all(
            pid in self._seen and abs(mib - self._seen[pid].resident_mib) < STILL_MIB
            for pid, mib in resident.items()
        )

    def _note(self, resident: Mapping[int, float]) -> None:
        for pid, mib in resident.items():
            found = memory.size(pid)
            if found is not None:
                self._seen[pid] = _Seen(found, mib)

    def _process(self, pid: int, role: str, resident_mib: float) -> Process:
        seen = self._seen.get(pid)
        if seen is None:
            return Process(pid, role, None, None)
        size = seen.now(resident_mib)
        return Process(pid, role, size.pss_mib, size.private_mib)


def _with_strangers(known: Known) -> Known:
    """And whatever else we or they have started. All that measures the machine has one role."""
    roles = dict(known)
    starters = (pid for pid, role in known if role == TUNER or role.endswith("nursery"))
    parents: Iterable[int] = [os.getpid(), *starters]
    while parents:
        found = {child: pid for pid in parents for child in memory.children(pid)}
        parents = [child for child in found if child not in roles]
        roles |= {pid: TUNER if roles.get(found[pid]) == TUNER else "other" for pid in parents}
    return list(roles.items())
