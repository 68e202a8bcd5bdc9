"""Wear and errors of disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.host.disk_health import Health, health, life_used_percent
from pi_rag.host.storage import storage
from tests.host import boards

DATA = Path("/var/lib/pi-rag")


def test_every_board_tells_what_its_disk_tells(tmp_path: Path) -> None:
    """The state of an NVMe controller, failed commands on USB, what the filesystem found wrong on a card."""
    roots = [
        boards.pi_5(tmp_path / "5"),
        boards.pi_4(tmp_path / "4"),
        boards.pi_zero_2(tmp_path / "0"),
        boards.pc(tmp_path / "pc"),
    ]
    assert [health(storage(DATA, root), root) for root in roots] == [
        Health(None, None, 0, "live"),
        Health(None, None, 2, ""),
        Health(None, None, 3, ""),
        Health(None, None, None, ""),
    ]


@pytest.mark.parametrize(
    ("told", "percent"),
    [
        ("0x01 0x02", 20),
        ("0x0b 0x01", 110),
        ("0x00 0x00", None),
        ("", None),
        ("0x0c 0xff", None),
        ("worn", None),
    ],
)
def test_the_wear_of_emmc_is_in_tenths(told: str, percent: int | None) -> None:
    """The worse of its two kinds of cells; what is beyond the standard is not known."""
    assert life_used_percent(told) == percent


def test_spare_blocks_that_run_out_are_told(tmp_path: Path) -> None:
    """Long before the last one, and only where the memory tells."""
    root = boards.pi_zero_2(tmp_path)
    for told, low in (("0x01\n", False), ("0x02\n", True), ("0x03\n", True), ("0x00\n", None), ("?", None)):
        boards.write(root, {"sys/block/mmcblk0/device/pre_eol_info": told})
        assert health(storage(DATA, root), root).spare_low is low
