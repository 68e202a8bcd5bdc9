"""Promises of pi_rag/store/by_hash.py."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.config import StoreSettings
from pi_rag.store import Connection, by_hash, connection, documents, migrations
from pi_rag.store.duplicates import copy_hash, passages_of
from pi_rag.store.rows import all_rows
from tests.durability import old
from tests.store.making import axis, cut, document

OURS, THEIRS = b"\x0a" * 16, b"\xf5" * 16


def put(db: Connection, source: str, text: str, text_hash: bytes | None, vector: bytes) -> int:
    made_of = None if text_hash is None else [text_hash]
    return documents.put(db, document(source, [text]), cut([text]), vector, 1.0, made_of)[0]


def proposed(db: Connection, asked: str) -> list[int]:
    sql = f"SELECT rowid FROM {by_hash.TABLE} WHERE {by_hash.TABLE} MATCH ? ORDER BY rowid"
    return [row[0] for row in all_rows(db, sql, (asked,))]


def test_a_passage_is_found_by_either_hash_until_it_goes(db: Connection) -> None:
    """Also one of which it is not known what its vector was made of."""
    first = put(db, "a", "Green tea", OURS, axis(0))
    put(db, "b", "green  TEA", None, axis(1))
    words = by_hash.same_words(copy_hash("green tea"))
    assert (proposed(db, words), proposed(db, by_hash.made_of(OURS))) == ([1, 2], [1])
    documents.remove(db, first)
    assert (proposed(db, words), proposed(db, by_hash.made_of(OURS))) == ([2], [])


def test_it_comes_back_as_it_was_when_it_is_made_anew(db: Connection) -> None:
    """From the passages alone."""
    put(db, "a", "tea", OURS, axis(0))
    put(db, "b", "milk", THEIRS, axis(1))
    db.execute(f"DROP TABLE {by_hash.TABLE}")
    by_hash.create(db)
    assert by_hash.vectors(db, "vectors", [OURS, THEIRS, b"n" * 16]) == {OURS: axis(0), THEIRS: axis(1)}
    assert proposed(db, by_hash.same_words(copy_hash("milk"))) == [2]


def test_the_passage_s_own_row_decides(db: Connection) -> None:
    """A hash that was taken away from it since finds no vector any more."""
    put(db, "a", "tea", OURS, axis(0))
    db.execute("UPDATE chunks SET text_hash = NULL")
    assert proposed(db, by_hash.made_of(OURS)) == [1]
    assert by_hash.vectors(db, "vectors", [OURS]) == {}


@given(st.integers(-(2**63), 2**63 - 1), st.binary(min_size=16, max_size=16))
def test_every_hash_is_one_word_of_its_own(copy: int, text: bytes) -> None:
    """Whatever its bytes and its sign; no hash of one kind is one of the other."""
    db = Connection(":memory:")
    db.execute("CREATE TABLE chunks (id INTEGER PRIMARY KEY, text_hash BLOB, copy_hash INTEGER)")
    by_hash.create(db)
    by_hash.add(db, 7, text, copy)
    by_hash.add(db, 8, bytes(16), 0)
    assert proposed(db, by_hash.same_words(copy)) == ([7, 8] if copy == 0 else [7])
    assert proposed(db, by_hash.made_of(text)) == ([7, 8] if text == bytes(16) else [7])
    db.close()


def test_another_title_makes_other_hashes(db: Connection) -> None:
    """The vector was made with the old title, and is not found for a passage that is not made so any more."""
    put(db, "a.md", "tea", OURS, axis(0))
    db.execute("UPDATE documents SET title = 'a'")
    assert documents.rename(db, "default", "a.md", "b.md", {"a": "b"})
    assert all_rows(db, "SELECT text_hash FROM chunks") == [(None,)]
    assert documents.known_vectors(db, [OURS]) == {}


def test_an_older_database_gets_it_with_all_that_it_knows(tmp_path: Path) -> None:
    """Passages from before there were hashes have none; those of one kind are found by that one."""
    path = tmp_path / "data" / "pi-rag.db"
    old.make(path, 18)
    db = Connection(str(path))
    connection.apply(db, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(db)
    assert (proposed(db, by_hash.made_of(b"\x0a")), proposed(db, by_hash.same_words(5))) == ([1], [1, 7])
    assert all_rows(db, f"SELECT rowid FROM {by_hash.TABLE} ORDER BY rowid") == [(1,), (2,), (7,)]
    db.close()


def test_passages_of_which_no_hash_is_known_are_all_of_their_document(db: Connection) -> None:
    """None of them is taken for a passage of another document that this one repeats."""
    put_document = document("a", ["tea", "milk", "rum"])
    documents.put(db, put_document, cut(["tea", "milk", "rum"]), axis(0) + axis(1) + axis(2), 1.0)
    assert sorted(passages_of(db, "default", "a").values()) == [1, 2, 3]
