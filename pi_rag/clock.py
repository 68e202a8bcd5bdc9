"""The one clock. Elapsed time is monotonic; the wall clock is only for stamps that people read.

A Pi has no battery-backed clock: its wall time jumps at the first network sync, so no wait or deadline may be
computed from it. An age that is only shown may be the difference of two stamps, and is never below zero.
Everything that needs time takes a `Clock` as an argument; tests pass a fake.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What a clock offers."""

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start, never backwards."""
        ...

    def wall_s(self) -> float:
        """Seconds since 1970, for stamps only; may jump."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start, never backwards."""
        return time.monotonic()

    def wall_s(self) -> float:
        """Seconds since 1970, for stamps only; may jump."""
        return time.time()


def tick_s(clock: Clock, every_s: float) -> float:
    """Seconds to rest until the next multiple of `every_s`, and at least half of it.

    Loops that rest so wake together: a core at rest is woken once, and its caches are warm for all of them.
    """
    left_s = every_s - clock.monotonic_s() % every_s
    return left_s if left_s >= every_s / 2 else left_s + every_s
