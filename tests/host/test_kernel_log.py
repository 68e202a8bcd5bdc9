"""What the kernel complained of."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.host.kernel_log import complaints, recent
from tests.host import boards


@pytest.mark.parametrize(
    ("line", "subject"),
    [
        ("mmc0: Timeout waiting for hardware interrupt.", "card"),
        ("mmcblk0: error -110 requesting status", "card"),
        ("mmc0: running CQE recovery", "card"),
        ("blk_update_request: I/O error, dev mmcblk0, sector 1234 op 0x1:(WRITE)", "card"),
        ("I/O error, dev sda, sector 99 op 0x0:(READ)", "disk"),
        ("nvme nvme0: I/O 12 QID 4 timeout, aborting", "disk"),
        ("EXT4-fs error (device nvme0n1p2): ext4_find_entry:1683: inode #2", "disk"),
        ("hwmon hwmon1: Undervoltage detected!", "power"),
        ("Under-voltage detected! (0x00050005)", "power"),
    ],
)
def test_a_complaint_is_known_by_its_words(line: str, subject: str) -> None:
    """As drivers of Raspberry Pi's kernels write them."""
    assert complaints(["usb 1-1: new device", line]) == {subject: [line]}


@pytest.mark.parametrize(
    "line",
    [
        "mmc0: new ultra high speed SDR104 SDXC card at address aaaa",
        "mmcblk0: mmc0:aaaa SN128 119 GiB",
        "EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode",
        "nvme nvme0: 4/0/0 default/read/poll queues",
        "Voltage normalised (0x00000000)",
        "hwmon hwmon1: Voltage normalised",
    ],
)
def test_a_start_in_good_order_is_no_complaint(line: str) -> None:
    """The same drivers say good things."""
    assert complaints([line]) == {}


def test_the_ring_is_read_record_by_record(tmp_path: Path) -> None:
    """The message of each, without the details below it; where there is none to be read, that is told."""
    boards.write(tmp_path, {"dev/kmsg": "6,1,100,-;first; one\n SUBSYSTEM=usb\n4,2,200,-;second\n"})
    assert recent(tmp_path) == ["first; one", "second"]
    assert recent(tmp_path / "none") is None
