"""What a person removes stays away, whatever waited to be stored."""

from __future__ import annotations

import pytest

from pi_rag.errors import DocumentNotFound
from pi_rag.store import Connection, documents, job_rows, jobs, removal, sources, watches
from pi_rag.store.rows import all_rows
from pi_rag.store.watches import File
from pi_rag.types import NewItem, Refusal
from tests.store.making import put


def enqueued(db: Connection, *sources: str, collection: str = "default") -> int:
    items = [NewItem("bytes", source, "", b"tea") for source in sources]
    return jobs.enqueue(db, collection, items, 1000, 1.0)


def waiting(db: Connection) -> list[str]:
    """The sources in the queue, in order."""
    return [source for (source,) in all_rows(db, "SELECT source FROM job_items ORDER BY id")]


def test_an_add_from_before_does_not_bring_back_what_is_removed(db: Connection) -> None:
    """Whether it waits or is in hand; its job says why, and goes on with its other documents."""
    put(db, "a", ["tea"])
    job_id = enqueued(db, "a", "b")
    in_hand = jobs.claim(db, 3, 1.0)
    assert in_hand is not None and in_hand.source == "a"

    document_id = documents.listing(db, None, 1, 0)[0].id
    assert removal.document(db, document_id, 2.0) == (1, frozenset({in_hand.id}), 0)

    assert (waiting(db), jobs.is_held(db, in_hand)) == (["b"], False)
    row = job_rows.job(db, job_id, 9)
    assert (row.state, [(each.source, each.code) for each in row.refusals]) == (
        "running",
        [("a", "document_removed")],
    )


def test_a_source_takes_with_it_what_waits_in_one_collection_or_in_all(db: Connection) -> None:
    """And of an archive what came out of it, but nothing whose name only begins alike."""
    put(db, "x.zip!/a", ["tea"])
    enqueued(db, "x.zip", "x.zip!/b", "x.zip.old")
    enqueued(db, "x.zip", collection="other")
    removed, withdrawn, _ = removal.source(db, "x.zip", "default", 2.0)
    assert (removed, len(withdrawn)) == (1, 2)
    assert waiting(db) == ["x.zip.old", "x.zip"]
    assert len(removal.source(db, "x.zip", None, 2.0).withdrawn) == 1
    assert waiting(db) == ["x.zip.old"]


def test_what_is_added_afterwards_is_stored(db: Connection) -> None:
    """To remove is no ban."""
    enqueued(db, "a")
    assert len(removal.source(db, "a", None, 2.0).withdrawn) == 1
    enqueued(db, "a")
    assert waiting(db) == ["a"]


def test_a_document_that_is_not_there_cannot_be_removed(db: Connection) -> None:
    """And nothing that waits is touched."""
    enqueued(db, "a")
    with pytest.raises(DocumentNotFound):
        removal.document(db, 7, 1.0)
    assert waiting(db) == ["a"]


def refused(db: Connection, *names: str, collection: str = "default") -> None:
    sources.skip(db, collection, [Refusal(name, "c", "m", "h") for name in names], 1.0)


def not_taken(db: Connection) -> list[tuple[str, str]]:
    return [(each.source, each.collection) for each in sources.listing(db, skipped=True, limit=99)]


def test_why_something_is_not_taken_is_forgotten_with_it(db: Connection) -> None:
    """Also when nothing of it was ever stored, in one collection or in all; of an archive of all in it."""
    refused(db, "/a.jpg", "/x.zip", "/x.zip!/b", "/x.zip.old")
    refused(db, "/a.jpg", "/x.zip", collection="other")
    assert removal.source(db, "/x.zip", "default", 2.0) == (0, frozenset(), 2)
    assert removal.source(db, "/a.jpg", None, 2.0) == (0, frozenset(), 2)
    assert not_taken(db) == [("/x.zip", "other"), ("/x.zip.old", "default")]
    put(db, "/x.zip.old", ["tea"])
    assert removal.document(db, documents.listing(db, None, 1, 0)[0].id, 2.0).reasons == 1
    assert not_taken(db) == [("/x.zip", "other")]


def test_a_watched_file_keeps_its_reason(db: Connection) -> None:
    """In its folder's own collection: it is there, and still not taken."""
    watch = watches.add(db, "/home", "default", [], [], 9, 1.0)
    watches.queued(db, watch, [File("a.jpg", 1, 1, 0, Refusal("/home/a.jpg", "c", "m", "h"))], 1.0)
    refused(db, "/home/a.jpg", collection="other")
    assert removal.source(db, "/home/a.jpg", None, 2.0).reasons == 1
    assert not_taken(db) == [("/home/a.jpg", "default")]
