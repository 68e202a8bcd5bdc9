"""How one search goes: the milliseconds of its stages, what it lacks, and what explains it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from pi_rag.clock import Clock
from pi_rag.types import AnswerDegraded


class Course:
    """One search under way. Stages may overlap, so their sum may exceed the total."""

    def __init__(self, clock: Clock) -> None:
        self.degraded: list[AnswerDegraded] = []
        self.explain: dict[str, Any] = {}
        """What was decided on the way, for who wants to know."""
        self._clock = clock
        self._begun_s = clock.monotonic_s()
        self._stages: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Take the time of a stage."""
        begun_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            self._stages[name] = self._ms_since(begun_s)

    def took_ms(self) -> dict[str, float]:
        """The stages that were gone through, and the total until now."""
        return {**self._stages, "total": self._ms_since(self._begun_s)}

    def _ms_since(self, begun_s: float) -> float:
        return round((self._clock.monotonic_s() - begun_s) * 1000, 3)
