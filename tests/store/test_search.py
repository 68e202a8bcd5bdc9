"""Passages are found by meaning in the right order, and come with all that it takes to cite them."""

from __future__ import annotations

import struct

import pytest

from pi_rag.errors import VectorInvalid
from pi_rag.store import Connection, documents, search
from pi_rag.types import Scope
from tests.store.making import axis, put, tilted


def _sources(db: Connection, hits: list[tuple[int, float]]) -> list[str]:
    return [passage.source for passage in search.passages(db, [hit for hit, _ in hits])]


def test_the_nearest_come_first_with_their_cosine(db: Connection) -> None:
    """Similarities are true cosines: 1 for the same direction, 0 across, -1 for the opposite."""
    put(db, "across", ["a"], vectors=axis(1))
    put(db, "same", ["b"], vectors=axis(0))
    put(db, "near", ["c"], vectors=tilted(2, 0.8))
    put(db, "opposite", ["d"], vectors=struct.pack("<8f", -1, *[0.0] * 7))
    hits = search.by_vector(db, axis(0), 10, Scope())
    assert _sources(db, hits) == ["same", "near", "across", "opposite"]
    assert [cosine for _, cosine in hits] == pytest.approx([1.0, 0.8, 0.0, -1.0], abs=1e-6)


def test_a_k_of_a_thousand_and_more_works(db: Connection) -> None:
    """A larger k than sqlite-vec takes gives what it can give."""
    put(db, "a", ["tea"] * 1500, vectors=axis(0) * 1500)
    assert len(search.by_vector(db, axis(0), 1000, Scope())) == 1000
    assert len(search.by_vector(db, axis(0), 100_000, Scope())) == 1500


@pytest.mark.parametrize("vector", [b"", axis(0)[:-4], axis(0) * 2, b"\x00"])
def test_a_query_vector_of_another_width_is_refused(db: Connection, vector: bytes) -> None:
    """It comes from another model."""
    put(db, "a", ["tea"])
    with pytest.raises(VectorInvalid):
        search.by_vector(db, vector, 1, Scope())


def test_passages_come_in_the_order_asked_for_with_all_to_cite_them(db: Connection) -> None:
    """Those that are gone meanwhile are left out, one asked for twice comes twice."""
    put(db, "a.md", ["green tea", "black tea"], title="Tea", heading="H > I", metadata={"x": 1}, now=7.0)
    first, second = sorted(hit for hit, _ in search.by_vector(db, axis(0), 2, Scope()))
    found = search.passages(db, [second, 999, first, second])
    assert [passage.chunk_id for passage in found] == [second, first, second]
    one = found[0]
    assert (one.collection, one.source, one.title, one.heading) == ("default", "a.md", "Tea", "H > I")
    assert (one.start, one.end, one.text, one.page) == (10, 19, "black tea", None)
    assert (one.metadata, one.updated_at) == ({"x": 1}, 7.0)
    text = documents.get(db, one.document_id).text
    assert text is not None
    assert text[one.start : one.end] == one.text
    assert search.passages(db, []) == []
