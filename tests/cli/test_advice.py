"""What to do about what the service lacks."""

from __future__ import annotations

from pathlib import Path

from pi_rag.cli import advice
from tests.host import boards

STATUS = {"data": "/var/lib/pi-rag"}


def test_a_folder_mounted_read_only_is_told_as_one(tmp_path: Path) -> None:
    """With the command that mounts it anew. Once it is, and at any other cause, a restart is still due."""
    mounted = advice.degraded("store_read_only", STATUS, boards.pi_zero_2(tmp_path / "card"))
    others = [
        advice.degraded("store_read_only", STATUS, boards.pi_5(tmp_path / "drive")),
        advice.degraded("store_read_only", {}, tmp_path),
    ]

    assert "mounted read-only" in mounted and f"remount,rw / && {advice.RESTART}" in mounted
    assert others == [advice.DEGRADED["store_read_only"]] * 2
    assert advice.RESTART in others[0]


def test_a_mount_point_with_a_space_is_one_word_of_the_command() -> None:
    """A drive is often mounted under its label."""
    assert "remount,rw '/media/My Disk' &&" in advice.writable_again("/media/My Disk")
