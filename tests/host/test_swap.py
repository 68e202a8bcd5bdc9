"""What is swapped to, for every board."""

from __future__ import annotations

from pathlib import Path

from pi_rag.host.swap import swap
from tests.host import boards


def test_every_board_tells_what_it_swaps_to(tmp_path: Path) -> None:
    """A file is what it lies on: the same /var/swap wears a card and does no harm to a drive."""
    assert swap(boards.pi_5(tmp_path / "5")) == ("zram", 2097136 / 1024)
    assert swap(boards.pi_4(tmp_path / "4")) == ("disk", 102396 / 1024)
    assert swap(boards.pi_zero_2(tmp_path / "0")) == ("card", 102396 / 1024)
    assert swap(boards.pc(tmp_path / "pc"))[0] == "disk"
    assert swap(tmp_path / "none") == ("none", 0)


def test_of_several_the_one_that_wears_most_is_told(tmp_path: Path) -> None:
    """zram in front of a file on the card still ends on the card."""
    root = boards.pi_zero_2(tmp_path)
    boards.write(
        root,
        {"proc/swaps": "Filename\n/dev/zram0 partition 1024 0 100\n/dev/mmcblk0p3 partition 2048 0 -2\n"},
    )
    assert swap(root) == ("card", 3.0)
