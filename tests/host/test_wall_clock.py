"""Whether the machine knows the time."""

from __future__ import annotations

import os
from pathlib import Path

from pi_rag.host.wall_clock import Known, behind_s, known, synchronised
from tests.host import boards

YEAR_S = 365 * 86400.0


def test_a_pi_5_tells_of_its_battery(tmp_path: Path) -> None:
    """And of the time server that was heard; an empty socket reads next to nothing."""
    root = boards.pi_5(tmp_path)
    assert known(root) == Known(True, "rpi-rtc soc:rpi_rtc", True)
    boards.write(root, {"sys/class/rtc/rtc0/battery_voltage": "12000\n"})
    assert known(root).battery is False


def test_a_board_that_says_nothing_is_not_known(tmp_path: Path) -> None:
    """That is neither right nor wrong."""
    assert known(boards.pi_4(tmp_path)) == Known(None, "", None)


def test_this_machines_kernel_says_one_or_the_other() -> None:
    """Asked for real, by the call that chrony and ntpd set."""
    assert synchronised() in {True, False, None}


def test_a_clock_that_was_set_back_is_seen_by_what_was_written(tmp_path: Path) -> None:
    """By the latest of the files, and by as much; files that are not there tell nothing."""
    (tmp_path / "a").write_text("")
    (tmp_path / "b").write_text("")
    os.utime(tmp_path / "a", (1_000_000.0, 1_000_000.0))
    os.utime(tmp_path / "b", (900_000.0, 900_000.0))
    files = [tmp_path / "b", tmp_path / "a", tmp_path / "none"]
    assert behind_s(files, 1_000_000.0 - YEAR_S) == YEAR_S
    assert behind_s(files, 1_000_500.0) < 0
    assert behind_s([tmp_path / "none"], 5.0) == 0
