"""Fusion by reciprocal rank."""

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.rank.fusion import reciprocal_rank

ids = st.lists(st.integers(0, 30), unique=True, max_size=12)


def ranked(items: list[int]) -> list[tuple[int, float]]:
    return [(item, 1.0 / (place + 1)) for place, item in enumerate(items)]


def test_first_in_every_list_scores_one() -> None:
    """A passage that both ways put first has the score 1, so that a person can read the number."""
    fused = reciprocal_rank({"vector": [(7, 0.9), (8, 0.5)], "text": [(7, 12.0)]}, k=60)

    assert [each.id for each in fused] == [7, 8]
    assert fused[0].score == 1.0
    assert fused[0].scores == {"vector": 0.9, "text": 12.0}
    assert fused[0].ranks == {"vector": 1, "text": 1}


def test_agreement_beats_a_single_first_place() -> None:
    """Second in both lists is worth more than first in one: that is what fusion is for."""
    fused = reciprocal_rank({"vector": [(1, 0.9), (2, 0.8)], "text": [(3, 9.0), (2, 8.0)]}, k=60)

    assert fused[0].id == 2


def test_nothing_found_is_an_empty_list() -> None:
    """Empty lists, or none at all, fuse to nothing."""
    assert reciprocal_rank({}, k=60) == []
    assert reciprocal_rank({"vector": [], "text": []}, k=60) == []


@given(ids, ids)
def test_fusion_keeps_every_passage_once(one: list[int], other: list[int]) -> None:
    """Whatever either way found is there exactly once, scores fall, and none is above 1."""
    fused = reciprocal_rank({"vector": ranked(one), "text": ranked(other)}, k=60)

    assert sorted(each.id for each in fused) == sorted({*one, *other})
    assert [each.score for each in fused] == sorted((each.score for each in fused), reverse=True)
    assert all(0 < each.score <= 1.0 + 1e-12 for each in fused)


@given(ids)
def test_one_list_keeps_its_order(one: list[int]) -> None:
    """With one way only, fusion changes nothing."""
    assert [each.id for each in reciprocal_rank({"text": ranked(one)}, k=60)] == one
