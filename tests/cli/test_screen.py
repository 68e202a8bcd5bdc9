"""The screen as lines, recorded by rich's own console."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pi_rag.cli.figures import WINDOW_S, History, Look, Series
from pi_rag.cli.screen import BLOCKS, curve, frame

FULL: dict[str, Any] = {
    "version": "0.1.0",
    "state": "degraded",
    "degraded": ["memory_short"],
    "uptime_s": 4000.0,
    "alerts": [{"name": "disk_low", "value": 90.0, "limit": 200.0, "unit": "MiB", "for_s": 61.0}],
    "searches": {"searches": 100, "window": {"count": 90, "p50_ms": 4.2, "p95_ms": 71.3, "p99_ms": 90.0}},
    "cache": {"hits": 30, "misses": 10, "results": {"hits": 5, "misses": 35}},
    "counts": {"items_queued": 40, "jobs_open": 1},
    "jobs": {"dead_letters": 2},
    "ingest": {"passages": {"embedded": 700, "reused": 0}, "waiting_for": "paused"},
    "embedder": {
        "workers": [
            {"pid": 11, "state": "busy", "restarts": 0},
            {"pid": 12, "state": "idle", "restarts": 0},
            {"pid": 13, "state": "idle", "restarts": 0},
        ]
    },
    "memory": {
        "step": "refuse",
        "budget_mib": 1024,
        "pss_mib_total": 980.2,
        "processes": [{"pid": 11, "role": "worker", "pss_mib": 31.0}, {"pid": 12, "pss_mib": None}],
    },
    "board": {"temperature_c": 71.4, "undervoltage": True, "throttled": None},
}
"""A status in which everything is told, and much is amiss."""

STAGES = {("query", stage): {0.01: 9.0, 0.1: 10.0} for stage in ("embed", "vector", "text", "total")}


def history() -> History:
    """Two looks, two seconds apart."""
    before = FULL | {"uptime_s": 3998.0, "searches": {"searches": 95}, "counts": {"items_queued": 41}}
    made = History()
    made.add(Look(100.0, before))
    made.add(Look(102.0, FULL, STAGES))
    return made


def shown(made: History, width: int, height: int, **more: str) -> list[str]:
    """The frame as a console of that size shows it."""
    console = Console(record=True, file=io.StringIO(), width=width, height=height, highlight=False)
    for line in frame(made, width, height, **more):
        console.print(line)
    return console.export_text().splitlines()


def test_everything_is_on_a_usual_terminal() -> None:
    """At 80 by 24, what is amiss first, with the figures, their curves beside them, and the keys below."""
    lines = shown(history(), 80, 24, keys="q quit")
    text = "\n".join(lines)
    assert lines[0] == "degraded, up 1 h 6 min, pi-rag 0.1.0"
    assert lines[1].split() == ["degraded", "memory_short"]
    assert lines[2] == "alerts    disk_low, 90 MiB (limit 200)"
    for told in (
        "searches  2.5/s",
        "p50 4.2, p95 71 ms",
        "search    p50/p95 ms, since the start",
        "embed 5.6/55",
        "75% of vectors",
        "12% of answers",
        "1 job open, 40 waiting",
        "held up: paused",
        "2 documents given up: pi-rag jobs failed",
        "1 busy, 2 idle",
        "31 + ? + ? MiB",
        "980 of 1,024 MiB, refuse",
        "71 °C, undervoltage",
    ):
        assert told in text
    assert lines[-1] == "q quit"
    assert lines[3].endswith("█")
    assert len(lines) <= 24 and max(map(len, lines)) <= 80


def test_a_phone_shows_it_too() -> None:
    """At 40 columns a curve has a line of its own, and nothing is wider than the screen."""
    lines = shown(history(), 40, 60, keys="q quit")
    assert max(map(len, lines)) <= 40
    number = next(number for number, line in enumerate(lines) if line.startswith("searches"))
    assert lines[number].rstrip() == "searches  2.5/s" and lines[number + 1].strip() == "█"


@pytest.mark.parametrize("width", [20, 40, 64, 80, 200])
@pytest.mark.parametrize("height", [3, 8, 16, 24, 50])
def test_whatever_the_size_it_fits(width: int, height: int) -> None:
    """What is amiss and the keys stay; stages give way first, then curves, then what stands last."""
    lines = shown(history(), width, height, keys="q quit")
    assert len(lines) <= height and max(map(len, lines)) <= width
    assert lines[0].startswith("degraded") and lines[1].startswith("degraded") and lines[-1] == "q quit"
    if width >= 40 and height == 16:
        assert any(line.startswith("memory") for line in lines)
        assert not any(line.startswith("search ") for line in lines)


def test_a_service_that_is_away_is_waited_for() -> None:
    """The head says so and why; the figures that were known last stay, and look old."""
    lines = frame(history(), 80, 24, trouble="Nothing answers on /x.")
    assert lines[0].plain == "waiting for the service: Nothing answers on /x."
    assert any(line.plain.startswith("memory") for line in lines)
    assert all("dim" in str(line.spans) + str(line.style) for line in lines[1:])
    assert [line.plain for line in frame(History(), 80, 24)] == ["waiting for the service"]


def test_a_status_that_tells_little_is_shown_as_far_as_it_goes() -> None:
    """An older service, or one that has just begun: no figure is made up."""
    made = History()
    made.add(Look(1.0, {"state": "starting"}))
    lines = shown(made, 80, 24)
    assert lines[0].startswith("starting, up 0")
    assert "searches  -" in lines and "workers   none" in lines


def test_colours_stay_out_of_a_pipe() -> None:
    """What is not a terminal gets letters only."""
    out = io.StringIO()
    for line in frame(history(), 80, 24):
        Console(file=out, width=80).print(line)
    assert "\x1b" not in out.getvalue() and "degraded" in out.getvalue()


def test_a_curve_has_the_newest_at_its_right_end() -> None:
    """The highest is a full block, what is small is still seen, and what is not known is blank."""
    now_s = 1000.0
    assert curve([(now_s, 8.0), (now_s - WINDOW_S / 2, 4.0), (now_s - 10, 0.0)], 30, now_s) == (
        " " * 14 + "▅" + " " * 13 + "▁█"
    )
    assert curve([(now_s, 0.0)], 3, now_s) == "  ▁"
    assert curve([], 3, now_s) == "   "


@given(
    st.lists(st.tuples(st.floats(0, WINDOW_S, exclude_max=True), st.floats(0, 1e9)), max_size=50),
    st.integers(1, 60),
)
def test_a_curve_is_as_wide_as_it_is_asked_to_be(ago: Series, columns: int) -> None:
    """Whatever the values, it is made of blocks, and its highest one is full."""
    drawn = curve([(500.0 - ago_s, value) for ago_s, value in ago], columns, 500.0)
    assert len(drawn) == columns and set(drawn) <= set(BLOCKS)
    assert ("█" in drawn) == any(value > 0 for _, value in ago)
