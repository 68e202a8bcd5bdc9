"""What a kept process can be, and from where to where it may move. Pure.

A move that is not in the table is a fault of ours, and an assert says so. A circuit counts failures: when too
many come too soon it opens, nothing is started for a while, and then one attempt decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Literal

State = Literal["starting", "idle", "busy", "examined", "silent", "leaving", "ended"]
"""starting: forked, not yet proven. examined: asked whether it still computes what it did at first.
silent: its stack was asked for, and it will be killed. leaving: another takes its place."""

MOVES: Mapping[State, frozenset[State]] = {
    "starting": frozenset({"idle", "silent", "ended"}),
    "idle": frozenset({"busy", "examined", "silent", "ended"}),
    "busy": frozenset({"idle", "silent", "ended"}),
    "examined": frozenset({"idle", "silent", "leaving", "ended"}),
    "silent": frozenset({"ended"}),
    "leaving": frozenset({"ended"}),
    "ended": frozenset({"starting"}),
}

READY: frozenset[State] = frozenset({"idle", "busy", "examined"})
"""The states of a process that answers."""


class Life:
    """The state of one place where one process after another lives."""

    def __init__(self) -> None:
        self.state: State = "ended"

    def move(self, to: State) -> None:
        """Go to another state."""
        assert to in MOVES[self.state], f"a process that is {self.state} cannot be {to}"
        self.state = to

    @property
    def ready(self) -> bool:
        """True while a process lives here that answers."""
        return self.state in READY


class Circuit:
    """Closed while things work; open after too many failures in a while; half open for one attempt.

    Who keeps processes asks `wait_s` before each start, and tells how it went. The pattern is M. Nygard's, in
    "Release It!" (2007).
    """

    def __init__(self, *, failures_max: int, window_s: float, open_s: float) -> None:
        self._failures_max = failures_max
        self._window_s = window_s
        self._open_s = open_s
        self._failures: deque[float] = deque(maxlen=failures_max)
        self._opened_s: float | None = None

    def state(self, now_s: float) -> Literal["closed", "open", "half_open"]:
        """How it stands."""
        if self._opened_s is None:
            return "closed"
        return "open" if self.wait_s(now_s) > 0 else "half_open"

    def wait_s(self, now_s: float) -> float:
        """Seconds until an attempt is allowed; 0 when one is."""
        return 0.0 if self._opened_s is None else max(0.0, self._opened_s + self._open_s - now_s)

    def failed(self, now_s: float) -> None:
        """Count a failure. In a half open circuit it opens it again, in an open one it changes nothing."""
        if self._opened_s is not None:
            if self.wait_s(now_s) == 0:
                self._opened_s = now_s
            return
        self._failures.append(now_s)
        full = len(self._failures) == self._failures_max
        if full and now_s - self._failures[0] <= self._window_s:
            self._opened_s = now_s

    def forgive(self, count: int) -> None:
        """The last failures have been found to be no fault of the processes."""
        for _ in range(min(count, len(self._failures))):
            self._failures.pop()

    def worked(self, now_s: float) -> None:
        """An attempt went well: a half open circuit closes and forgets."""
        if self.state(now_s) == "half_open":
            self._opened_s = None
            self._failures.clear()
