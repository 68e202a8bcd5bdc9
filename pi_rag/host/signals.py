"""What a lamp shows of the service, and what a press of a button means: deciding only, without a pin.

`signal_of` makes one word of what the service says of itself, `PATTERNS` makes light and dark of that word,
and `Presses` makes short and long presses of what a bouncing contact tells. It knows no library and no
socket; the clock is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any, Literal

STATES = ("starting", "ready", "degraded", "stopping")
"""All that the service can say of its state."""


QUIET = frozenset({"cache_hits_low"})
"""Alerts that cost a little time and nothing else. A lamp that always asks for help is soon ignored."""


class Signal(StrEnum):
    """Everything that the lamp can say, the most urgent first."""

    ERROR = "error"
    STOPPING = "stopping"
    STARTING = "starting"
    OVER_BUDGET = "over budget"
    DEGRADED = "degraded"
    PAUSED = "paused"
    BUSY = "busy"
    INGESTING = "ingesting"
    READY = "ready"


@dataclass(frozen=True)
class Pattern:
    """Light and dark in turn, over and over."""

    steps_ms: tuple[int, ...]
    """How long it is lit, dark, lit, ...; a single step means lit all the time."""

    looks: str
    """What a person sees."""

    means: str
    """What it says, and what to do."""


PATTERNS: dict[Signal, Pattern] = {
    Signal.READY: Pattern((1000,), "lit", "All is well."),
    Signal.BUSY: Pattern((250, 100), "lit, with quick gaps", "A search was asked just now."),
    Signal.INGESTING: Pattern((1500, 500), "lit, with a slow gap", "Documents are being added."),
    Signal.PAUSED: Pattern(
        (100, 1900), "one short flash, long dark", "Adding is paused. A short press lets it go on."
    ),
    Signal.DEGRADED: Pattern(
        (150, 200, 150, 1000), "two flashes, dark", "Searches work, but something is amiss: `pi-rag status`."
    ),
    Signal.OVER_BUDGET: Pattern(
        (150, 200, 150, 200, 150, 1000),
        "three flashes, dark",
        "It uses more memory than it should, and does something about it.",
    ),
    Signal.STARTING: Pattern((500, 500), "on and off, once a second", "It starts."),
    Signal.STOPPING: Pattern(
        (250, 1250), "a flash, dark, a flash", "It stops, and finishes what it has begun."
    ),
    Signal.ERROR: Pattern(
        (170, 170),
        "on and off, three times a second",
        "Nothing answers: `journalctl -u pi-rag`, `pi-rag doctor`.",
    ),
}
"""The one table of what is shown how. docs/led.md shows it too, and a test holds the two together. Nothing
flashes more than three times a second, which some people could not bear."""


def is_lit(signal: Signal, since_s: float) -> bool:
    """Whether the lamp is lit when it has shown this for so long."""
    return _place(signal, since_s)[0]


def next_change_s(signal: Signal, since_s: float) -> float | None:
    """In how many seconds that changes; None: it never does."""
    return _place(signal, since_s)[1]


def _place(signal: Signal, since_s: float) -> tuple[bool, float | None]:
    steps_ms = PATTERNS[signal].steps_ms
    if len(steps_ms) == 1:
        return True, None
    # In whole microseconds, so that a step ends when it is over and not a rounding error later.
    at_us = round(since_s * 1e6) % (1000 * sum(steps_ms))
    ends_us = [1000 * end_ms for end_ms in accumulate(steps_ms)]
    number = next(number for number, end_us in enumerate(ends_us) if at_us < end_us)
    return number % 2 == 0, (ends_us[number] - at_us) / 1e6


def signal_of(pulse: Mapping[str, Any] | None, searches_before: int | None = None) -> Signal:
    """What to show for an answer of GET /v1/pulse; None when nothing answered.

    `searches_before` is what `searches` was in the answer before: a difference means that somebody asks.
    """
    if pulse is None:
        return Signal.ERROR
    state = pulse.get("state")
    facts = {
        Signal.ERROR: state not in STATES,
        Signal.STOPPING: state == "stopping",
        Signal.STARTING: state == "starting",
        Signal.OVER_BUDGET: pulse.get("over_budget"),
        Signal.DEGRADED: state == "degraded" or not QUIET.issuperset(pulse.get("alerts", ())),
        Signal.PAUSED: pulse.get("paused"),
        Signal.BUSY: searches_before not in (None, pulse.get("searches")),
        Signal.INGESTING: pulse.get("ingesting"),
        Signal.READY: True,
    }
    return next(signal for signal in Signal if facts[signal])


Press = Literal["short", "long"]


class Presses:
    """Short and long presses of one button, out of the edges that its contact makes.

    A contact bounces, and a long wire catches sparks: a level counts when it has held for `debounce_s`. A
    long press is told while the button is still down, so that its finger knows. A button that is down when
    this begins counts only after it was let go: a wire that touches ground must not shut a machine down at
    each boot.
    """

    def __init__(self, *, hold_s: float, debounce_s: float, is_down: bool, now_s: float) -> None:
        self._hold_s = hold_s
        self._debounce_s = debounce_s
        self._raw = self._settled = is_down
        self._edge_s = self._down_s = now_s
        self._is_spent = is_down
        """This press was told already, or is none."""
        self._told: list[Press] = []

    def edge(self, is_down: bool, at_s: float) -> None:
        """The contact changed, at this moment."""
        self._advance(at_s)
        if is_down != self._raw:
            self._raw, self._edge_s = is_down, at_s

    def due(self, now_s: float) -> list[Press]:
        """What has become a press by now, each told once."""
        self._advance(now_s)
        told, self._told = self._told, []
        return told

    def wait_s(self, now_s: float) -> float | None:
        """In how many seconds to ask again; None: not before the next edge."""
        if self._raw != self._settled:
            return max(0.0, self._edge_s + self._debounce_s - now_s)
        if self._settled and not self._is_spent:
            return max(0.0, self._down_s + self._hold_s - now_s)
        return None

    def _advance(self, now_s: float) -> None:
        if self._raw != self._settled and now_s >= self._edge_s + self._debounce_s:
            self._settle()
        is_held = self._settled and self._raw and now_s >= self._down_s + self._hold_s
        if is_held and not self._is_spent:
            self._is_spent = True
            self._told.append("long")

    def _settle(self) -> None:
        self._settled = self._raw
        if self._settled:
            self._down_s, self._is_spent = self._edge_s, False
        elif not self._is_spent:
            self._told.append("short")
