"""A lamp and a button, joined: the lamp shows what the service said last, and presses are handed on.

It is driven from outside: told what has happened, and asked to step when it is time. It knows no thread and
no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pi_rag.config import GpioSettings
from pi_rag.host.gpio import Pins
from pi_rag.host.signals import Press, Presses, Signal, is_lit, next_change_s, signal_of


class Panel:
    """What `pi-rag gpio` keeps; times are those of one monotonic clock."""

    def __init__(
        self, pins: Pins, settings: GpioSettings, on_press: Callable[[Press], None], now_s: float
    ) -> None:
        self._pins = pins
        self._on_press = on_press
        self._presses = Presses(
            hold_s=settings.hold_s,
            debounce_s=settings.debounce_ms / 1000,
            is_down=pins.is_down,
            now_s=now_s,
        )
        self._told = self.shown = Signal.STARTING
        self._since_s = now_s
        self._over: tuple[Signal, float] | None = None
        """What is shown instead, and until when."""
        self._searches: int | None = None

    def told(self, pulse: Mapping[str, Any] | None) -> None:
        """An answer of GET /v1/pulse; None when there was none."""
        self._told = signal_of(pulse, self._searches)
        self._searches = None if pulse is None else pulse.get("searches")

    def show(self, signal: Signal, until_s: float) -> None:
        """Show this instead, until then: an answer to the finger that pressed."""
        self._over = (signal, until_s)

    def edge(self, is_down: bool, at_s: float) -> None:
        """The button's contact changed."""
        self._presses.edge(is_down, at_s)

    def step(self, now_s: float) -> float | None:
        """Do what is due. Gives in how many seconds to ask again; None: when something has happened."""
        for press in self._presses.due(now_s):
            self._on_press(press)
        self._choose(now_s)
        since_s = now_s - self._since_s
        self._pins.light(is_lit(self.shown, since_s))
        over_s = None if self._over is None else self._over[1] - now_s
        waits = (next_change_s(self.shown, since_s), self._presses.wait_s(now_s), over_s)
        return min((wait for wait in waits if wait is not None), default=None)

    def _choose(self, now_s: float) -> None:
        """What is shown now; a pattern begins at its beginning."""
        if self._over is not None and now_s >= self._over[1]:
            self._over = None
        signal = self._told if self._over is None else self._over[0]
        if signal != self.shown:
            self.shown, self._since_s = signal, now_s
