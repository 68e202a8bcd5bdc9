"""On what the data folder lies, for every kind of disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.host.storage import Mount, mount_of, mounts, storage
from tests.host import boards

DATA = Path("/var/lib/pi-rag")


def test_every_board_tells_its_disk(tmp_path: Path) -> None:
    """Also below a name that only the boot loader knows, and through a mapped, encrypted one."""
    nvme = storage(DATA, boards.pi_5(tmp_path / "5"))
    assert (nvme.kind, nvme.disk, nvme.partition, nvme.filesystem) == ("NVMe", "nvme0n1", "nvme0n1p2", "ext4")
    usb = storage(DATA, boards.pi_4(tmp_path / "4"))
    assert (usb.kind, usb.disk, usb.read_only) == ("USB", "sda", False)
    card = storage(DATA, boards.pi_zero_2(tmp_path / "0"))
    assert (card.kind, card.disk, card.partition, card.read_only) == ("SD card", "mmcblk0", "mmcblk0p2", True)
    mapped = storage(DATA, boards.pc(tmp_path / "pc"))
    assert (mapped.kind, mapped.disk, mapped.filesystem) == ("disk", "dm-0", "btrfs")


@pytest.mark.parametrize(
    ("options", "read_only"),
    [
        ("rw,noatime", False),
        ("ro,noatime", True),
        ("rw,noatime,emergency_ro", True),
        ("rw,errors=remount-ro", False),
    ],
)
def test_what_can_only_be_read_is_told(tmp_path: Path, options: str, read_only: bool) -> None:
    """Newer kernels leave `rw` where a filesystem has met an error, and take no more writes all the same."""
    root = boards.write(
        tmp_path, {"proc/self/mountinfo": boards.mounted("8:2", "/dev/sda2", options=options)}
    )
    assert storage(DATA, root).read_only == read_only


def test_soldered_memory_is_no_card(tmp_path: Path) -> None:
    """A compute module has eMMC, which goes by the same name."""
    root = boards.write(boards.pi_zero_2(tmp_path), {"sys/block/mmcblk0/device/type": "MMC\n"})
    assert storage(DATA, root).kind == "eMMC"


@pytest.mark.parametrize(
    ("filesystem", "kind"), [("tmpfs", "RAM"), ("nfs4", "network"), ("cifs", "network"), ("zfs", "unknown")]
)
def test_what_is_no_disk_is_told(tmp_path: Path, filesystem: str, kind: str) -> None:
    """Memory forgets, and locks on a network cannot be trusted."""
    root = boards.write(tmp_path, {"proc/self/mountinfo": boards.mounted("0:40", "pool/home", filesystem)})
    assert storage(DATA, root).kind == kind


def test_the_innermost_mount_counts() -> None:
    """By whole names, the latest of two in one place, blanks in names and all."""
    table = "".join(
        boards.MOUNT.format(
            number=n, device=f"8:{n}", point=point, options="rw", filesystem="ext4", source="/x"
        )
        for n, point in enumerate(["/", "/var/lib", "/var/lib/pi", "/mnt/my\\040disk", "/var/lib"])
    )
    found = mounts(table + "nonsense\n" + "1 2 3 - 4\n")
    assert len(found) == 5

    def device(path: str) -> str:
        where = mount_of(path, found)
        assert isinstance(where, Mount)
        return where.device

    assert device("/var/lib/pi-rag") == "8:4"
    assert device("/var/lib/pi/x") == "8:2"
    assert device("/mnt/my disk/x") == "8:3"
    assert device("/home") == "8:0"
    assert mount_of("/home", []) is None
