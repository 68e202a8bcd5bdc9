"""A seed gives the same traffic again, and no document's word is another's."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.stress import workload

seeds = st.integers(0, 2**40)


@given(seeds)
def test_a_seed_replays(seed: int) -> None:
    """Documents, questions and facts are the same ones in the same order."""
    for make in (workload.documents, workload.questions, workload.facts):
        assert list(islice(make(seed), 5)) == list(islice(make(seed), 5))


@given(st.sets(st.tuples(seeds, st.integers(1, 1_000_002)), min_size=2, max_size=50))
def test_a_marker_names_one_document(which: set[tuple[int, int]]) -> None:
    """Of all seeds and numbers: what is searched by it can be nothing else."""
    assert len({workload.marker(seed, number) for seed, number in which}) == len(which)


def test_a_document_has_its_marker_in_its_source_and_its_text() -> None:
    """So that a loss can be named, and a text be told from another."""
    for document in islice(workload.documents(3), 20):
        mark = document["source"].removesuffix(".txt")
        assert mark in document["text"]
        assert workload.digest(document["text"]) != workload.digest(document["text"] + " ")
