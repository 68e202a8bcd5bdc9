"""What the kernel swaps to. Swapping to a card is slow and wears it; zram costs neither."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pi_rag.host import storage, sysfs

Kind = Literal["none", "zram", "card", "disk"]


def swap(root: Path = sysfs.ROOT) -> tuple[Kind, float]:
    """(kind, MiB in all). With several, the one that wears most is named."""
    areas = [found for line in sysfs.lines(root / "proc/swaps")[1:] if (found := _area(line))]
    kinds = {_kind(name, root) for name, _ in areas}
    mib = sum(kib for _, kib in areas) / 1024
    order: tuple[Kind, ...] = ("card", "disk", "zram")
    return next((kind for kind in order if kind in kinds), "none"), mib


def _area(line: str) -> tuple[str, int] | None:
    """A line of /proc/swaps: name, type, KiB, used, priority."""
    words = line.split()
    kib = sysfs.as_number(words[2]) if len(words) >= 4 else None
    return (words[0], kib) if kib is not None and kib >= 0 else None


def _kind(name: str, root: Path) -> Kind:
    if "zram" in name:
        return "zram"
    if name.startswith("/dev/"):
        where = storage.disk_kind(storage.whole(name.removeprefix("/dev/"), root), root)
    else:
        where = storage.storage(Path(name), root).kind
    return "card" if where in {"SD card", "eMMC"} else "disk"
