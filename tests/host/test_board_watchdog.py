"""The board's own watchdog."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.host.board_watchdog import state
from tests.host import boards


def test_the_kernel_tells_whether_it_is_wound_up(tmp_path: Path) -> None:
    """By whoever does it; a machine without one has none."""
    assert state(boards.pi_5(tmp_path / "5")) == "armed"
    assert state(boards.pi_4(tmp_path / "4")) == "idle"
    assert state(boards.pc(tmp_path / "pc")) == "absent"


@pytest.mark.parametrize(
    ("said", "found"), [("1min", "armed"), ("0", "idle"), ("infinity", "idle"), ("", "idle")]
)
def test_where_the_kernel_is_silent_systemd_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, found: str
) -> None:
    """By the words that `systemctl show` has for a time."""
    boards.write(
        tmp_path,
        {"dev/watchdog": "", "run/systemd/system/x": "", "bin/systemctl": f"#!/bin/sh\necho {said}\n"},
    )
    (tmp_path / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert state(tmp_path) == found


def test_without_systemd_nobody_is_asked(tmp_path: Path) -> None:
    """Then it is there, and idle as far as can be known."""
    boards.write(tmp_path, {"dev/watchdog": ""})
    assert state(tmp_path) == "idle"
