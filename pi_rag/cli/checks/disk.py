"""Checks of what the data lies on: its kind, its health, what the kernel saw of it, and swap."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pi_rag.cli.advice import writable_again
from pi_rag.cli.checks.check import Check
from pi_rag.cli.printing import counted, size
from pi_rag.host import kernel_log, sysfs
from pi_rag.host.disk_health import Health, health
from pi_rag.host.heat import SUPPLY
from pi_rag.host.storage import Storage, storage
from pi_rag.host.swap import swap

LIFE_WARN_PERCENT = 80
"""A good time to think of another one; the maker vouches for 100."""

COPY = "pi-rag export --vectors > memory.jsonl   (a copy, while it can still be read)"

ELSEWHERE = "move the data to a disk of this machine, as docs/data.md tells below 'On another disk'"

ZRAM = (
    "sudo install -D -m 644 /opt/pi-rag/offered/swap.conf /etc/rpi/swap.conf.d/99-pi-rag.conf && sudo reboot"
    "   (on bookworm: sudo systemctl disable --now dphys-swapfile)"
)


def disk(folder: Path, root: Path = sysfs.ROOT) -> Iterator[Check]:
    """All about the disk below the data folder."""
    where = storage(folder, root)
    yield _storage(where)
    yield _health(where, health(where, root))
    yield _complaints(kernel_log.recent(root))
    yield _swap(root)


def _storage(where: Storage) -> Check:
    name = ", ".join(filter(None, [where.kind, where.partition, where.filesystem]))
    if where.read_only:
        mend = (
            f"{writable_again(where.point)}   (if that is refused, or it does not stay so: sudo dmesg, "
            "copy the data, and replace the disk)"
        )
        return Check("storage", "wrong", f"{name}: mounted to be read only, nothing can be added", mend)
    if where.kind == "network":
        detail = f"{name}: SQLite's locks cannot be relied on there, and documents may be lost"
        return Check("storage", "wrong", detail, ELSEWHERE)
    if where.kind == "RAM":
        return Check("storage", "warn", f"{name}: all is forgotten at the next start", ELSEWHERE)
    return Check("storage", "ok", name)


def _health(where: Storage, found: Health) -> Check:
    bad = list(_faults(found))
    if bad:
        ending = found.spare_low or (found.life_used_percent or 0) > 100 or found.state not in {"", "live"}
        return Check("disk health", "wrong" if ending else "warn", "; ".join(bad), COPY)
    if found.life_used_percent is not None:
        detail = f"at most {found.life_used_percent} percent of its life used"
        return Check("disk health", "ok", detail)
    if found.errors is not None or found.state:
        return Check("disk health", "ok", "no errors counted")
    return Check("disk health", "ok", f"not known: this {_noun(where)} does not tell")


def _faults(found: Health) -> Iterator[str]:
    used = found.life_used_percent or 0
    if used > 100:
        yield "all of its life is used up"
    elif used >= LIFE_WARN_PERCENT:
        yield f"{used} percent of its life used up"
    if found.spare_low:
        yield "its spare blocks are nearly used up"
    if found.errors:
        yield f"{counted(found.errors, 'error')} counted"
    if found.state not in {"", "live"}:
        yield f"the drive is {found.state}"


def _noun(where: Storage) -> str:
    return where.kind if where.kind in {"SD card", "eMMC"} else "disk"


def _complaints(lines: list[str] | None) -> Check:
    if lines is None and os.geteuid() == 0:
        return Check("kernel log", "ok", "not looked at: it cannot be read here")
    if lines is None:
        return Check("kernel log", "ok", "not looked at: only root may read it", "sudo pi-rag doctor")
    found = kernel_log.complaints(lines)
    if not found:
        return Check("kernel log", "ok", "no complaint of card, disk or power since the start")
    counts = [
        f"{counted(len(said), 'complaint')} of the {subject}, the last: {said[-1]}"
        for subject, said in found.items()
    ]
    mend = SUPPLY if set(found) == {"power"} else COPY
    # ext4 names the file, or the program, that it complains of.
    return Check("kernel log", "warn", "; ".join(counts), mend, is_private=True)


def _swap(root: Path) -> Check:
    kind, mib = swap(root)
    if kind == "none":
        return Check("swap", "ok", "none")
    told = size(mib * 2**20)
    if kind == "card":
        return Check("swap", "warn", f"{told} on the card: slow, and it wears it out", ZRAM)
    return Check("swap", "ok", f"{told} {'in RAM, compressed (zram)' if kind == 'zram' else 'on a disk'}")
