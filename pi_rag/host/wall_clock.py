"""Whether the machine knows what time it is.

A Pi 4 has no clock that runs while it is off; a Pi 5 has one, and a battery for it is sold apart. Without
either, the time after a start is that of the last shutdown, until a time server has been heard. Nothing of
ours measures a wait by it.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from pathlib import Path

from pi_rag.host import sysfs

BATTERY_UV_MIN = 1_000_000
"""An empty socket reads next to nothing; a lithium cell reads 2 to 3.3 million."""

BEHIND_S_MIN = 86_400.0
"""A clock may be a little behind what was written by another one; a day is no such little."""

_UNSYNCHRONISED = 5
"""TIME_ERROR, what adjtimex(2) returns as long as nobody has set the clock by another one."""

_TIMEX_BYTES = 512
"""More than any `struct timex` has; all zero is a question."""


@dataclass(frozen=True, slots=True)
class Known:
    """None: nobody tells."""

    synchronised: bool | None
    """By a time server, since the start."""
    rtc: str
    """The name of the clock that runs while the machine is off; "" where there is none."""
    battery: bool | None
    """Whether a Pi 5's has one."""


def known(root: Path = sysfs.ROOT) -> Known:
    """What the system says of its clock."""
    rtc = root / "sys/class/rtc/rtc0"
    microvolts = sysfs.number(rtc / "battery_voltage")
    battery = None if microvolts is None else microvolts >= BATTERY_UV_MIN
    return Known(synchronised(root), sysfs.text(rtc / "name"), battery)


def synchronised(root: Path = sysfs.ROOT) -> bool | None:
    """By systemd-timesyncd's mark, or else by the kernel's, which chrony and ntpd set too."""
    if sysfs.exists(root / "run/systemd/timesync/synchronized"):
        return True
    return _kernel_says() if root == sysfs.ROOT else None


def behind_s(newest: list[Path], wall_s: float | None = None) -> float:
    """By how many seconds the clock is behind the latest change of these files: it was set back by that much.

    0 when it is not behind, and for files that are not there.
    """
    now_s = time.time() if wall_s is None else wall_s
    return max((changed - now_s for path in newest if (changed := _changed_s(path)) is not None), default=0.0)


def _changed_s(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except (OSError, ValueError):
        return None


def _kernel_says() -> bool | None:
    try:
        told = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if told < 0 else told != _UNSYNCHRONISED
