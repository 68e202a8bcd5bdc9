"""How busy a machine is with others, and what a missed bound in time then says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.stress.neighbours import BUSY_SHARE, TICKS_A_SECOND, Times, judged, share, times


@pytest.mark.parametrize(("busy", "idle", "found"), [(30, 70, 0.3), (0, 100, 0.0), (100, 0, 1.0)])
def test_the_share_is_what_was_at_work_of_all(tmp_path: Path, busy: int, idle: int, found: float) -> None:
    """Of all processors together, in the time that was looked at; waiting for a disk is no work."""
    stat = tmp_path / "stat"
    stat.write_text("cpu 100 0 50 1000 10 0 0 0 0 0\n")

    def later(_: float) -> None:
        stat.write_text(f"cpu {100 + busy} 0 50 {1000 + idle // 2} {10 + idle - idle // 2} 0 0 0 0 0\n")

    assert share(1.0, later, stat) == pytest.approx(found)


def test_a_kernel_that_does_not_say_leaves_bounds_in_force(tmp_path: Path) -> None:
    """Nobody is excused by a file that is not there."""
    assert share(1.0, lambda _: None, tmp_path / "none") == 0.0
    assert times(tmp_path / "none").stolen_s_since(Times()) == 0.0


def test_what_other_guests_took_is_told_apart(tmp_path: Path) -> None:
    """It is work to `share`, which asks how busy the machine is; to whose work it held up, it is theft."""
    stat = tmp_path / "stat"
    stat.write_text("cpu 100 0 50 1000 10 0 0 7 0 0\n")
    before = times(stat)
    stat.write_text("cpu 160 0 50 1030 10 0 0 17 0 0\n")
    assert times(stat).stolen_s_since(before) == 10 / TICKS_A_SECOND
    assert (times(stat).busy - before.busy, times(stat).total - before.total) == (70, 100)


def test_a_bound_that_was_missed_on_a_busy_machine_says_nothing() -> None:
    """One that was held is held all the same, and on a quiet machine one that was missed is missed."""
    assert judged(True, "3 s", 1.0) == ("3 s", True)
    assert judged(False, "9 s", BUSY_SHARE) == ("9 s", False)
    seen, is_kept = judged(False, "9 s", 0.8)
    assert is_kept is None
    assert "80%" in seen
