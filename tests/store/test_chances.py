"""What cosines are by chance is learned from the passages, and again when they have become others."""

from __future__ import annotations

from dataclasses import replace

from pi_rag.store import Connection, documents
from pi_rag.store.chances import PASSAGES_MIN, SAMPLE, Chances
from pi_rag.store.rows import all_rows
from tests.store.making import FINGERPRINT, axis, put


def fill(db: Connection, first: int, last: int) -> None:
    for number in range(first, last):
        put(db, f"{number}", [f"passage {number}"])


def test_of_few_passages_nothing_is_learned(db: Connection) -> None:
    """One passage less than it takes, or none at all: no chance, and no error."""
    assert Chances().of(db, axis(1), FINGERPRINT) is None
    fill(db, 1, PASSAGES_MIN)
    assert Chances().of(db, axis(1), FINGERPRINT) is None
    fill(db, PASSAGES_MIN, PASSAGES_MIN + 1)
    assert Chances().of(db, axis(1), FINGERPRINT) is not None


def test_the_same_database_gives_the_same(db: Connection) -> None:
    """Also after a restart: the sample is not drawn by lot."""
    fill(db, 1, 2 * SAMPLE)
    assert Chances().of(db, axis(3), FINGERPRINT) == Chances().of(db, axis(3), FINGERPRINT)


def test_it_is_learned_once_and_again_after_growth_or_another_model(db: Connection) -> None:
    """A search reads no sample; a quarter more passages, or other vectors, are looked at again."""
    fill(db, 1, 41)
    chances = Chances()
    chances.of(db, axis(1), FINGERPRINT)
    assert _vectors_read(db, chances) == 0
    fill(db, 41, 61)
    assert _vectors_read(db, chances) == 1
    assert _vectors_read(db, chances) == 0
    assert _vectors_read(db, chances, replace(FINGERPRINT, model_sha256="1" * 64)) == 1


def test_removed_passages_do_not_matter(db: Connection) -> None:
    """Numbers without a passage are stepped over."""
    fill(db, 1, 101)
    for (number,) in all_rows(db, "SELECT id FROM documents WHERE id % 3 = 0"):
        documents.remove(db, number)
    assert Chances().of(db, axis(1), FINGERPRINT) is not None


def test_a_long_gap_behind_a_few_old_passages_hides_nothing(db: Connection) -> None:
    """Old documents beside ones that are replaced every day: the newest passages tell what is chance."""
    fill(db, 1, 6)
    db.execute("UPDATE sqlite_sequence SET seq = 100000 WHERE name = 'chunks'")
    fill(db, 6, 6 + 2 * PASSAGES_MIN)
    assert Chances().of(db, axis(1), FINGERPRINT) is not None


def _vectors_read(db: Connection, chances: Chances, model: object = FINGERPRINT) -> int:
    """How often a sample of vectors was read for one question."""
    read: list[str] = []

    def noted(_: object, sql: str, __: object) -> bool:
        read.append(sql)
        return True

    db.exec_trace = noted
    chances.of(db, axis(1), model)  # type: ignore[arg-type]
    db.exec_trace = None
    return sum("SELECT chunk_id, vector" in sql for sql in read)
