"""Which machine this is, as far as it decides how fast it computes. Only /proc and /sys are read.

It is asked for again at every start, by the service and by people, so it tells only what both can see.
"""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from pi_rag.host import memory, sysfs


@dataclass(frozen=True, slots=True)
class Board:
    """Two boards that are equal take the same time for the same work, within what such times can tell."""

    machine: str
    """The kernel's word for the processor's family: aarch64, x86_64."""
    name: str
    """The board's or the processor's own name; empty where the kernel knows none."""
    features: str
    """Stands for what the processor can do: virtual machines keep their name and move to another host."""
    cores: int
    """How many this process may use."""
    memory_gib: int


@dataclass(frozen=True, slots=True)
class Revision:
    """What the code says that is burnt into every Pi since 2014."""

    code: str
    """As people look it up: c04170."""
    memory_mib: int
    """That is soldered on: the kernel sees less."""


def board(root: Path = sysfs.ROOT) -> Board:
    """This machine. What cannot be read is empty or 0, and no error."""
    facts = sysfs.facts(root / "proc/cpuinfo")
    features = " ".join(sorted((facts.get("flags") or facts.get("Features") or "").split()))
    tree_name = sysfs.text(root / "proc/device-tree/model")
    return Board(
        machine=platform.machine(),
        name=facts.get("Model") or tree_name or facts.get("model name") or "",
        features=hashlib.blake2b(features.encode(), digest_size=6).hexdigest() if features else "",
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round((memory.total_mib(root) or 0) / 1024),
    )


def revision(root: Path = sysfs.ROOT) -> Revision | None:
    """The Pi's revision; None on other machines. From /proc/cpuinfo, or where the kernel leaves that out,
    from the device tree."""
    code = sysfs.as_number(sysfs.facts(root / "proc/cpuinfo").get("Revision", ""), 16)
    return decoded(code if code is not None else _tree_code(root))


def decoded(code: int | None) -> Revision | None:
    """A revision code by the table in Raspberry Pi's documentation; None for what is none of the newer kind.

    From the right: 4 bits of revision, 8 of model, 4 of processor, 4 of maker, 3 of memory, 1 for "new".
    """
    if code is None or not code >> 23 & 1:
        return None
    return Revision(code=f"{code & 0xFFFFFF:x}", memory_mib=256 << (code >> 20 & 0x7))


def _tree_code(root: Path) -> int | None:
    """Four bytes, the highest first."""
    try:
        found = (root / "proc/device-tree/system/linux,revision").read_bytes()
    except OSError:
        return None
    return int.from_bytes(found, "big") if len(found) == 4 else None
