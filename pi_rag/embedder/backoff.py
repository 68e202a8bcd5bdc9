"""How long to wait before trying again what keeps failing. Pure."""

from __future__ import annotations

FIRST_S = 0.25


class Backoff:
    """Waits that double from a quarter of a second up to a bound, until something works."""

    def __init__(self, wait_s_max: float) -> None:
        self._wait_s_max = wait_s_max
        self.failures = 0

    def failed(self) -> float:
        """Count one more failure; seconds to wait now."""
        self.failures += 1
        return self.wait_s

    def worked(self) -> None:
        """Start again from the shortest wait."""
        self.failures = 0

    @property
    def wait_s(self) -> float:
        """Seconds to wait after the last failure; 0 when there was none."""
        # The exponent has a bound, since a float has: a model may stay away for months.
        return min(FIRST_S * 2 ** min(self.failures - 1, 30), self._wait_s_max) if self.failures else 0.0
