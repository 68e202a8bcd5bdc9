"""How much of the processors others use: on a machine that is busy otherwise, a bound in time means little.

It is looked at for a moment while the service does nothing or is not there, so that what is busy is others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

BUSY_SHARE = 0.25
"""Of all processors. Above it, a bound that was missed says nothing about the service."""

STAT = Path("/proc/stat")


def share(seconds: float, sleep: Callable[[float], object] = time.sleep, stat: Path = STAT) -> float:
    """Of all processors, the part that was at work for so long; 0 where the kernel does not say."""
    busy, total = _times(stat)
    sleep(seconds)
    busy_after, total_after = _times(stat)
    return (busy_after - busy) / (total_after - total) if total_after > total else 0.0


def _times(stat: Path) -> tuple[int, int]:
    """(at work, altogether) since the machine started, in ticks (proc_stat(5))."""
    try:
        fields = [int(each) for each in stat.read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return 0, 0
    return sum(fields) - fields[3] - fields[4], sum(fields)


def judged(is_held: bool, seen: str, others_share: float) -> tuple[str, bool | None]:
    """What was seen of a bound in time, and whether it was kept. Missed on a busy machine: nobody knows."""
    if is_held or others_share <= BUSY_SHARE:
        return seen, is_held
    return (
        f"{seen}, while others took {others_share:.0%} of the processors: look again on a quiet machine",
        None,
    )
