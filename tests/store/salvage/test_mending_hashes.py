"""Hashes of what vectors were made of: one that does not fit the words is left out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pi_rag.store import Connection
from pi_rag.store.rows import all_rows
from pi_rag.store.salvage import mending_hashes

RIGHT, WRONG = b"right of a text", b"wrong of a text"


@pytest.fixture
def db() -> Iterator[Connection]:
    """One document with no passages yet."""
    made = Connection(":memory:")
    made.execute("""
        CREATE TABLE documents (id INTEGER PRIMARY KEY, title TEXT);
        CREATE TABLE chunks (id INTEGER PRIMARY KEY, document_id, heading TEXT, text TEXT, text_hash BLOB);
        INSERT INTO documents VALUES (7, 'title');
    """)
    yield made
    made.close()


def is_right(text_hash: bytes, title: str, heading: str, text: str) -> bool:
    """Only RIGHT is of these words."""
    assert (title, heading, text) == ("title", "heading", "text")
    return text_hash == RIGHT


@pytest.mark.parametrize(("before", "after"), [(RIGHT, RIGHT), (WRONG, None), (None, None)])
def test_the_hash_that_fits_the_words_stays(
    db: Connection, before: bytes | None, after: bytes | None
) -> None:
    """Another one is not known any more, and that is told."""
    db.execute("INSERT INTO chunks VALUES (3, 7, 'heading', 'text', ?)", (before,))
    assert mending_hashes.mend(db, is_right) == ({7} if before != after else set())
    assert all_rows(db, "SELECT text_hash FROM chunks") == [(after,)]
