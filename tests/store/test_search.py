"""Both ways find the right passages in the right order, and no query is an error."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pi_rag.config import StoreSettings
from pi_rag.errors import VectorInvalid
from pi_rag.store import Connection, connection, documents, identity, migrations, search
from pi_rag.types import Scope
from tests.store.making import FINGERPRINT, axis, put, tilted


def _sources(db: Connection, hits: list[tuple[int, float]]) -> list[str]:
    return [passage.source for passage in search.passages(db, [hit for hit, _ in hits])]


def _words(db: Connection, query: str, k: int = 10, **weights: float) -> list[tuple[int, float]]:
    weights = {"title_weight": 1.5, "heading_weight": 1.2} | weights
    return search.by_words(db, query, k, Scope(), **weights)


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
    assert len(_words(db, "tea", 1000)) == 1000


@pytest.mark.parametrize("vector", [b"", axis(0)[:-4], axis(0) * 2, b"\x00"])
def test_a_query_vector_of_another_width_is_refused(db: Connection, vector: bytes) -> None:
    """It comes from another model."""
    put(db, "a", ["tea"])
    with pytest.raises(VectorInvalid):
        search.by_vector(db, vector, 1, Scope())


def test_words_are_found_in_any_form_and_case(db: Connection) -> None:
    """Porter's stems and unicode61's folding: `Running cafés` finds `run cafe`."""
    put(db, "a", ["they run to the cafe"])
    put(db, "b", ["nothing of the kind"])
    assert _sources(db, _words(db, "RUNNING")) == ["a"]
    assert _sources(db, _words(db, "Cafés")) == ["a"]
    assert _sources(db, _words(db, "cafe\u0301")) == ["a"]


def test_more_of_the_words_and_rarer_ones_come_first(db: Connection) -> None:
    """BM25, as a positive number, best first."""
    put(db, "both", ["green tea with milk"])
    put(db, "one", ["green grass with dew"])
    for number in range(5):
        put(db, f"none {number}", ["something else"])
    hits = _words(db, "green tea")
    assert _sources(db, hits) == ["both", "one"]
    assert hits[0][1] > hits[1][1] > 0


def test_weights_decide_between_title_heading_and_body(db: Connection) -> None:
    """The same word counts as much as the place it stands in."""
    put(db, "body", ["tea and some words"])
    put(db, "title", ["xxx and some words"], title="tea")
    put(db, "heading", ["xxx and some words"], heading="tea")
    for number in range(9):
        put(db, f"none {number}", ["something else"])
    assert _sources(db, _words(db, "tea", title_weight=5, heading_weight=2)) == ["title", "heading", "body"]
    assert _sources(db, _words(db, "tea", title_weight=0.1, heading_weight=3)) == ["heading", "body", "title"]


def test_a_query_of_stop_words_alone_still_searches(db: Connection) -> None:
    """Somebody may look for `The Who`."""
    put(db, "a", ["the who"])
    put(db, "b", ["tea"])
    assert _sources(db, _words(db, "the who")) == ["a"]


def test_passages_come_in_the_order_asked_for_with_all_to_cite_them(db: Connection) -> None:
    """Those that are gone meanwhile are left out, one asked for twice comes twice."""
    put(db, "a.md", ["green tea", "black tea"], title="Tea", heading="H > I", metadata={"x": 1}, now=7.0)
    first, second = sorted(hit for hit, _ in _words(db, "tea"))
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


_NASTY = [
    "multi-agent", '"', "'", "OR", "AND", "NOT", "*", "^", "NEAR(", "NEAR(a b, 3)", "a:b", "title:", "{a b}:",
    "(", ")", "+", "-", "\x00", "\ud800", "\udfff", "🙂", "🙂\u200d🙂", "日本語", "ไทย", "عربي", "ﬀ", "İ",
    "ß", "e\u0301", "\u200b", "\ufeff", ";", "--", "/*", "%", "_", "\\", "?", "$1", "@x", "0x", "1e9", "tea",
    "\n",
]  # fmt: skip


@pytest.mark.parametrize(
    "query", [*_NASTY, "tea" * 5000, "tea " * 5000, '"' * 9999, "(" * 9999, "\u0301" * 99]
)
def test_a_nasty_query_is_only_a_query(db: Connection, query: str) -> None:
    """Alone, and beside a word, which is found all the same."""
    put(db, "a", ["a tea of words"])
    _words(db, query)
    assert _sources(db, _words(db, f"{query} tea")) == ["a"]


def test_ten_thousand_queries_put_together_from_nasty_pieces_never_fail(db: Connection) -> None:
    """Whatever stands beside what."""
    put(db, "a", ["a tea of words", "multi agent 日本語"])
    dice = random.Random(20)
    for _ in range(10_000):
        _words(db, dice.choice(["", " "]).join(dice.choices(_NASTY, k=dice.randint(1, 8))))


@pytest.fixture(scope="module")
def full_db() -> Any:
    """One database for all examples: a search changes nothing."""
    made = Connection(":memory:")
    connection.apply(made, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(made)
    identity.claim_fingerprint(made, FINGERPRINT)
    put(made, "a", ["a tea of words"], title="Tea", heading="multi agent")
    yield made
    made.close()


@settings(max_examples=500, deadline=None)
@given(query=st.text(st.characters(exclude_categories=())))
@example(query='" OR 1=1 --')
def test_no_text_whatever_makes_a_search_fail(full_db: Connection, query: str) -> None:
    """A person may type anything."""
    for _, score in _words(full_db, query):
        assert score > 0
