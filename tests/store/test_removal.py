"""What a person removes stays away, whatever waited to be stored."""

from __future__ import annotations

import pytest

from pi_rag.errors import DocumentNotFound
from pi_rag.store import Connection, documents, job_rows, jobs, removal, sources, steering, watches
from pi_rag.store.rows import all_rows
from pi_rag.store.watches import File, Tally
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


def of_watched(db: Connection) -> dict[str, str | None]:
    """What is said of the files of the only watched folder, the same by both lists."""
    (watch,) = watches.listing(db)
    files = watches.files(db, watch, skipped=False, limit=99, after="")
    told = {watch.source(each.path): each.skipped for each in files}
    rows = {each.source: each.skipped for each in sources.listing(db, collection="default", limit=99)}
    assert rows == told
    assert watches.tallies(db)[watch.id] == Tally(len(told), sum(each is not None for each in told.values()))
    return {source: refusal.message if refusal else None for source, refusal in told.items()}


def test_of_a_watched_file_it_is_known_that_it_was_removed_or_cancelled(db: Connection) -> None:
    """By its number, its source, or its job; until it is stored again, or its folder is watched no more."""
    names = [f"/home/{name}" for name in ("a", "b", "c", "d", "e.zip")]
    watch = watches.add(db, "/home", "default", [], [], 9, 1.0)
    watches.queued(db, watch, [File(name.removeprefix("/home/"), 1, 1, 0) for name in names], 1.0)
    for name in (*names[:4], "/home/e.zip!/in"):
        put(db, name, ["tea"])
    put(db, "/home/a", ["tea"], collection="other")
    removal.document(db, documents.listing(db, "default", 1, 0)[0].id, 2.0)
    removal.source(db, "/home/b", None, 2.0)
    removal.source(db, "/home/e.zip", None, 2.0)
    removal.source(db, "/home/a", "other", 2.0)
    job_id = jobs.enqueue(db, "default", [NewItem("file", "/home/c"), NewItem("file", "/beside")], 9, 1.0)
    documents.remove_source(db, "/home/c", "default")
    steering.cancel(db, job_id, 2.0)
    gone, late = "It was removed.", "It was cancelled before it was stored."
    assert list(of_watched(db).items()) == [*zip(names, (gone, gone, late, None, gone), strict=True)]

    jobs.enqueue(db, "default", [NewItem("file", "/home/b")], 9, 1.0)
    item = jobs.claim(db, 3, 1.0)
    assert item is not None
    put(db, "/home/b", ["tea"])
    documents.came_with(db, item, 3.0)
    jobs.finish(db, item, "done", 1, None, 3.0)
    assert [name for name, why in of_watched(db).items() if why is None] == ["/home/b", "/home/d"]
    watches.remove(db, watch.id)
    assert not_taken(db) == []


def test_what_is_removed_twice_or_was_not_there_is_no_reason_of_its_own(db: Connection) -> None:
    """Why a watched file is not taken as it is now still holds; nothing is said of what was not removed."""
    watch = watches.add(db, "/home", "default", [], [], 9, 1.0)
    scan = Refusal("/home/a", "c", "It is a scan.", "h")
    watches.queued(db, watch, [File("a", 1, 1, 0, scan), File("b", 1, 1, 0)], 1.0)
    put(db, "/home/a", ["tea"])
    removal.source(db, "/home/a", None, 2.0)
    removal.source(db, "/home/b", None, 2.0)
    assert [each.skipped for each in sources.listing(db, limit=9)] == [scan]


def test_what_is_stored_is_not_said_to_be_cancelled(db: Connection) -> None:
    """A job that had all of a watched folder to do again is cancelled: its documents stay, and nothing is
    said against them; of an archive those that are in it."""
    watch = watches.add(db, "/home", "default", [], [], 9, 1.0)
    watches.queued(db, watch, [File(name, 1, 1, 0) for name in ("a", "b", "c.zip", "d")], 1.0)
    for name in ("/home/a", "/home/c.zip!/in", "/home/d.md"):
        put(db, name, ["tea"])
    put(db, "/home/b", ["tea"], collection="other")
    items = [NewItem("file", f"/home/{name}") for name in ("a", "b", "c.zip", "d")]
    steering.cancel(db, jobs.enqueue(db, "default", items, 9, 1.0), 2.0)
    assert not_taken(db) == [("/home/b", "default"), ("/home/d", "default")]
    assert watches.tallies(db)[watch.id] == Tally(4, 2)


def test_a_folder_that_waits_does_not_bring_back_what_is_removed(db: Connection) -> None:
    """Nor what lies below it, if that was a folder; its job says why. In another collection it is taken."""
    for collection in ("default", "other"):
        put(db, "/home/a", ["tea"], collection=collection)
        jobs.enqueue(db, collection, [NewItem("path", "/home")], 1000, 1.0)
    folder, other = jobs.claim(db, 3, 1.0), jobs.claim(db, 3, 1.0)
    assert folder is not None and other is not None
    removal.source(db, "/home/a", "default", 2.0)
    jobs.leave_out(db, "/home/below", "default")

    found = [NewItem("file", name) for name in ("/home/a", "/home/ab", "/home/below/c/d")]
    jobs.expand(db, folder, found, [], 3.0)
    assert waiting(db) == ["/home", "/home/ab"]
    row = job_rows.job(db, folder.job_id, 9)
    assert [(each.source, each.code) for each in row.refusals] == [
        ("/home/a", "document_removed"),
        ("/home/below/c/d", "document_removed"),
    ]
    jobs.expand(db, other, found, [], 3.0)
    assert waiting(db).count("/home/a") == 1


def test_a_folder_that_is_added_after_a_removal_brings_all(db: Connection) -> None:
    """To remove is no ban."""
    put(db, "/home/a", ["tea"])
    removal.source(db, "/home/a", None, 2.0)
    jobs.enqueue(db, "default", [NewItem("path", "/home")], 1000, 1.0)
    folder = jobs.claim(db, 3, 3.0)
    assert folder is not None
    jobs.expand(db, folder, [NewItem("file", "/home/a")], [], 3.0)
    assert waiting(db) == ["/home/a"]


def test_what_waits_below_a_folder_goes_in_steps(db: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the folder itself, if it waits; what only begins alike stays, and so does what is stored."""
    monkeypatch.setattr(removal, "AT_ONCE", 2)
    put(db, "/home/a", ["tea"])
    enqueued(db, "/home/a", "/home/b", "/home/c/d", "/home2/e", "/home")
    refused(db, "/home/f")
    steps = [removal.below(db, "/home", None, 2.0) for _ in range(2)]
    assert [(len(each.withdrawn), each.reasons) for each in steps] == [(3, 1), (1, 0)]
    assert (waiting(db), len(documents.listing(db, None, 9, 0))) == (["/home2/e"], 1)


def test_a_folder_above_brings_back_nothing_of_one_that_is_removed(db: Connection) -> None:
    """Of which nothing was stored yet."""
    jobs.enqueue(db, "default", [NewItem("path", "/home")], 1000, 1.0)
    removal.below(db, "/home/c", None, 2.0)
    folder = jobs.claim(db, 3, 3.0)
    assert folder is not None
    jobs.expand(db, folder, [NewItem("file", "/home/c/d"), NewItem("file", "/home/cd")], [], 3.0)
    assert waiting(db) == ["/home/cd"]
