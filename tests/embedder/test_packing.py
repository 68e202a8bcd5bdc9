"""Promises of pi_rag/embedder/packing.py."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.embedder.packing import packed

TOKENS_MAX = 256


@given(st.lists(st.integers(2, TOKENS_MAX), max_size=200), st.integers(1, 16))
def test_every_text_is_in_one_call_and_no_call_is_too_large(lengths: list[int], texts_max: int) -> None:
    """Nothing is lost, doubled or over a bound: one token too many would end the process."""
    calls = packed(lengths, TOKENS_MAX, texts_max)
    assert sorted(index for call in calls for index in call) == list(range(len(lengths)))
    assert all(len(call) <= texts_max for call in calls)
    assert all(sum(lengths[index] for index in call) <= TOKENS_MAX for call in calls)


def test_long_texts_go_alone_and_short_ones_share() -> None:
    """Attention grows with the square of a call; each call has a fixed cost."""
    assert packed([200, 10, 230, 12, 11], TOKENS_MAX, 8) == [[2], [0, 3, 4, 1]]
    assert packed([10] * 5, TOKENS_MAX, 2) == [[0, 1], [2, 3], [4]]
    assert packed([], TOKENS_MAX, 8) == []
