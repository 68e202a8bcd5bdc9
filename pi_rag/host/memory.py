"""How much RAM a process really costs, its proportional set size, and how much the machine has left.

The resident size counts the shared model once for every worker; the proportional size divides shared pages
by their users, so that the sum over all processes is the truth. What a kernel does not tell, since it is too
old, was built otherwise or has it switched off, is None and no error: on Raspberry Pi OS that is the memory
cgroup, and pressure, whose file is there and cannot be read. Only /proc and /sys are read.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pi_rag.budget import Group
from pi_rag.host import sysfs

MIB = 2**20

ROOT = Path("/")

M_ARENA_MAX = -8
"""Of mallopt(3)."""

Told = Literal["present", "absent", "unreadable"]


@dataclass(frozen=True, slots=True)
class Size:
    """Of one process, in MiB."""

    pss_mib: float
    private_mib: float
    """What only this process has, and no file: what it has made itself. Clean pages of files, which the
    kernel takes and gives back as it likes, are not in it."""


def size(pid: int, root: Path = ROOT) -> Size | None:
    """Measured well, page table by page table; None when it is gone or hidden. It takes milliseconds."""
    told = sysfs.facts(root / f"proc/{pid}/smaps_rollup")
    pss, *private = (_kib(told, name) for name in ("Pss", "Private_Dirty", "Private_Hugetlb"))
    if pss is None:
        return None
    return Size(round(pss / 1024, 1), round(sum(each or 0 for each in private) / 1024, 1))


def pss_mib(pid: int) -> float | None:
    """Proportional set size of a process in MiB; None when it is gone or hidden."""
    found = size(pid)
    return found.pss_mib if found else None


def private_mib(pid: int) -> float | None:
    """What only this process has, and no file, in MiB; None when it is gone or hidden."""
    found = size(pid)
    return found.private_mib if found else None


def resident_mib(pid: int) -> float | None:
    """All pages that a process has in RAM, shared ones too; None when it is gone. It takes microseconds."""
    words = sysfs.text(f"/proc/{pid}/statm").split()
    pages = sysfs.as_number(words[1]) if len(words) > 1 else None
    return pages * mmap.PAGESIZE / MIB if pages is not None else None


def children(pid: int) -> list[int]:
    """The processes that its first thread has started; empty where the kernel does not say."""
    found = (sysfs.as_number(each) for each in sysfs.text(f"/proc/{pid}/task/{pid}/children").split())
    return [each for each in found if each is not None]


def available_mib(root: Path = ROOT) -> float | None:
    """What the kernel could give to programs without swapping, in MiB; None where it does not say."""
    return _meminfo_mib(root, "MemAvailable")


def total_mib(root: Path = ROOT) -> float | None:
    """All RAM that the kernel has, in MiB; None where it does not say."""
    return _meminfo_mib(root, "MemTotal")


def pressure_percent(root: Path = ROOT) -> float | None:
    """Share of the last ten seconds in which some program waited for memory; None where that is not told."""
    try:
        line = sysfs.lines(root / "proc/pressure/memory")[0]
        return float(dict(each.split("=") for each in line.split()[1:])["avg10"])
    except (ValueError, IndexError, KeyError):
        return None


def group(root: Path = ROOT) -> Group | None:
    """What the memory cgroup of this process says; None where there is none, or it cannot be read."""
    folder = _group_folder(root)
    if folder is None:
        return None
    try:
        current = int((folder / "memory.current").read_text(encoding="ascii"))
        stat, events = (_numbers(folder / name) for name in ("memory.stat", "memory.events"))
        limits = [
            (folder / name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.high")
        ]
        bytes_max = min((int(each) for each in limits if each != "max"), default=None)
    except (OSError, ValueError):
        return None
    return Group(
        current_mib=current / MIB,
        anon_mib=stat.get("anon", current) / MIB,
        max_mib=bytes_max / MIB if bytes_max is not None else None,
        kills=events.get("oom_kill", 0),
    )


def told(root: Path = ROOT) -> dict[str, Told]:
    """Of what the kernel may leave out: what it tells here."""
    folder = _group_folder(root)
    has_group = folder is not None and (folder / "memory.current").exists()
    return {
        "cgroup": _told(has_group, group(root) is not None),
        "pressure": _told((root / "proc/pressure/memory").exists(), pressure_percent(root) is not None),
    }


def trim() -> None:
    """Have the C library give back what it keeps of freed memory. Where it cannot, nothing happens."""
    trimming = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trimming is not None:
        trimming(ctypes.c_size_t(0))


def share_arenas(arenas_max: int) -> None:
    """Have the threads of this process share so many heaps. The C library gives each thread one of its own,
    and what one has freed the others cannot use. It holds for threads not yet started; where there is no such
    choice, nothing happens.
    """
    choosing = getattr(ctypes.CDLL(None), "mallopt", None)
    if choosing is not None:
        choosing(M_ARENA_MAX, arenas_max)


def _told(there: bool, read: bool) -> Told:
    return "present" if read else "unreadable" if there else "absent"


def _group_folder(root: Path) -> Path | None:
    """Of version 2, the only one that Raspberry Pi OS has."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    names = [line[3:] for line in lines if line.startswith("0::/")]
    return root / "sys/fs/cgroup" / names[0].lstrip("/") if names else None


def _numbers(path: Path) -> dict[str, int]:
    lines = (line.split() for line in path.read_text(encoding="ascii").splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) == 2}


def _meminfo_mib(root: Path, name: str) -> float | None:
    kib = _kib(sysfs.facts(root / "proc/meminfo"), name)
    return round(kib / 1024, 1) if kib is not None else None


def _kib(told: Mapping[str, str], name: str) -> int | None:
    """Of a line such as `Pss: 71 kB`."""
    return sysfs.as_number(told.get(name, "").partition(" ")[0])
