"""What the kernel complained of since the start: cards, drives, power. Read where this user may.

`complaints` judges lines; `recent` reads them. Debian lets only root read them (kernel.dmesg_restrict).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from pi_rag.host import sysfs

Subject = Literal["card", "disk", "power"]

RECORDS_MAX = 100_000
"""A kernel's ring holds some thousands; the reading ends even where it does not."""

RECORD_BYTES_MAX = 8192
"""The kernel refuses a read with less room than its longest record."""

# On every Pi mmc0 is the card's slot; mmc1 is how the radio is connected.
_COMPLAINTS: dict[Subject, re.Pattern[str]] = {
    "card": re.compile(
        r"mmc(?:0|blk\d).*(?:timeout|timed out|error -\d+|CQE recovery|card stuck)|I/O error, dev mmcblk",
        re.IGNORECASE,
    ),
    "disk": re.compile(
        r"I/O error, dev (?:sd|nvme|vd)|nvme\d.*(?:timeout|controller is down|Abort status)"
        r"|EXT4-fs error|EXT4-fs.*remounting filesystem read-only|BTRFS error|F2FS-fs.*inconsistent"
    ),
    "power": re.compile(r"under-?voltage detected", re.IGNORECASE),
}


def complaints(lines: list[str]) -> dict[Subject, list[str]]:
    """The lines that tell of damage, by what is damaged; a subject without any is left out."""
    found: dict[Subject, list[str]] = {}
    for line in lines:
        for subject, pattern in _COMPLAINTS.items():
            if pattern.search(line):
                found.setdefault(subject, []).append(line)
                break
    return found


def recent(root: Path = sysfs.ROOT) -> list[str] | None:
    """The messages in the kernel's ring, oldest first; None when this user may not read them."""
    try:
        descriptor = os.open(root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _messages(descriptor)
    finally:
        os.close(descriptor)


def _messages(descriptor: int) -> list[str] | None:
    """Each read gives one record: `priority,number,time,flags;message` and lines of details."""
    found: list[str] = []
    for _ in range(RECORDS_MAX):
        try:
            record = os.read(descriptor, RECORD_BYTES_MAX)
        except BrokenPipeError:
            continue  # overwritten meanwhile; the next read gives the oldest that is left
        except BlockingIOError:
            return found
        except OSError:
            return found or None
        if not record:
            return found
        for line in record.decode("utf-8", "replace").splitlines():
            if not line.startswith(" "):
                found.append(line.partition(";")[2] or line)
    return found
