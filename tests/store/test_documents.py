"""A document is wholly there or not there, and what is gone is gone from everywhere."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.config import StoreSettings
from pi_rag.errors import DocumentNotFound, RequestInvalid, VectorInvalid
from pi_rag.store import (
    Connection,
    by_words,
    checkup,
    citing,
    connection,
    documents,
    identity,
    migrations,
    vectors,
)
from pi_rag.store.nearest import exact
from pi_rag.store.rows import all_rows, value
from pi_rag.store.writer import transaction
from pi_rag.types import Counts, Scope
from tests.store.making import FINGERPRINT, add_as_once, axis, cut, document, put, vector_of


def test_a_document_comes_back_as_it_was_put(db: Connection) -> None:
    """Text, title, metadata, counts and dates."""
    new = document(
        "notes.md", ["green tea", "black tea"], title="Tea", metadata={"year": 2020, "tags": ["a"]}
    )
    document_id, replaced = documents.put(db, new, cut(["green tea", "black tea"]), axis(0) + axis(1), 12.5)
    row = documents.get(db, document_id)
    assert not replaced
    assert (row.collection, row.source, row.title, row.kind) == ("default", "notes.md", "Tea", "text")
    assert (row.text, row.char_count, row.chunk_count) == ("green tea\nblack tea", 19, 2)
    assert (row.metadata, row.content_hash) == ({"year": 2020, "tags": ["a"]}, new.content_hash)
    assert (row.created_at, row.updated_at) == (12.5, 12.5)


def test_the_same_source_is_replaced_and_keeps_its_id_and_birth(db: Connection) -> None:
    """Whoever has kept a link to the document still finds it."""
    first = put(db, "a", ["old words"], metadata={"v": 1}, now=1.0)
    new = document("a", ["new", "text"], title="New", metadata={"v": 2})
    assert documents.put(db, new, cut(["new", "text"]), axis(0) + axis(1), 2.0) == (first, True)
    row = documents.get(db, first)
    assert (row.text, row.title, row.metadata, row.chunk_count) == ("new\ntext", "New", {"v": 2}, 2)
    assert (row.created_at, row.updated_at) == (1.0, 2.0)
    assert by_words.by_words(db, "old words", 10, Scope(), 1, 1) == []


def test_the_same_source_in_two_collections_is_two_documents(db: Connection) -> None:
    """A collection is a room of its own."""
    one = put(db, "a", ["tea"], collection="one")
    assert put(db, "a", ["tea"], collection="two") != one
    assert documents.counts(db).collections == 2


def test_an_unchanged_document_is_known_by_its_hash(db: Connection) -> None:
    """So that it need not be embedded again."""
    put(db, "a", ["tea"], collection="one")
    wanted = document("a", ["tea"]).content_hash
    assert documents.content_hash(db, "one", "a") == wanted
    assert documents.content_hash(db, "two", "a") is None
    assert documents.content_hash(db, "one", "b") is None


def _put_hashed(db: Connection, source: str, numbers: list[float]) -> bytes:
    vector = struct.pack("<8f", *numbers)
    documents.put(db, document(source, ["tea"]), cut(["tea"]), vector, 1.0, [source.encode()])
    return vector


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=8, max_size=8))
def test_a_known_vector_comes_back_bit_by_bit(numbers: list[float]) -> None:
    """Minus zero and the smallest numbers included: what is reused is what was stored."""
    db = Connection(":memory:")
    connection.apply(db, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(db)
    identity.claim_fingerprint(db, FINGERPRINT)
    vector = _put_hashed(db, "a", numbers)
    assert documents.known_vectors(db, [b"a", b"b"]) == {b"a": vector}
    db.close()


def test_a_vector_is_known_as_long_as_a_passage_has_it(db: Connection) -> None:
    """Of two passages with one text, either will do; with the last one it is gone."""
    vector = _put_hashed(db, "a", [1.0] * 8)
    documents.put(db, document("b", ["tea"]), cut(["tea"]), vector, 1.0, [b"a"])
    documents.remove_source(db, "a", None)
    assert documents.known_vectors(db, [b"a"]) == {b"a": vector}
    documents.remove_source(db, "b", None)
    assert documents.known_vectors(db, [b"a"]) == {}


def test_passages_from_before_are_not_known_and_keep_their_place(db: Connection) -> None:
    """An older database takes the step, and its passages are embedded again only when they are touched."""
    older = Connection(":memory:")
    connection.apply(older, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(older, migrations.STEPS[:6])
    identity.claim_fingerprint(older, FINGERPRINT)
    older.execute("INSERT INTO collections (name) VALUES ('default')")
    older.execute(
        "INSERT INTO documents (collection_id, source, title, kind, content_hash, metadata, char_count,"
        " chunk_count, created_at, updated_at) VALUES (1, 'a', '', 'text', '', '{}', 3, 1, 1.0, 1.0)"
    )
    older.execute("INSERT INTO document_texts VALUES (1, 'tea')")
    older.execute(
        "INSERT INTO chunks (document_id, seq, start, end, heading, text, token_count)"
        " VALUES (1, 0, 0, 3, '', 'tea', 1)"
    )
    older.execute("INSERT INTO chunks_fts (rowid, title, heading, body) VALUES (1, '', '', 'tea')")
    add_as_once(older, 1, axis(0))
    add_as_once(older, 7, axis(1))  # of a passage that is not there
    migrations.migrate(older)
    assert vectors.of(older, [1, 7]) == [(1, axis(0))]
    assert not older.table_exists("main", "chunks_vec")
    assert value(older, "SELECT text_hash FROM chunks") is None
    assert checkup.check(older) == []
    vector = _put_hashed(older, "a", [1.0] * 8)
    assert documents.known_vectors(older, [b"a"]) == {b"a": vector}
    older.close()


def test_before_the_first_model_no_vector_is_known() -> None:
    """There is nothing to look into."""
    empty = Connection(":memory:")
    migrations.migrate(empty)
    assert documents.known_vectors(empty, [b"a"]) == {}
    empty.close()


def test_as_many_hashes_as_passages_are_wanted(db: Connection) -> None:
    """Anything else would give one passage the vector of another."""
    with pytest.raises(ValueError, match="zip"):
        documents.put(db, document("a", ["tea"]), cut(["tea"]), axis(0), 1.0, [])


def test_a_document_that_is_not_there_has_its_own_error(db: Connection) -> None:
    """The message names the number."""
    with pytest.raises(DocumentNotFound, match="no document 7"):
        documents.get(db, 7)


def test_a_listing_goes_by_pages_and_leaves_the_texts(db: Connection) -> None:
    """Each page begins after the last id of the one before."""
    ids = [
        put(db, f"{number}", ["tea"], collection="even" if number % 2 == 0 else "odd") for number in range(6)
    ]
    first = documents.listing(db, None, 4, None)
    assert [row.id for row in first] == ids[:4]
    assert [row.id for row in documents.listing(db, None, 4, first[-1].id)] == ids[4:]
    assert [row.id for row in documents.listing(db, "even", 10, ids[0])] == [ids[2], ids[4]]
    assert documents.listing(db, "nowhere", 10, None) == []
    assert {row.text for row in first} == {None}


def test_removing_takes_text_passages_words_and_vectors(db: Connection) -> None:
    """Nothing of it can be found, and the checkup finds nothing left over."""
    document_id = put(db, "a", ["green tea", "black tea"], vectors=axis(0) + axis(1))
    assert documents.remove(db, document_id)
    assert not documents.remove(db, document_id)
    assert exact(db, axis(0), 10, Scope()) == []
    assert by_words.by_words(db, "tea", 10, Scope(), 1, 1) == []
    assert documents.counts(db) == Counts(0, 0, 0, 0, 0)
    assert checkup.check(db) == []


def test_a_source_is_removed_from_one_collection_or_from_all(db: Connection) -> None:
    """The answer says how many documents that were."""
    for collection in ("one", "two", "three"):
        put(db, "a", ["tea"], collection=collection)
    assert documents.remove_source(db, "a", "two") == 1
    assert documents.remove_source(db, "a", "two") == 0
    assert documents.remove_source(db, "a", None) == 2


def test_counts_add_up(db: Connection) -> None:
    """What status shows is what there is."""
    put(db, "a", ["tea", "milk"], collection="one", now=1.0)
    put(db, "b", ["tea"], collection="one", now=3.0)
    put(db, "c", ["tea"], collection="two", now=2.0)
    assert documents.counts(db) == Counts(documents=3, chunks=4, collections=2, jobs_open=0, items_queued=0)


@pytest.mark.parametrize("vectors_f32", [b"", axis(0), axis(0) * 3, axis(0) + axis(1)[:-1]])
def test_vectors_that_do_not_fit_the_passages_are_refused_and_nothing_stays(
    db: Connection, vectors_f32: bytes
) -> None:
    """One vector too few would leave a passage that no meaning finds."""
    put(db, "a", ["old"])
    with pytest.raises(VectorInvalid, match="2 vectors of 8 dimensions are 64 bytes"):
        transaction(db, lambda db: put(db, "a", ["new", "text"], vectors=vectors_f32))
    assert documents.listing(db, None, 10, None)[0].chunk_count == 1
    assert len(by_words.by_words(db, "old", 10, Scope(), 1, 1)) == 1
    assert checkup.check(db) == []


def test_without_a_model_no_passage_is_stored(db: Connection) -> None:
    """It would have no vector."""
    db.execute("DELETE FROM meta")
    with pytest.raises(VectorInvalid, match="No model"):
        transaction(db, lambda db: put(db, "a", ["tea"]))
    assert documents.counts(db).documents == 0


@pytest.mark.parametrize("metadata", [{"x": float("nan")}, {"x": object()}, {"x": {1, 2}}])
def test_metadata_that_json_cannot_say_is_refused(db: Connection, metadata: dict[str, object]) -> None:
    """It could not be given back."""
    with pytest.raises(RequestInvalid, match="metadata"):
        transaction(db, lambda db: put(db, "a", ["tea"], metadata=metadata))


def test_a_document_of_a_thousand_passages_is_one_document(db: Connection) -> None:
    """Its space is given back too: put again and again it takes no more of the file than once."""
    texts = [f"passage {number}" for number in range(1000)]
    put(db, "b", ["tea"])
    put(db, "a", texts)
    once = value(db, "PRAGMA page_count")
    for _ in range(3):
        put(db, "a", texts)
    assert value(db, "PRAGMA page_count") <= 1.5 * once
    assert documents.counts(db).chunks == 1001
    documents.remove_source(db, "a", None)
    assert value(db, "SELECT count(*) FROM vectors") == 1
    assert checkup.check(db) == []


def test_the_number_of_a_removed_passage_never_comes_back(db: Connection) -> None:
    """Somebody may still hold it, and must not be shown another text for it."""
    put(db, "a", ["tea"])
    [(old, _)] = by_words.by_words(db, "tea", 1, Scope(), 1, 1)
    documents.remove_source(db, "a", None)
    put(db, "a", ["tea"])
    assert citing.passages(db, [old]) == []


_SOURCES = st.sampled_from(["a", "b", "c"])
_COLLECTIONS = st.sampled_from(["one", "two"])
_TEXTS = st.lists(st.sampled_from(["tea", "milk", "sugar", "water", "salt"]), max_size=4)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _COLLECTIONS, _SOURCES, _TEXTS),
        st.tuples(st.just("remove"), _COLLECTIONS, _SOURCES, st.just([])),
        st.tuples(st.just("remove everywhere"), st.just(""), _SOURCES, st.just([])),
    ),
    max_size=12,
)
_Model = dict[tuple[str, str], list[str]]


def _step(db: Connection, model: _Model, step: tuple[str, str, str, list[str]]) -> None:
    """Do the same to the database and to a dict."""
    what, collection, source, texts = step
    if what == "put":
        put(db, source, texts, collection=collection)
        model[collection, source] = texts
        return
    named = [key for key in model if key[1] == source and collection in {key[0], ""}]
    assert documents.remove_source(db, source, collection or None) == len(named)
    for key in named:
        del model[key]


def _found_by_words(db: Connection, word: str) -> list[tuple[str, str]]:
    hits = by_words.by_words(db, word, 100, Scope(), 1, 1)
    return sorted((p.collection, p.source) for p in citing.passages(db, [hit for hit, _ in hits]))


def _found_by_vector(db: Connection, word: str) -> list[tuple[str, str]]:
    hits = exact(db, vector_of(word), 100, Scope())
    near = [hit for hit, cosine in hits if cosine > 0.999]
    return sorted((p.collection, p.source) for p in citing.passages(db, near))


@settings(max_examples=60)
@given(_STEPS)
def test_any_sequence_of_puts_and_removals_is_what_a_dict_would_hold(
    steps: list[tuple[str, str, str, list[str]]],
) -> None:
    """Both ways of searching find exactly what is there, and the checkup is empty after every step."""
    db = Connection(":memory:")
    connection.apply(db, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(db)
    identity.claim_fingerprint(db, FINGERPRINT)
    model: _Model = {}
    for step in steps:
        _step(db, model, step)
        assert checkup.check(db) == []
    rows = documents.listing(db, None, 100, None)
    assert {(row.collection, row.source): row.chunk_count for row in rows} == {
        key: len(texts) for key, texts in model.items()
    }
    for word in ("tea", "milk", "sugar"):
        holders = sorted(key for key, texts in model.items() for text in texts if text == word)
        assert _found_by_words(db, word) == holders
        assert _found_by_vector(db, word) == holders
    db.close()


def test_a_renamed_document_is_the_same_document(db: Connection) -> None:
    """Number, dates, passages and vectors stay; it is found by its new source and its new title."""
    document_id = put(db, "old.txt", ["green tea", "black tea"], title="old", now=1.0)
    before = all_rows(db, "SELECT * FROM vectors")
    assert documents.rename(db, "default", "old.txt", "new.txt", {"old": "new"})
    row = documents.get(db, document_id)
    assert (row.source, row.title, row.updated_at) == ("new.txt", "new", 1.0)
    assert row.content_hash == document("", ["green tea", "black tea"]).content_hash
    assert all_rows(db, "SELECT * FROM vectors") == before
    assert len(by_words.by_words(db, "new", 10, Scope(), 1, 1)) == 2
    assert by_words.by_words(db, "old", 10, Scope(), 1, 1) == []
    assert len(by_words.by_words(db, "black", 10, Scope(), 1, 1)) == 1
    assert checkup.check(db) == []


def test_a_renamed_document_keeps_a_title_of_its_own(db: Connection) -> None:
    """Only a title that came from the name follows it; and it may be asked to be read again."""
    document_id = put(db, "old.md", ["tea"], title="All about tea")
    assert documents.rename(db, "default", "old.md", "new.txt", {"old": "new"}, read_again=True)
    row = documents.get(db, document_id)
    assert (row.title, row.content_hash) == ("All about tea", "")
    assert not documents.rename(db, "default", "old.md", "x", {})
