"""On what a folder is kept: a card, a drive, memory, another machine. From the kernel's tables alone.

It asks the folder only for the number of its device, and knows nothing of how the disk is
(`disk_health.py`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pi_rag.host import sysfs

Kind = Literal["SD card", "eMMC", "NVMe", "USB", "disk", "RAM", "network", "unknown"]

_IN_RAM = {"tmpfs", "ramfs", "devtmpfs"}
_ON_A_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "fuse.rclone", "virtiofs"}

READ_ONLY = frozenset({"ro", "emergency_ro"})
"""Newer kernels leave `rw` where a filesystem has met an error and closed itself, and add the second."""

DEPTH_MAX = 4
"""Encrypted on logical volumes on a RAID is three; more layers are a ring."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo, as far as it is used (proc_pid_mountinfo(5))."""

    device: str
    """major:minor"""
    point: str
    filesystem: str
    source: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Storage:
    """Where a folder lies."""

    kind: Kind
    disk: str
    """The kernel's name of the whole disk, as in /sys/block; "" where there is none."""
    filesystem: str
    read_only: bool
    partition: str = ""
    """The kernel's name of the part that holds the filesystem, which may be the whole disk."""
    point: str = "/"
    """Where it is mounted."""


def storage(folder: Path, root: Path = sysfs.ROOT) -> Storage:
    """Where a folder lies, or would lie when it is made. Never raises; what is not known is `unknown`."""
    mount = mount_of(os.path.realpath(folder), mounts(sysfs.text(root / "proc/self/mountinfo")))
    if mount is None:
        return Storage("unknown", "", "", read_only=False)
    partition, disk = _names(mount, root)
    kind: Kind = disk_kind(disk, root)
    if mount.filesystem in _IN_RAM:
        kind, partition, disk = "RAM", "", ""
    elif mount.filesystem in _ON_A_NETWORK:
        kind, partition, disk = "network", "", ""
    return Storage(kind, disk, mount.filesystem, mount.read_only, partition, mount.point)


def mounts(table: str) -> list[Mount]:
    """The lines of a mountinfo; those that are none are left out."""
    return [found for line in table.splitlines() if (found := _mount(line))]


def mount_of(path: str, among: list[Mount]) -> Mount | None:
    """The one that a path lies on: the longest way down to it, and the latest where two lie on each other."""
    on_the_way = [each for each in among if _is_below(path, each.point)]
    return max(reversed(on_the_way), key=lambda each: len(each.point), default=None)


def disk_kind(disk: str, root: Path = sysfs.ROOT, depth: int = 0) -> Kind:
    """What a whole disk is. A mapped one is what lies below it."""
    if disk.startswith("mmcblk"):
        return "eMMC" if sysfs.text(root / f"sys/block/{disk}/device/type") == "MMC" else "SD card"
    if disk.startswith("nvme"):
        return "NVMe"
    if disk.startswith(("ram", "zram")):
        return "RAM"
    if disk.startswith(("sd", "vd", "hd", "xvd")):
        return "USB" if "/usb" in _real(root / f"sys/block/{disk}") else "disk"
    below = [each.name for each in sysfs.below(root / f"sys/block/{disk}/slaves", "*")] if disk else []
    if below and depth < DEPTH_MAX:
        return disk_kind(whole(below[0], root), root, depth + 1)
    return "unknown"


def _mount(line: str) -> Mount | None:
    before, _, after = line.partition(" - ")
    fields, more = before.split(" "), after.split(" ")
    if len(fields) < 6 or len(more) < 2:
        return None
    options = fields[5].split(",") + (more[2].split(",") if len(more) > 2 else [])
    return Mount(
        fields[2], _plain(fields[4]), more[0], _plain(more[1]), bool(READ_ONLY.intersection(options))
    )


def _plain(field: str) -> str:
    """Blanks stand in the table as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _is_below(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _names(mount: Mount, root: Path) -> tuple[str, str]:
    """(partition, disk), by the device's number; where a filesystem makes up its own, by its source."""
    name = Path(_real(root / f"sys/dev/block/{mount.device}")).name
    if ":" in name:
        name = mount.source.removeprefix("/dev/") if mount.source.startswith("/dev/") else ""
    return (name, whole(name, root)) if "/" not in name else ("", "")


def whole(name: str, root: Path) -> str:
    """The disk that a partition is part of; a whole disk is its own."""
    if not name or sysfs.exists(root / f"sys/block/{name}"):
        return name
    parent = Path(_real(root / f"sys/class/block/{name}")).parent.name
    if parent and parent not in {"block", ""}:
        return parent
    return re.sub(r"(?<=\d)p\d+$|(?<=[a-z])\d+$", "", name)


def _real(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return str(path)
