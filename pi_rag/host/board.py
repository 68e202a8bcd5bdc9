"""Which machine this is, as far as it decides how fast it computes. Only /proc and /sys are read.

It is asked for again at every start, by the service and by people, so it tells only what both can see.
"""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path


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


def board(root: Path = Path("/")) -> Board:
    """This machine. What cannot be read is empty or 0, and no error."""
    facts = _facts(root / "proc/cpuinfo")
    features = " ".join(sorted((facts.get("flags") or facts.get("Features") or "").split()))
    return Board(
        machine=platform.machine(),
        name=facts.get("Model") or _tree_name(root) or facts.get("model name") or "",
        features=hashlib.blake2b(features.encode(), digest_size=6).hexdigest() if features else "",
        cores=len(os.sched_getaffinity(0)),
        memory_gib=_memory_gib(root / "proc/meminfo"),
    )


def _facts(path: Path) -> dict[str, str]:
    """The first value of every key of a /proc file."""
    found: dict[str, str] = {}
    for line in _text(path).splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return found


def _tree_name(root: Path) -> str:
    return _text(root / "proc/device-tree/model").strip("\0 \n")


def _memory_gib(path: Path) -> int:
    """Rounded, since the kernel keeps a little of it that differs from one version to the next."""
    kib = _facts(path).get("MemTotal", "0").split()[0]
    return round(int(kib) / 2**20) if kib.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
