"""Where the log of the system is kept."""

from __future__ import annotations

from pathlib import Path

from pi_rag.host.journal import kept, setting
from tests.host import boards


def test_every_board_tells_where_its_log_is(tmp_path: Path) -> None:
    """Raspberry Pi OS sets it to memory in a drop-in of its own."""
    assert (kept(boards.pi_5(tmp_path / "5")), setting(tmp_path / "5")) == ("volatile", "volatile")
    assert (kept(boards.pi_4(tmp_path / "4")), setting(tmp_path / "4")) == ("persistent", "auto")
    assert kept(tmp_path / "none") is None


def test_the_last_name_wins_wherever_it_lies(tmp_path: Path) -> None:
    """So a drop-in of ours has to come after Raspberry Pi OS's, in /etc as elsewhere."""
    root = boards.pi_5(tmp_path)
    boards.write(root, {"etc/systemd/journald.conf.d/10-early.conf": "[Journal]\nStorage=persistent\n"})
    assert setting(root) == "volatile"
    boards.write(root, {"etc/systemd/journald.conf.d/99-late.conf": "[Journal]\nStorage = persistent\n"})
    assert setting(root) == "persistent"


def test_a_file_in_etc_takes_the_place_of_the_systems(tmp_path: Path) -> None:
    """By the same name, it alone is read."""
    root = boards.pi_5(tmp_path)
    boards.write(root, {"etc/systemd/journald.conf.d/40-rpi-volatile-storage.conf": "# mine\n"})
    assert setting(root) == "auto"
    assert kept(root) == "volatile"
    boards.write(root, {"var/log/journal/0123/system.journal": ""})
    assert kept(root) == "persistent"
