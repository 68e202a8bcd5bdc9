"""Which passages are read as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.rank.joining import touching
from pi_rag.types import Passage


def passage(document_id: int, seq: int, start: int, end: int) -> Passage:
    return Passage(seq, document_id, "c", "s", "t", "", None, start, end, "", {}, 0.0, seq)


def row_of(seqs: list[int], overlap: int = 0, document_id: int = 1) -> list[Passage]:
    """Passages of ten characters, a gap of two between them, or overlapping."""
    return [passage(document_id, seq, seq * 12, seq * 12 + 10 + overlap) for seq in seqs]


def test_neighbours_and_overlaps_are_one_and_the_rest_is_not() -> None:
    """Those next to each other are joined, whatever white space is between; a passage left out parts them."""
    assert touching(row_of([4, 0, 5, 2, 6])) == [[0, 2, 4], [1], [3]]
    assert touching(row_of([0, 2, 4], overlap=14)) == [[0, 1, 2]]
    assert touching([*row_of([0, 1]), *row_of([2, 1], document_id=2)]) == [[0, 1], [2, 3]]
    assert touching([]) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), unique=True, max_size=30))
def test_every_passage_is_in_one_group_and_groups_do_not_touch(places: list[tuple[int, int]]) -> None:
    """Nothing is lost or shown twice; groups stand where their best stood; no two groups could be one."""
    passages = [passage(document, seq, seq * 12, seq * 12 + 10) for document, seq in places]
    groups = touching(passages)

    assert sorted(place for group in groups for place in group) == list(range(len(places)))
    assert [group[0] for group in groups] == sorted(min(group) for group in groups)
    for group in groups:
        assert len({passages[place].document_id for place in group}) == 1
        seqs = sorted(passages[place].seq for place in group)
        assert seqs == list(range(seqs[0], seqs[-1] + 1))
    edges = {(passages[group[0]].document_id, passages[place].seq) for group in groups for place in group}
    for group in groups:
        document, seqs = passages[group[0]].document_id, [passages[place].seq for place in group]
        assert (document, max(seqs) + 1) not in edges
