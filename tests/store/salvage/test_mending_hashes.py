"""Hashes of what vectors were made of: of two that differ, the one that fits the words stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pi_rag.store import Connection
from pi_rag.store.rows import all_rows
from pi_rag.store.salvage import mending_hashes

RIGHT, WRONG, OTHER = b"right of a text", b"wrong of a text", b"other of a text"


@pytest.fixture
def db() -> Iterator[Connection]:
    """One document with one passage."""
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


@pytest.mark.parametrize(
    ("row", "entry", "after"),
    [
        (RIGHT, RIGHT, RIGHT),
        (WRONG, RIGHT, RIGHT),
        (None, RIGHT, RIGHT),
        (RIGHT, WRONG, RIGHT),
        (WRONG, OTHER, None),
        (WRONG, WRONG, WRONG),
    ],
)
def test_the_hash_that_fits_the_words_stays(
    db: Connection, row: bytes | None, entry: bytes, after: bytes | None
) -> None:
    """Where neither does, none is known; where both agree nothing is touched. What was mended is told."""
    db.execute("INSERT INTO chunks VALUES (3, 7, 'heading', 'text', ?)", (row,))
    mended = mending_hashes.mend(db, [(3, entry), (4, OTHER)], is_right)
    assert all_rows(db, "SELECT text_hash FROM chunks") == [(after,)]
    assert mended == ({7} if row != after else set())
