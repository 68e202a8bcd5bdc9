"""The board's own watchdog: a timer that starts the machine anew when nobody winds it up.

systemd winds it up when RuntimeWatchdogSec is set. It is not the watchdog of the service, which systemd is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pi_rag.host import sysfs
from pi_rag.host.commands import said

State = Literal["armed", "idle", "absent"]

_NEVER = {"", "0", "infinity", "off"}


def state(root: Path = sysfs.ROOT) -> State:
    """Whether there is one and somebody winds it up. /sys tells; where it does not, systemd is asked."""
    for device in sysfs.below(root / "sys/class/watchdog", "watchdog*"):
        told = sysfs.text(device / "state")
        if told in {"active", "inactive"}:
            return "armed" if told == "active" else "idle"
    if not sysfs.exists(root / "dev/watchdog"):
        return "absent"
    return "idle" if runtime_s(root) in _NEVER else "armed"


def runtime_s(root: Path = sysfs.ROOT) -> str:
    """systemd's RuntimeWatchdogSec as systemd writes it, such as `1min`; "" where there is no systemd."""
    if not sysfs.exists(root / "run/systemd/system"):
        return ""
    return said("systemctl", "show", "--property=RuntimeWatchdogUSec", "--value")
