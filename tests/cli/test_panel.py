"""Lamp and button on gpiozero's mock pins, with a clock that a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pi_rag.cli.panel import Panel
from pi_rag.config import GpioSettings
from pi_rag.host import gpio
from pi_rag.host.signals import PATTERNS, Press, Signal
from tests.host.pins import BUTTON, LAMP, mocked

SETTINGS = GpioSettings(led_pin=LAMP, button_pin=BUTTON)
WELL = {"state": "ready", "alerts": [], "over_budget": False, "ingesting": False, "paused": False}

BRINGS: dict[Signal, list[dict[str, Any] | None]] = {
    Signal.READY: [WELL],
    Signal.BUSY: [WELL | {"searches": 1}, WELL | {"searches": 2}],
    Signal.INGESTING: [WELL | {"ingesting": True}],
    Signal.PAUSED: [WELL | {"paused": True}],
    Signal.DEGRADED: [WELL | {"state": "degraded"}],
    Signal.OVER_BUDGET: [WELL | {"over_budget": True}],
    Signal.STARTING: [WELL | {"state": "starting"}],
    Signal.STOPPING: [WELL | {"state": "stopping"}],
    Signal.ERROR: [WELL, None],
}
"""Answers of the service that end in each signal."""


class Bench:
    """A panel over mock pins, and the time."""

    def __init__(self, board: Any, pins: gpio.Pins) -> None:
        self.now_s = 100.0
        self.presses: list[Press] = []
        self.panel = Panel(pins, SETTINGS, self.presses.append, self.now_s)
        self.lamp = board.pin(LAMP)

    def watch(self, seconds: float) -> list[tuple[bool, int]]:
        """(lit, for how many ms) over so long, each step taken when the panel asked for it."""
        end_s, seen = self.now_s + seconds, []
        while self.now_s < end_s:
            wait_s = self.panel.step(self.now_s)
            step_s = min(end_s - self.now_s, 3600 if wait_s is None else wait_s)
            seen.append((self.lamp.state, round(step_s * 1000)))
            # A real clock moves in any case.
            self.now_s += max(step_s, 1e-6)
        return [each for each in seen if each[1]]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with mocked() as board, gpio.opened(SETTINGS, lambda _: None) as pins:
        yield Bench(board, pins)


@pytest.mark.parametrize("signal", Signal)
def test_each_state_is_seen_on_the_pin_as_the_table_says(bench: Bench, signal: Signal) -> None:
    """Level and duration, for two rounds of the pattern, with no time but the test's own."""
    for answer in BRINGS[signal]:
        bench.panel.told(answer)
    steps_ms = PATTERNS[signal].steps_ms
    seen = bench.watch(2 * sum(steps_ms) / 1000)
    if len(steps_ms) == 1:
        assert seen == [(True, 2 * steps_ms[0])]
    else:
        assert seen == [(number % 2 == 0, ms) for number, ms in enumerate(steps_ms)] * 2


def test_it_begins_with_starting_and_follows_what_is_said(bench: Bench) -> None:
    """A change begins its pattern at the beginning, in the middle of another one's dark."""
    assert bench.watch(0.7) == [(True, 500), (False, 200)]
    bench.panel.told(WELL | {"ingesting": True})
    assert bench.watch(1.6) == [(True, 1500), (False, 100)]
    bench.panel.told(None)
    assert bench.watch(0.34) == [(True, 170), (False, 170)]


def test_the_same_answer_again_does_not_begin_the_pattern_anew(bench: Bench) -> None:
    """Asked every second, a lamp with a pattern of two seconds still shows it whole."""
    seen = []
    for _ in range(4):
        bench.panel.told(WELL | {"paused": True})
        seen += bench.watch(1.0)
    assert seen == [(True, 100), (False, 900), (False, 1000)] * 2


def test_presses_are_handed_on(bench: Bench) -> None:
    """With the debounce and the time to hold of the settings."""
    bench.panel.edge(True, bench.now_s)
    bench.watch(0.3)
    bench.panel.edge(False, bench.now_s)
    bench.watch(0.04)
    assert bench.presses == []
    bench.watch(0.02)
    assert bench.presses == ["short"]
    bench.panel.edge(True, bench.now_s)
    bench.watch(2.99)
    assert bench.presses == ["short"]
    bench.watch(0.02)
    assert bench.presses == ["short", "long"]


def test_a_press_is_answered_for_a_while(bench: Bench) -> None:
    """Whatever the service says meanwhile; then it shows the service again."""
    bench.panel.told(WELL)
    bench.panel.show(Signal.ERROR, bench.now_s + 0.34)
    assert bench.watch(0.17) == [(True, 170)]
    bench.panel.told(WELL)
    assert bench.watch(1.17) == [(False, 170), (True, 1000)]
