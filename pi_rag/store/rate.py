"""A bound on how fast bytes are read or written, so that others get the disk and the interpreter."""

from __future__ import annotations

from collections.abc import Callable

from pi_rag.clock import Clock

SHORTEST_S = 0.002
"""Shorter rests are saved up: each costs a switch of threads."""


class Rate:
    """Called with the bytes that were spent, it rests until they were allowed."""

    def __init__(self, mib_s_max: float, clock: Clock, rest: Callable[[float], object]) -> None:
        """`rest` waits so many seconds; it may raise to end all."""
        self._bytes_s = mib_s_max * 2**20
        self._clock = clock
        self._rest = rest
        self._allowed_s = clock.monotonic_s()

    def __call__(self, spent: int) -> None:
        """Time that was not used is not saved for later: there are no bursts."""
        now_s = self._clock.monotonic_s()
        self._allowed_s = max(self._allowed_s, now_s) + spent / self._bytes_s
        if self._allowed_s - now_s >= SHORTEST_S:
            self._rest(self._allowed_s - now_s)
