"""The alerts of the running service: measured now and then, logged once when they fire and when they clear.

The rules are in `alerts.py`; here are the limits from the settings, and the measures. What costs more than
looking into memory, as counting rows does, is asked only when something was written since.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pi_rag import log
from pi_rag.alerts import Alert, Alerts, Rule
from pi_rag.clock import tick_s
from pi_rag.config import AlertSettings
from pi_rag.host.heat import condition
from pi_rag.ingest.aside import apart

if TYPE_CHECKING:
    from pi_rag.service.house import House

ASKED_MIN = 200
"""Of so many questions the part that was known is told."""

NEVER = float("inf")

_log = log.logger("alerts")


def rules(settings: AlertSettings) -> list[Rule]:
    """One rule for each alert. A target of 0, where that means none, is one that nothing can miss."""
    held, s = settings.hold_s, settings
    return [
        Rule("loop_silent", 0, 0, unit="loops"),
        Rule(
            "search_slow", s.search_p95_ms_max or NEVER, (s.search_p95_ms_max or NEVER) * 0.8, held, unit="ms"
        ),
        Rule(
            "cache_hits_low", s.cache_hits_percent_min, s.cache_hits_percent_min, held, high=False, unit="%"
        ),
        Rule("memory_high", s.memory_percent_max, s.memory_percent_max * 0.9, held, unit="%"),
        Rule("dead_letters", s.dead_letters_max, s.dead_letters_max, unit="documents"),
        Rule("log_large", s.log_mib_max, s.log_mib_max / 2, held, unit="MiB"),
        Rule("disk_low", s.disk_free_mib_min, s.disk_free_mib_min * 1.25, high=False, unit="MiB"),
        Rule("recall_low", s.recall_percent_min, s.recall_percent_min, held, high=False, unit="%"),
        Rule("hot", s.temperature_c_max, s.temperature_c_max - 5, held, unit="°C"),
        Rule("undervoltage", 0, 0),
    ]


class Alarms:
    """One for the life of the service."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._settings = house.settings.alerts
        self._alerts = Alerts(rules(self._settings))
        self._asked: deque[tuple[int, int]] = deque()
        """Questions to the caches and those that they knew, at past looks."""
        self.disk_free_mib: float | None = None
        """As of the last look."""
        self.beat: Callable[[], None] = lambda: None
        """Called after every look."""
        self._task: asyncio.Task[None] | None = None

    @property
    def names(self) -> Sequence[str]:
        """Of all alerts, whether they fire or not."""
        return self._alerts.names

    def firing(self) -> list[Alert]:
        """Those that fire now."""
        return self._alerts.firing(self._house.clock.monotonic_s())

    def status(self) -> list[dict[str, Any]]:
        """Those that fire now, as /v1/status shows them."""
        return [asdict(each) for each in self.firing()]

    def start(self) -> asyncio.Task[None]:
        """Begin to look. The task ends only by a fault of ours."""
        self._task = asyncio.create_task(self._keep(), name="alerts")
        return self._task

    async def stop(self) -> None:
        """Look no more. Twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def look(self) -> None:
        """Measure once, and log what has changed."""
        values = await self.measured()
        for change in self._alerts.look(values, self._house.clock.monotonic_s()):
            tell = _log.warning if change.kind == "fired" else _log.info
            about = {"loops": self._house.beats.silent()} if change.alert.name == "loop_silent" else {}
            tell(f"alert_{change.kind}", **asdict(change.alert), **about)
            self._house.minutes.event(f"alert_{change.kind}", asdict(change.alert))

    async def measured(self) -> dict[str, float | None]:
        """Every measure by the name of its alert; None: not known."""
        house = self._house
        board, self.disk_free_mib = await apart(_of_the_machine, house.settings.data_path)
        recall, memory = house.keeper.status()["recall"]["mean"], house.watchdog.used_share
        tally = await house.tally.now()
        return {
            "loop_silent": len(house.beats.silent()),
            # Too few to be slow are not slow: in a quiet house it would else never clear.
            "search_slow": house.metrics.p95_ms() or 0.0,
            "cache_hits_low": self._known_percent(),
            "memory_high": None if memory is None else memory * 100,
            "dead_letters": tally.jobs["dead_letters"] if tally else None,
            "log_large": house.store.wal_bytes / 2**20,
            "disk_low": self.disk_free_mib,
            "recall_low": None if recall is None else recall * 100,
            "hot": board["temperature_c"],
            "undervoltage": board["undervoltage"],
        }

    async def _keep(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                # Whatever it is, it is no reason to end the service, and the next look may do better.
                _log.exception("alerts_fault")
            self.beat()
            await asyncio.sleep(tick_s(self._house.clock, self._settings.look_s))

    def _known_percent(self) -> float | None:
        """Of the last questions, the part that was answered from what was asked before."""
        answers, queries = self._house.results.status(), self._house.query.cache.status()
        asked, known = int(answers["asked"]), int(answers["hits"]) + int(queries["hits"])
        if not self._asked or self._asked[-1][0] != asked:  # a day without a question is one entry
            self._asked.append((asked, known))
        while len(self._asked) > 1 and asked - self._asked[1][0] >= ASKED_MIN:
            self._asked.popleft()
        first_asked, first_known = self._asked[0]
        if asked - first_asked < ASKED_MIN:
            return None
        return min(100.0, 100 * (known - first_known) / (asked - first_asked))


def _of_the_machine(data: os.PathLike[str]) -> tuple[dict[str, float | None], float | None]:
    """Heat and power, and the free space where the data is, in MiB."""
    try:
        disk = os.statvfs(data)
    except OSError:
        return condition(), None
    return condition(), disk.f_bavail * disk.f_frsize / 2**20
