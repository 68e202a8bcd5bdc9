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
