"""What a commit did to the vectors is known row by row, and what was rolled back never was."""

from __future__ import annotations

import contextlib

from pi_rag.store import Connection, documents
from pi_rag.store.changes import Change, Changes
from pi_rag.store.writer import transaction
from tests.store.making import axis, put


def test_what_comes_is_told_with_its_vector(db: Connection) -> None:
    """Once."""
    changes = Changes(db)
    put(db, "a", ["tea", "milk"], vectors=axis(0) + axis(1))
    assert changes.take() == Change({1: axis(0), 2: axis(1)}, set())
    assert not changes.take()


def test_what_goes_with_its_document_is_told(db: Connection) -> None:
    """Though nobody deletes a vector by name: the foreign key does."""
    put(db, "a", ["tea", "milk"])
    changes = Changes(db)
    documents.remove_source(db, "a", None)
    assert changes.take() == Change({}, {1, 2})


def test_a_replaced_document_changes_both(db: Connection) -> None:
    """The old passages go, the new ones come."""
    put(db, "a", ["tea"])
    changes = Changes(db)
    put(db, "a", ["milk"], vectors=axis(3))
    assert changes.take() == Change({2: axis(3)}, {1})


def test_what_is_rolled_back_is_not_told(db: Connection) -> None:
    """Neither by itself nor with the next commit."""
    changes = Changes(db)

    def fails(db: Connection) -> None:
        put(db, "a", ["tea"])
        raise RuntimeError("no")

    with contextlib.suppress(RuntimeError):
        transaction(db, fails)
    transaction(db, lambda db: put(db, "b", ["milk"], vectors=axis(1)))
    told = changes.take()
    assert list(told.added.values()) == [axis(1)]


def test_what_came_and_went_at_once_is_no_addition(db: Connection) -> None:
    """A passage that is not there any more must not be proposed."""
    changes = Changes(db)

    def both(db: Connection) -> None:
        put(db, "a", ["tea"])
        documents.remove_source(db, "a", None)

    transaction(db, both)
    assert changes.take().added == {}


def test_a_changed_vector_is_told_as_both(db: Connection) -> None:
    """Nothing of ours changes one in place, but whoever does is not missed."""
    put(db, "a", ["tea"])
    changes = Changes(db)
    db.execute("UPDATE vectors SET vector = ? WHERE chunk_id = 1", (axis(5),))
    assert changes.take() == Change({1: axis(5)}, {1})
