"""What the data lies on."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pi_rag.cli.checks.check import Check
from pi_rag.cli.checks.disk import disk
from tests.host import boards

ROOT = Path(__file__).parents[3]


def checks(root: Path) -> dict[str, Check]:
    """The lines by what they are about."""
    return {check.what: check for check in disk(Path("/var/lib/pi-rag"), root)}


def test_a_sound_drive_is_well(tmp_path: Path) -> None:
    """NVMe, with zram, and nothing in the kernel's log."""
    found = checks(boards.write(boards.pi_5(tmp_path), {"dev/kmsg": "6,1,1,-;usb 1-1: new device\n"}))
    assert found["storage"].detail == "NVMe, nvme0n1p2, ext4"
    assert found["swap"].detail == "2.0 GiB in RAM, compressed (zram)"
    assert {check.verdict for check in found.values()} == {"ok"}


def test_a_card_that_gives_up_is_told(tmp_path: Path) -> None:
    """It can only be read, its filesystem has errors, the kernel complains, and it is swapped to."""
    log = "3,1,1,-;mmc0: Timeout waiting for hardware interrupt.\n"
    found = checks(boards.write(boards.pi_zero_2(tmp_path), {"dev/kmsg": log}))
    assert [(what, check.verdict) for what, check in found.items()] == [
        ("storage", "wrong"),
        ("disk health", "warn"),
        ("kernel log", "warn"),
        ("swap", "warn"),
    ]
    assert found["storage"].mend.startswith("sudo mount -o remount,rw /")
    assert found["disk health"].detail == "3 errors counted"
    assert "1 complaint of the card" in found["kernel log"].detail
    assert found["kernel log"].is_private, "ext4 names files"
    assert all(check.mend for check in found.values())


@pytest.mark.parametrize(
    ("files", "verdict", "detail"),
    [
        ({"life_time": "0x03 0x01"}, "ok", "at most 30 percent of its life used"),
        ({"life_time": "0x09 0x01"}, "warn", "90 percent of its life used up"),
        ({"life_time": "0x0b 0x01"}, "wrong", "all of its life is used up"),
        ({"pre_eol_info": "0x03"}, "wrong", "its spare blocks are nearly used up"),
    ],
)
def test_a_worn_memory_is_told_before_it_ends(
    tmp_path: Path, files: dict[str, str], verdict: str, detail: str
) -> None:
    """In tenths of its life, as eMMC tells."""
    root = boards.pi_zero_2(tmp_path)
    boards.write(root, {f"sys/block/mmcblk0/device/{name}": text for name, text in files.items()})
    boards.write(root, {"sys/fs/ext4/mmcblk0p2/errors_count": "0"})
    found = checks(root)["disk health"]
    assert (found.verdict, found.detail) == (verdict, detail)


def test_a_dead_drive_is_wrong(tmp_path: Path) -> None:
    """An NVMe controller says in a word how it is."""
    root = boards.write(boards.pi_5(tmp_path), {"sys/block/nvme0n1/device/state": "dead\n"})
    assert checks(root)["disk health"].verdict == "wrong"


@pytest.mark.parametrize(("filesystem", "verdict"), [("tmpfs", "warn"), ("nfs4", "wrong")])
def test_what_is_no_place_for_a_memory_is_told(tmp_path: Path, filesystem: str, verdict: str) -> None:
    """RAM forgets, and a network keeps no locks."""
    root = boards.write(tmp_path, {"proc/self/mountinfo": boards.mounted("0:40", "x", filesystem)})
    found = checks(root)["storage"]
    assert found.verdict == verdict
    page, heading = re.findall(r"docs/\S+\.md|'.*'", found.mend)
    assert f"\n## {heading[1:-1]}\n" in (ROOT / page).read_text(), "it leads to what to do"


def test_what_nobody_tells_is_not_called_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without figures, a log for root alone: said so, with how to see more, where there is more."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert checks(tmp_path)["kernel log"].mend == ""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = checks(tmp_path)
    assert {check.verdict for check in found.values()} == {"ok"}
    assert found["disk health"].detail == "not known: this disk does not tell"
    assert found["kernel log"].mend == "sudo pi-rag doctor"
