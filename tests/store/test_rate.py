"""A bound on bytes a second, kept by resting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.store.rate import SHORTEST_S, Rate


class Time:
    """A clock that only resting moves."""

    now_s = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return 0.0

    def rest(self, seconds: float) -> None:
        assert seconds >= SHORTEST_S
        self.now_s += seconds


@given(st.lists(st.integers(0, 4 * 2**20), min_size=1, max_size=50))
def test_no_more_than_allowed_is_ever_spent(pieces: list[int]) -> None:
    """Up to what one rest that is too short would have been for; and nobody rests longer than need be."""
    time = Time()
    rate = Rate(8.0, time, time.rest)
    spent = 0
    for piece in pieces:
        rate(piece)
        spent += piece
        allowed_s = spent / (8 * 2**20)
        assert allowed_s - SHORTEST_S <= time.now_s - 100.0 <= allowed_s + 1e-6


def test_time_that_was_not_used_is_not_saved() -> None:
    """After a minute of nothing the next mebibyte takes as long as any."""
    time = Time()
    rate = Rate(1.0, time, time.rest)
    time.now_s += 60.0
    rate(2**20)
    assert abs(time.now_s - 161.0) < 1e-6
