"""What a Pi's firmware says of heat and power, now and since it started.

It is one number, and each bit has a meaning. A Pi 4's kernel has it in /sys; elsewhere the program `vcgencmd`
asks for it, which needs /dev/vcio. Where nobody tells, it is None, and no error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pi_rag.host import sysfs
from pi_rag.host.commands import said

DEVICE = Path("dev/vcio")
"""By which vcgencmd asks. Members of the group `video` may open it; a unit with PrivateDevices cannot."""

_SYSFS = ("soc/soc:firmware/get_throttled", "soc*/*firmware/get_throttled")
"""Below /sys/devices/platform, with the number in hexadecimal digits."""

_ANSWER = re.compile(r"throttled=0x([0-9a-fA-F]{1,8})\b")


@dataclass(frozen=True, slots=True)
class Throttling:
    """What slows the board now, and what has at any time since it started."""

    undervoltage: bool
    capped: bool
    """The processor's clock is held below its highest."""
    throttled: bool
    soft_limit: bool
    """The lower of two temperatures is reached, on boards that have two."""
    undervoltage_since_boot: bool
    capped_since_boot: bool
    throttled_since_boot: bool
    soft_limit_since_boot: bool


def decoded(number: int) -> Throttling:
    """The number of `vcgencmd get_throttled`: bits 0 to 3 are now, 16 to 19 the same since the start."""
    return Throttling(*(bool(number >> bit & 1) for bit in (0, 1, 2, 3, 16, 17, 18, 19)))


def parsed(answer: str) -> Throttling | None:
    """An answer of vcgencmd; None for anything but `throttled=0x...`."""
    found = _ANSWER.search(answer)
    return decoded(int(found[1], 16)) if found else None


def throttling(root: Path = sysfs.ROOT) -> Throttling | None:
    """From /sys alone: it costs nothing, and is None on a Pi 5, whose kernel has no such file."""
    for pattern in _SYSFS:
        for path in sysfs.below(root / "sys/devices/platform", pattern):
            number = sysfs.number(path, 16)
            if number is not None:
                return decoded(number)
    return None


def asked(root: Path = sysfs.ROOT) -> Throttling | None:
    """From /sys or else from vcgencmd, which takes a child process. For commands, not for the service."""
    found = throttling(root)
    if found is None and sysfs.exists(root / DEVICE):
        found = parsed(said("vcgencmd", "get_throttled"))
    return found
