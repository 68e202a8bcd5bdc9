"""When loops that look now and then wake up."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.clock import tick_s


@dataclass
class Standing:
    """A clock that stands still."""

    now_s: float

    def monotonic_s(self) -> float:
        """As it was set."""
        return self.now_s

    def wall_s(self) -> float:
        """Nobody asks."""
        raise AssertionError


@given(now_s=st.floats(0, 1e6), every_s=st.floats(0.05, 600))
def test_loops_of_one_rhythm_wake_together(now_s: float, every_s: float) -> None:
    """Whoever rests, whenever that begins, rests until a multiple of the rhythm, for half of it at least and
    half as long again at most.
    """
    rest_s = tick_s(Standing(now_s), every_s)

    assert every_s / 2 <= rest_s <= every_s * 1.5 + 1e-6
    ticks = (now_s + rest_s) / every_s
    assert abs(ticks - round(ticks)) * every_s < 1e-6
