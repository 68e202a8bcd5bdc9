"""How much of the processors others use: on a machine that is busy otherwise, a bound in time means little.

It is looked at for a moment while the service does nothing or is not there, so that what is busy is others.
What other guests of the same host took can be told at any time; a Pi is nobody's guest.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BUSY_SHARE = 0.25
"""Of all processors. Above it, a bound that was missed says nothing about the service."""

STAT = Path("/proc/stat")

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Times:
    """Of all processors since the machine started, in ticks (proc_stat(5)); 0 where the kernel is silent."""

    busy: int = 0
    stolen: int = 0
    total: int = 0

    def stolen_s_since(self, before: Times) -> float:
        """Seconds of a processor that other guests took between two looks, while somebody here wanted it."""
        return (self.stolen - before.stolen) / TICKS_A_SECOND


def share(seconds: float, sleep: Callable[[float], object] = time.sleep, stat: Path = STAT) -> float:
    """Of all processors, the part that was at work for so long; 0 where the kernel does not say."""
    before = times(stat)
    sleep(seconds)
    after = times(stat)
    return (after.busy - before.busy) / max(1, after.total - before.total)


def times(stat: Path = STAT) -> Times:
    """As they are now."""
    try:
        fields = [int(each) for each in stat.read_text(encoding="ascii").splitlines()[0].split()[1:9]]
        return Times(busy=sum(fields) - fields[3] - fields[4], stolen=fields[7], total=sum(fields))
    except (OSError, ValueError, IndexError):
        return Times()


def judged(is_held: bool, seen: str, others_share: float) -> tuple[str, bool | None]:
    """What was seen of a bound in time, and whether it was kept. Missed on a busy machine: nobody knows."""
    if is_held or others_share <= BUSY_SHARE:
        return seen, is_held
    return (
        f"{seen}, while others took {others_share:.0%} of the processors: look again on a quiet machine",
        None,
    )
