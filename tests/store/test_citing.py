"""Passages come with all that it takes to cite them."""

from __future__ import annotations

from pi_rag.store import Connection, citing, documents
from pi_rag.store.nearest import exact
from pi_rag.types import Scope
from tests.store.making import axis, put


def test_passages_come_in_the_order_asked_for_with_all_to_cite_them(db: Connection) -> None:
    """Those that are gone meanwhile are left out, one asked for twice comes twice."""
    put(db, "a.md", ["green tea", "black tea"], title="Tea", heading="H > I", metadata={"x": 1}, now=7.0)
    first, second = sorted(hit for hit, _ in exact(db, axis(0), 2, Scope()))
    found = citing.passages(db, [second, 999, first, second])
    assert [passage.chunk_id for passage in found] == [second, first, second]
    one = found[0]
    assert (one.collection, one.source, one.title, one.heading) == ("default", "a.md", "Tea", "H > I")
    assert (one.start, one.end, one.text, one.page) == (10, 19, "black tea", None)
    assert (one.metadata, one.updated_at) == ({"x": 1}, 7.0)
    text = documents.get(db, one.document_id).text
    assert text is not None
    assert text[one.start : one.end] == one.text
    assert citing.passages(db, []) == []
