"""How much of a disk's life is used up, and what went wrong on it. Only /sys is read.

An SD card tells nothing of its wear; an eMMC does, in tenths. What a drive on NVMe or USB knows of itself is
asked for by the program smartctl, which takes root, and not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pi_rag.host import sysfs
from pi_rag.host.storage import Storage


@dataclass(frozen=True, slots=True)
class Health:
    """None: the disk does not tell."""

    life_used_percent: int | None
    """In steps of ten, the worse of the two kinds of cells; 110 is beyond what the maker promises."""
    spare_low: bool | None
    """The blocks that stand in for worn ones are nearly used up."""
    errors: int | None
    """Failed commands, and what the filesystem found wrong, since the start or since it was last checked."""
    state: str
    """An NVMe controller's own word, `live` when it is well; "" elsewhere."""


def health(where: Storage, root: Path = sysfs.ROOT) -> Health:
    """What the disk below a folder tells."""
    device = root / "sys/block" / where.disk / "device"
    if not where.disk:
        return Health(None, None, None, "")
    return Health(
        life_used_percent=life_used_percent(sysfs.text(device / "life_time")),
        spare_low=_spare_low(sysfs.number(device / "pre_eol_info", 16)),
        errors=_errors(where, root),
        state=sysfs.text(device / "state").split("\n")[0] if where.kind == "NVMe" else "",
    )


def life_used_percent(told: str) -> int | None:
    """From `0x01 0x02` of eMMC 5.0: 1 is up to 10 percent, 11 beyond all. 0 is not said."""
    numbers = [sysfs.as_number(word, 16) for word in told.split()]
    known = [each for each in numbers if each is not None and 1 <= each <= 11]
    return max(known) * 10 if known else None


def _spare_low(told: int | None) -> bool | None:
    """1 is normal; 2 is 80 percent used, 3 is 90 (JEDEC's PRE_EOL_INFO)."""
    return told >= 2 if told in {1, 2, 3} else None


def _errors(where: Storage, root: Path) -> int | None:
    counts = [
        sysfs.number(root / "sys/block" / where.disk / "device/ioerr_cnt", 16),
        sysfs.number(root / "sys/fs/ext4" / where.partition / "errors_count") if where.partition else None,
    ]
    known = [each for each in counts if each is not None and each >= 0]
    return sum(known) if known else None
