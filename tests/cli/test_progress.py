"""How far a job is: the figures, the lines and the bar."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.cli.progress import LINE_S, Lines, Pace, progress
from tests.cli.test_follow import Clock
from tests.cli.test_printing import Terminal


def job(done: int, total: int = 100, chunks: int = 0) -> dict[str, Any]:
    """A running job."""
    return {"items_total": total, "items_done": done, "items_refused": 0, "chunks": chunks}


def test_the_figures_are_measured() -> None:
    """Ten documents and forty passages in five seconds: the rate, and the time the rest takes."""
    pace = Pace()
    assert pace.figures(job(0), 100) == "0/100 documents, 0 passages"
    assert pace.figures(job(10, chunks=40), 105) == (
        "10/100 documents, 40 passages, 8.0 passages/s, 45 s left"
    )


def test_what_was_done_before_does_not_count_as_speed() -> None:
    """A job that was half done when the waiting began is not fast for that."""
    pace = Pace()
    pace.figures(job(50, chunks=500), 100)
    assert "1.0 passages/s" in pace.figures(job(50, chunks=510), 110)


def test_what_takes_no_work_does_not_count_as_speed() -> None:
    """A folder is unfolded: thousands of files are unchanged or no text, at once. The rest takes its time."""
    pace = Pace()
    pace.figures(job(0, total=1), 100)
    unfolded = job(0, total=10_000) | {"items_unchanged": 9_000, "items_refused": 900}
    assert pace.figures(unfolded, 101) == "9,900/10,000 documents, 0 passages"
    assert pace.figures(unfolded | {"items_done": 1}, 105).endswith(" 8 min 15 s left")


def test_the_rate_follows_a_change() -> None:
    """Only the last half minute counts."""
    pace = Pace()
    for second in range(60):
        pace.sample(job(0, chunks=second * 100), second)
    for second in range(60, 120):
        pace.sample(job(0, chunks=6000 + second), second)
    assert pace.rates()[1] == pytest.approx(1.0)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50), st.integers(0, 50)), max_size=20))
def test_no_figures_break_it(steps: list[tuple[float, int, int]]) -> None:
    """Time that stands still, totals of nothing: always a line, never a negative time."""
    pace, now_s, done = Pace(), 0.0, 0
    for passed_s, more, total in steps:
        now_s, done = now_s + passed_s, done + more
        assert "-" not in pace.figures(job(done, total, done), now_s)


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing for a short job, a line every few seconds for a long one."""
    clock = Clock()
    lines = Lines(clock)
    for second in range(12):
        lines.show(job(second))
        clock.pause(1)
    shown = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in shown] == [f"{int(LINE_S)}/100", f"{int(LINE_S) * 2}/100"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is drawn in place; names in brackets are shown as they are."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with progress(Clock(), quiet=False) as shown:
        shown.show(job(34))
        shown.say("waits for [bold]")
    assert "34/100 documents" in terminal.getvalue()
    assert "waits for [bold]" in terminal.getvalue()


def test_a_program_gets_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json nothing but the answer is printed."""
    with progress(Clock(), quiet=True) as shown:
        shown.show(job(1))
        shown.say("x")
    assert capsys.readouterr() == ("", "")
