"""Each kind of damage is found and said, and nothing is mended behind anybody's back."""

from __future__ import annotations

from functools import partial

import apsw
import pytest

from pi_rag.errors import StoreDamaged
from pi_rag.store import Connection, checkup, documents
from pi_rag.store.rows import value
from pi_rag.store.store import Store
from tests.store.making import axis, put
from tests.store.memory.keeping import fact, keep


def _undefended(db: Connection) -> None:
    """Let this connection do harm."""
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 0)


def test_a_whole_database_has_no_problem(db: Connection) -> None:
    """Empty or full."""
    assert checkup.check(db) == []
    put(db, "a", ["tea", "milk"])
    keep(db, fact("The kettle is blue."), axis(0))
    keep(db, fact("The lamp is red."))
    assert checkup.check(db) == []


async def test_a_word_index_merged_since_a_readers_last_look_is_whole(store: Store) -> None:
    """The reader remembers how the index lay then, and must not call what the writer made of it damage."""
    for number in range(60):
        await store.write(put, f"{number}", [f"tea {number} " * 20])
    assert await store.read(checkup.check) == []
    for number in range(0, 60, 2):
        await store.write(documents.remove_source, f"{number}", None)
    await store.write(_merge_words)
    assert await store.read(checkup.check) == []
    assert await store.read(checkup.check) == []


def _merge_words(db: Connection) -> None:
    db.execute("INSERT INTO chunks_fts (chunks_fts) VALUES ('optimize')")


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("DELETE FROM vectors WHERE chunk_id = 1", "1 passages without a vector"),
        ("DELETE FROM chunks_fts WHERE rowid = 1", "1 passages without words"),
        ("INSERT INTO chunks_fts (rowid, body) VALUES (99, 'x')", "1 words without a passage"),
        ("DELETE FROM hashes_fts WHERE rowid = 1", "1 passages without hashes"),
        ("INSERT INTO hashes_fts (rowid, hashes) VALUES (99, 'x')", "1 hashes without a passage"),
        ("DELETE FROM chunks WHERE id = 1", "1 vectors without a passage"),
        ("DELETE FROM chunks WHERE id = 1", "1 documents with a wrong count of passages"),
        ("DELETE FROM document_texts", "1 documents without their text"),
        ("DELETE FROM documents", "2 passages without a document"),
        ("DELETE FROM documents", "1 texts without a document"),
        ("DELETE FROM documents", "chunks row 1 refers to a row of documents that is not there"),
        (
            "UPDATE vectors SET vector = x'00' WHERE chunk_id = 2",
            "1 vectors of another width than the first",
        ),
        ("DELETE FROM memory_fts WHERE rowid = 1", "1 parts of memories without words"),
        ("INSERT INTO memory_fts (rowid, body) VALUES (99, 'x')", "1 words without a part of a memory"),
        ("DELETE FROM memory_texts", "2 memories without a text"),
        ("DELETE FROM memories WHERE id = 1", "1 texts without a memory"),
        ("DELETE FROM memory_vectors", "1 parts of memories with neither a vector nor a place among those"),
        ("UPDATE memory_scopes SET facts = 9", "1 scopes with a wrong count of memories"),
        ("UPDATE memory_fts_data SET block = x'00' WHERE id > 10", "corruption found"),
        ("UPDATE chunks_fts_data SET block = x'00' WHERE id > 10", "corruption found"),
    ],
)
def test_every_harm_is_found(db: Connection, harm: str, problem: str) -> None:
    """In a plain sentence that says how many."""
    put(db, "a", ["tea", "milk"])
    keep(db, fact("The kettle is blue."), axis(0))
    keep(db, fact("The lamp is red."))
    _undefended(db)
    db.execute(harm)
    assert any(problem in found for found in checkup.check(db)), checkup.check(db)


@pytest.mark.parametrize("index", ["chunks_fts", "hashes_fts", "memory_fts"])
def test_words_of_what_is_gone_are_found_by_the_deep_look(db: Connection, index: str) -> None:
    """As where the disk has lost the page that says what was taken out; a plain removal leaves none."""
    for number in range(40):
        put(db, f"{number}", ["tea", "milk"])
        keep(db, fact(f"Kettle {number} is blue."), axis(number))
    documents.remove_source(db, "7", None)
    _undefended(db)
    db.execute("DELETE FROM memory_fts WHERE rowid = 7; PRAGMA query_only = 1")
    assert checkup.check_deeply(db) == []
    assert value(db, "PRAGMA query_only")
    db.execute(f"PRAGMA query_only = 0; DELETE FROM {index}_docsize WHERE id IN (1, 2)")
    [told] = checkup.check_deeply(db)
    assert told == f"2 rows that are gone, and the words of which {index} still has"


def test_a_checkup_changes_nothing(db: Connection) -> None:
    """Whoever repairs must decide to."""
    put(db, "a", ["tea", "milk"])
    db.execute("DELETE FROM vectors WHERE chunk_id = 1")
    before = value(db, "SELECT total_changes()")
    assert checkup.check(db) == checkup.check(db) == ["1 passages without a vector"]
    assert value(db, "SELECT total_changes()") == before


def test_damage_stops_the_start(db: Connection) -> None:
    """With the first problem in the message."""
    put(db, "a", ["tea"])
    _undefended(db)
    db.execute("UPDATE chunks_fts_data SET block = x'00' WHERE id > 10")
    with pytest.raises(StoreDamaged, match="corruption found"):
        checkup.check_quickly(db, lambda: False)


def test_a_look_that_runs_out_of_time_is_no_damage(db: Connection) -> None:
    """Wherever the time runs out; and the connection is not left with the stop-watch."""
    put(db, "a", [f"passage {number} of many" for number in range(2000)])
    for looks in (0, 1, 2, 5, 10):
        left = iter([False] * looks)
        checkup.check_quickly(db, partial(next, left, True))
    assert checkup.check(db) == []
