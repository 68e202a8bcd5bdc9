"""The one line about the service that `systemctl status` shows, and telling it when it has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pi_rag import log
from pi_rag.alerts import Alert
from pi_rag.processes.states import READY
from pi_rag.types import Counts, Degraded

if TYPE_CHECKING:
    from pi_rag.service.house import House

CHARS_MAX = 300
"""A line that a person reads in a terminal."""

_log = log.logger("service")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the line is made of."""

    state: str
    degraded: Sequence[Degraded]
    reason: str | None
    """Why there is no embedder, in words."""
    counts: Counts | None
    """None: not known."""
    workers: int
    """That answer now."""
    is_making_index: bool
    alerts: Sequence[Alert]


def line(facts: Facts) -> str:
    """Such as `ready; 1,204 passages; 5 workers; 3 documents in the queue; alert: hot 81.5 °C`."""
    lacks = f" ({', '.join(facts.degraded)})" if facts.degraded else ""
    why = f": {facts.reason}" if facts.reason and facts.degraded else ""
    parts = [f"{facts.state}{lacks}{why}"]
    if facts.counts is not None:
        parts.append(_counted(facts.counts.chunks, "passage"))
    parts.append(_counted(facts.workers, "worker"))
    if facts.counts is not None and facts.counts.items_queued:
        parts.append(f"{_counted(facts.counts.items_queued, 'document')} in the queue")
    parts += ["making the index"] if facts.is_making_index else []
    if facts.alerts:
        parts.append(f"alert: {', '.join(_figure(each) for each in facts.alerts)}")
    whole = "; ".join(parts)
    return whole if len(whole) <= CHARS_MAX else f"{whole[: CHARS_MAX - 1]}…"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _figure(alert: Alert) -> str:
    value = f"{alert.value:,.0f}" if alert.value >= 100 else f"{alert.value:g}"
    return f"{alert.name} {value} {alert.unit}".strip()


class Telling:
    """Says the line when it has changed, and not more often than asked. It is asked again and again."""

    def __init__(self, house: House, say: Callable[[str], object]) -> None:
        self._house = house
        self._say = say
        self._said = ""
        self._next_s = house.clock.monotonic_s()
        self._state: tuple[str, tuple[Degraded, ...]] | None = None

    async def first(self) -> str:
        """The line that is said with READY; from then on `look` says what is new."""
        self._said = await self.line()
        return self._said

    async def look(self) -> None:
        """Say the line, if it is another one and it is time; a new state goes to the log, too."""
        house = self._house
        if house.clock.monotonic_s() < self._next_s:
            return
        now = await self.line()
        self._next_s = house.clock.monotonic_s() + house.settings.health.status_s_min
        state = (house.state, tuple(house.degraded()))
        if state != self._state:
            self._state = state
            _log.info("status", status=state[0], degraded=list(state[1]))
        if now != self._said:
            self._said = now
            self._say(now)

    async def line(self) -> str:
        """As it would be said now."""
        house = self._house
        embedder, tally = house.meaning.status(), await house.tally.now()
        return line(
            Facts(
                state=house.state,
                degraded=house.degraded(),
                reason=embedder["reason"],
                counts=tally.counts if tally else None,
                workers=sum(each["state"] in READY for each in embedder["workers"]),
                is_making_index=house.keeper.status()["making"],
                alerts=house.alarms.firing(),
            )
        )
