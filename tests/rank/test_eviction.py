"""What a memory is worth beside another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.rank.eviction import worth

SHARE = st.floats(0, 1)
COUNT = st.integers(0, 10**6)
SECONDS = st.floats(0, 1e9)


@given(SHARE, SHARE, COUNT, COUNT, SECONDS, SECONDS)
def test_more_of_what_speaks_for_it_is_never_worth_less(
    importance: float, confidence: float, uses: int, repeats: int, idle_s: float, half_life_s: float
) -> None:
    """Use, repetition and freshness raise it or leave it, and it is never below zero."""

    def of(uses: int, repeats: int, idle_s: float) -> float:
        return worth(
            importance=importance,
            confidence=confidence,
            uses=uses,
            repeats=repeats,
            idle_s=idle_s,
            half_life_s=half_life_s,
        )

    it = of(uses, repeats, idle_s)
    assert 0 <= it <= min(of(uses + 1, repeats, idle_s), of(uses, repeats + 1, idle_s), of(uses, repeats, 0))


def test_age_takes_half_at_most() -> None:
    """An important fact that is old outlives a trifle of today, and without a half life age takes nothing."""
    old = worth(importance=0.9, confidence=1, uses=0, repeats=0, idle_s=1e12, half_life_s=1)
    new = worth(importance=0.4, confidence=1, uses=0, repeats=0, idle_s=0, half_life_s=1)
    ever = worth(importance=0.9, confidence=1, uses=0, repeats=0, idle_s=1e12, half_life_s=0)

    assert old > new
    assert ever == 0.9
