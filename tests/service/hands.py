"""A clock whose hands a test moves."""

from __future__ import annotations


class Hands:
    """Both clocks stand still until `now_s` is set."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s
