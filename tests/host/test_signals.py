"""What the lamp shows and what a press is, decided with made-up times."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.host.signals import PATTERNS, Press, Presses, Signal, is_lit, next_change_s, signal_of

PAGE = Path(__file__).parents[2] / "docs" / "led.md"
WELL = {
    "state": "ready",
    "degraded": [],
    "alerts": [],
    "over_budget": False,
    "ingesting": False,
    "paused": False,
}


def pulse(**fields: Any) -> dict[str, Any]:
    """An answer of GET /v1/pulse, well but for these."""
    return WELL | {"searches": 7} | fields


@pytest.mark.parametrize(
    ("said", "signal"),
    [
        (pulse(), Signal.READY),
        (pulse(searches=8), Signal.BUSY),
        (pulse(ingesting=True), Signal.INGESTING),
        (pulse(ingesting=True, searches=8), Signal.BUSY),
        (pulse(paused=True, ingesting=True), Signal.PAUSED),
        (pulse(state="degraded", degraded=["embedder_unavailable"]), Signal.DEGRADED),
        (pulse(alerts=["disk_low"], paused=True), Signal.DEGRADED),
        (pulse(alerts=["cache_hits_low"]), Signal.READY),
        (pulse(over_budget=True, alerts=["memory_high"]), Signal.OVER_BUDGET),
        (pulse(state="starting", over_budget=True), Signal.STARTING),
        (pulse(state="stopping", ingesting=True), Signal.STOPPING),
        (None, Signal.ERROR),
        (pulse(state="something new"), Signal.ERROR),
        ({}, Signal.ERROR),
    ],
)
def test_the_most_urgent_is_shown(said: dict[str, Any] | None, signal: Signal) -> None:
    """Every signal has an answer that brings it, and the more urgent one wins."""
    assert signal_of(said, searches_before=7) is signal


def test_the_first_answer_is_no_search() -> None:
    """A service that has answered thousands of searches is not busy because a lamp begins to look."""
    assert signal_of(pulse(searches=9000), searches_before=None) is Signal.READY


@pytest.mark.parametrize("signal", Signal)
def test_a_pattern_is_played_as_the_table_says(signal: Signal) -> None:
    """Going from change to change, light and dark last as long as the table says, twice over."""
    steps_ms = PATTERNS[signal].steps_ms
    if len(steps_ms) == 1:
        assert is_lit(signal, 0) and is_lit(signal, 1e6) and next_change_s(signal, 3) is None
        return
    at_s, seen = 0.0, []
    for _ in range(2 * len(steps_ms)):
        lit, wait_s = is_lit(signal, at_s + 1e-6), next_change_s(signal, at_s + 1e-6)
        assert wait_s is not None
        seen.append((lit, round(wait_s * 1000)))
        at_s += wait_s + 1e-6
    assert seen == [(number % 2 == 0, ms) for number, ms in enumerate(steps_ms)] * 2


def test_no_pattern_flashes_fast_enough_to_harm() -> None:
    """At most three flashes begin in any second, and no two signals look the same."""
    for signal, pattern in PATTERNS.items():
        for start_ms in range(0, sum(pattern.steps_ms) if len(pattern.steps_ms) > 1 else 0, 10):
            lit = [is_lit(signal, (start_ms + ms) / 1000) for ms in range(0, 1000, 5)]
            assert sum(now and not before for before, now in pairwise(lit)) <= 3, signal
    assert len({pattern.steps_ms for pattern in PATTERNS.values()}) == len(PATTERNS) == len(Signal)


def test_the_page_shows_the_table_of_the_code() -> None:
    """docs/led.md has exactly these rows, and names the order of urgency."""
    steps = {signal: ", ".join(map(str, each.steps_ms)) for signal, each in PATTERNS.items()}
    steps[Signal.READY] = "lit"
    rows = [
        f"| {signal} | {each.looks} | {steps[signal]} | {each.means} |" for signal, each in PATTERNS.items()
    ]
    text = PAGE.read_text()
    assert "\n".join(rows) + "\n\n" in text
    assert f"the most urgent: {', '.join(Signal)}." in " ".join(text.split())


def presses(*, is_down: bool = False) -> Presses:
    """Long from 3 s on, with a debounce of 50 ms, from the moment 0 on."""
    return Presses(hold_s=3, debounce_s=0.05, is_down=is_down, now_s=0)


def test_a_short_press_is_told_when_it_ends() -> None:
    """Bounces at its beginning and end are no presses of their own."""
    button = presses()
    for at_s, is_down in [
        (1, True),
        (1.001, False),
        (1.002, True),
        (1.5, False),
        (1.503, True),
        (1.504, False),
    ]:
        button.edge(is_down, at_s)
        assert button.due(at_s) == []
    assert button.wait_s(1.504) == pytest.approx(0.05)
    assert button.due(1.53) == [] and button.due(1.56) == ["short"]
    assert button.due(9) == [] and button.wait_s(9) is None


def test_a_long_press_is_told_while_the_button_is_down() -> None:
    """Whoever holds it sees that it was long enough; letting go is no short press after it."""
    button = presses()
    button.edge(True, 1)
    assert button.due(1.1) == [] and button.wait_s(1.1) == pytest.approx(2.9)
    assert button.due(3.99) == [] and button.due(4.0) == ["long"]
    button.edge(False, 60)
    assert button.due(61) == []


def test_a_spark_does_nothing() -> None:
    """A long wire catches sparks: what is shorter than the debounce neither presses nor ends a press."""
    button = presses()
    button.edge(True, 1)
    button.edge(False, 1.04)
    assert button.due(2) == []
    button.edge(True, 3)
    assert button.due(4) == []
    button.edge(False, 5)
    button.edge(True, 5.01)
    assert button.due(6) == ["long"]


def test_a_button_that_is_down_at_the_start_waits_to_be_let_go() -> None:
    """A wire that touches ground must not shut a machine down at every boot."""
    button = presses(is_down=True)
    assert button.due(100) == [] and button.wait_s(100) is None
    button.edge(False, 101)
    assert button.due(102) == []
    button.edge(True, 103)
    button.edge(False, 104)
    assert button.due(105) == ["short"]


EDGES = st.lists(st.tuples(st.floats(0.001, 5), st.booleans()), max_size=30)


@given(EDGES, st.lists(st.floats(0, 100), max_size=20), st.booleans())
def test_what_was_pressed_does_not_depend_on_when_one_asks(
    edges: list[tuple[float, bool]], asked_s: list[float], is_down: bool
) -> None:
    """A process that was late hears the same presses in the same order."""
    late, prompt = presses(is_down=is_down), presses(is_down=is_down)
    at_s = 0.0
    told: list[Press] = []
    for pause_s, down in edges:
        for now_s in sorted(each for each in asked_s if at_s < each <= at_s + pause_s):
            told += prompt.due(now_s)
        at_s += pause_s
        prompt.edge(down, at_s)
        late.edge(down, at_s)
    assert told + prompt.due(200) == late.due(200)
