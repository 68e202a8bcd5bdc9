"""A watched folder's files are known as they were queued, and what became of each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pi_rag.errors import RequestInvalid, WatchNotFound
from pi_rag.store import Connection, documents, job_rows, jobs, members, removal, sources, steering, watches
from pi_rag.store.rows import all_rows, value
from pi_rag.store.watches import File, Tally, Watch
from pi_rag.types import Item, NewItem, Refusal
from tests.store.making import document, put

EMPTY = Refusal("/home/a.md", "document_empty", "There is no text in it.", "Leave it out.")


def watch(db: Connection, root: str = "/home", collection: str = "default") -> Watch:
    return watches.add(db, root, collection, [], [], 10, 1.0)


def file(path: str, size: int = 5, mtime_ns: int = 7) -> File:
    return File(path, size, mtime_ns, elsewhere=0, ctime_ns=8)


def queue(db: Connection, folder: Watch, *paths: str) -> int:
    """Queue files and remember that, as a sweep does."""
    items = [NewItem("path", folder.source(path)) for path in paths]
    job_id = jobs.enqueue(db, folder.collection, items, 1000, 1.0)
    watches.queued(db, folder, [file(path) for path in paths], 1.0)
    return job_id


def claimed(db: Connection) -> Item:
    item = jobs.claim(db, 3, 1.0)
    assert item is not None
    return item


def row(db: Connection, folder: Watch, path: str) -> watches.FileRow:
    (found,) = [
        each for each in watches.files(db, folder, skipped=False, limit=99, after="") if each.path == path
    ]
    return found


def test_a_folder_comes_back_as_it_was_added(db: Connection) -> None:
    """With its collection, its patterns and its date; where it lies is not known yet."""
    added = watches.add(db, "/home/notes", "diary", ["*.md"], ["drafts/"], 10, 12.5)
    assert watches.listing(db) == [added] == [watches.one(db, added.id)]
    assert added == Watch(added.id, "/home/notes", "diary", ["*.md"], ["drafts/"], 12.5, None)
    watches.lies_on(db, added.id, 2049)
    assert watches.one(db, added.id).device == 2049


@pytest.mark.parametrize(
    ("root", "shared"),
    [
        ("/home", ", and shares files with /home."),
        ("/home/notes", "."),
        ("/home/notes/in", ", and shares files with /home/notes/in."),
    ],
)
def test_two_folders_of_one_collection_share_no_files(db: Connection, root: str, shared: str) -> None:
    """One would take away what the other has put in. In another collection they may."""
    watch(db, "/home/notes")
    watch(db, "/home/notesbook")
    with pytest.raises(RequestInvalid) as refused:
        watch(db, root)
    assert refused.value.message == f"/home/notes is watched already for collection default{shared}"
    assert watch(db, root, "other").collection == "other"


def test_only_so_many_folders_are_watched(db: Connection) -> None:
    """Each holds a thread and watches of the kernel."""
    watch(db, "/a")
    with pytest.raises(RequestInvalid, match="1 folders are watched"):
        watches.add(db, "/b", "default", [], [], 1, 1.0)


def test_a_folder_that_is_removed_leaves_its_documents(db: Connection) -> None:
    """To stop watching is not to forget; its files are known no more."""
    folder = watch(db)
    queue(db, folder, "a.md")
    put(db, "/home/a.md", ["tea"])
    watches.remove(db, folder.id)
    assert documents.counts(db).documents == 1
    assert value(db, "SELECT count(*) FROM watch_files") == 0
    with pytest.raises(WatchNotFound):
        watches.remove(db, folder.id)


def test_files_are_known_as_they_were_queued(db: Connection) -> None:
    """All of them, or one and what lies below it; not what only begins with the same letters."""
    folder, other = watch(db), watch(db, "/other")
    queue(db, folder, "a", "a/b", "a/c/d", "a.md", "a0", "b")
    queue(db, other, "a/x")
    assert set(watches.stamps(db, folder.id)) == {"a", "a/b", "a/c/d", "a.md", "a0", "b"}
    assert watches.stamps(db, folder.id, "a") == {"a": (5, 7, 8), "a/b": (5, 7, 8), "a/c/d": (5, 7, 8)}
    assert watches.stamps(db, folder.id, "none") == {}


def test_what_lay_on_a_drive_within_the_folder_is_known(db: Connection) -> None:
    """Only those that did, and on which: drives have numbers."""
    folder = watch(db)
    watches.queued(db, folder, [File("usb/a", 1, 1, elsewhere=2**62), file("b")], 1.0)
    assert watches.elsewhere(db, folder.id, ["usb/a", "b", "none"]) == {"usb/a": 2**62}


def test_a_file_whose_turn_is_yet_to_come_is_waiting(db: Connection) -> None:
    """One that is in hand is not: it may have been read already."""
    folder = watch(db)
    queue(db, folder, "a.md", "b.md")
    assert claimed(db).source == "/home/a.md"
    assert watches.waiting(db, folder, ["a.md", "b.md", "c.md"]) == {"b.md"}
    assert row(db, folder, "a.md").waiting
    assert row(db, folder, "b.md").waiting


def test_why_a_file_was_not_taken_stays_known(db: Connection) -> None:
    """Also when the queue has forgotten its job; a later success ends it."""
    folder = watch(db)
    queue(db, folder, "a.md")
    jobs.finish(db, claimed(db), "refused", 0, EMPTY, 2.0)
    jobs.forget_old(db, 0, 0)
    assert all_rows(db, "SELECT * FROM job_refusals") == []
    assert row(db, folder, "a.md").skipped == EMPTY
    assert watches.tallies(db) == {folder.id: Tally(1, 1)}
    assert [each.path for each in watches.files(db, folder, skipped=True, limit=9, after="")] == ["a.md"]

    queue(db, folder, "a.md")
    documents.came_with(db, claimed(db), 3.0)
    assert row(db, folder, "a.md").skipped is None
    assert watches.files(db, folder, skipped=True, limit=9, after="") == []


def test_a_file_that_is_as_it_was_stored_is_no_longer_skipped(db: Connection) -> None:
    """It failed and was mended: it has its document, and no reason any more."""
    folder = watch(db)
    put(db, "/home/a.md", ["tea"])
    watches.queued(db, folder, [File("a.md", 1, 1, elsewhere=0, refusal=EMPTY)], 1.0)
    assert row(db, folder, "a.md").skipped == EMPTY
    watches.queued(db, folder, [file("a.md")], 5.0, as_stored=["/home/a.md"])
    assert row(db, folder, "a.md").skipped is None
    assert watches.stamps(db, folder.id) == {"a.md": (5, 7, 8)}


def test_what_was_given_up_is_skipped_too(db: Connection) -> None:
    """It lies with the dead letters, and its folder says why."""
    folder = watch(db)
    queue(db, folder, "a.md")
    jobs.fail(db, claimed(db), EMPTY, 2.0)
    assert row(db, folder, "a.md").skipped == EMPTY


def test_a_refusal_that_comes_first_is_not_lost(db: Connection) -> None:
    """The queue may be done with a file before it is noted that it was queued."""
    folder = watch(db)
    jobs.enqueue(db, "default", [NewItem("path", "/home/a.md")], 10, 1.0)
    jobs.finish(db, claimed(db), "refused", 0, EMPTY, 2.0)
    watches.queued(db, folder, [file("a.md")], 1.0)
    assert row(db, folder, "a.md").skipped == EMPTY


def test_a_refusal_in_another_collection_is_not_the_files(db: Connection) -> None:
    """There it is another source."""
    folder = watch(db)
    queue(db, folder, "a.md")
    sources.skip(db, "other", [EMPTY], 1.0)
    assert row(db, folder, "a.md").skipped is None


def test_a_file_says_what_became_of_it(db: Connection) -> None:
    """When it was changed, when it was stored, by which number it is found; a page at a time."""
    folder = watch(db)
    queue(db, folder, "a.md", "b.md")
    document_id = put(db, "/home/a.md", ["tea"], now=3.0)
    put(db, "/home/b.md", ["tea"], collection="other")
    (a,) = watches.files(db, folder, skipped=False, limit=1, after="")
    (b,) = watches.files(db, folder, skipped=False, limit=1, after=a.path)
    assert (a.path, a.size, a.modified_at, a.indexed_at, a.document_id) == ("a.md", 5, 7e-9, 3.0, document_id)
    assert (b.path, b.indexed_at, b.document_id) == ("b.md", None, None)


def test_what_was_never_looked_at_has_no_size(db: Connection) -> None:
    """A picture is refused by its name."""
    folder = watch(db)
    watches.queued(db, folder, [File("a.jpg", -1, -1, elsewhere=0, refusal=EMPTY)], 1.0)
    assert (row(db, folder, "a.jpg").size, row(db, folder, "a.jpg").modified_at) == (None, None)


def test_a_moved_file_keeps_its_document_and_vectors(db: Connection) -> None:
    """Its number, its passages and its vectors bit by bit; what lay at its new place is gone."""
    folder = watch(db)
    queue(db, folder, "a.txt", "b.txt")
    jobs.finish(db, claimed(db), "done", 1, None, 1.0)
    document_id = put(db, "/home/a.txt", ["green tea"], title="a")
    put(db, "/home/b.txt", ["black tea"], title="b")
    before = value(
        db,
        "SELECT vector FROM vectors JOIN chunks ON chunks.id = chunk_id WHERE document_id = ?",
        (document_id,),
    )
    watches.moved(db, folder, "a.txt", file("b.txt", 9), {"a": "b"}, 2.0, read_again=False)

    (kept,) = documents.listing(db, None, 9, 0)
    assert (kept.id, kept.source, kept.title) == (document_id, "/home/b.txt", "b")
    assert kept.content_hash == document("", ["green tea"]).content_hash
    assert all_rows(db, "SELECT vector FROM vectors") == [(before,)]
    assert watches.stamps(db, folder.id) == {"b.txt": (9, 7, 8)}
    assert documents.counts(db).items_queued == 0


def test_what_is_not_stored_any_more_cannot_move(db: Connection) -> None:
    """The folder that it left has removed it meanwhile: it is new where it is now, and nothing goes there."""
    folder, other = watch(db), watch(db, "/other")
    put(db, "/home/b.txt", ["black tea"])
    queue(db, folder, "b.txt")
    assert not watches.moved(db, folder, "a.txt", file("b.txt", 9), {}, 2.0, read_again=False, out_of=other)
    assert [row.source for row in documents.listing(db, None, 9, 0)] == ["/home/b.txt"]
    assert (watches.stamps(db, folder.id), claimed(db).source) == ({"b.txt": (5, 7, 8)}, "/home/b.txt")


def test_a_file_that_is_gone_takes_all_with_it(db: Connection) -> None:
    """Its document, its place in the queue, and what is being made of it at this moment."""
    folder = watch(db)
    job_id = queue(db, folder, "a.md", "b.md", "c.md")
    in_hand = claimed(db)
    put(db, "/home/a.md", ["tea"])
    put(db, "/home/a.md", ["tea"], collection="other")

    assert watches.forget(db, folder, ["a.md", "b.md", "none"], 5.0) == 1
    assert not jobs.is_held(db, in_hand)
    assert [each.collection for each in documents.listing(db, None, 9, 0)] == ["other"]
    assert (set(watches.stamps(db, folder.id)), claimed(db).source) == ({"c.md"}, "/home/c.md")
    job = job_rows.job(db, job_id, 9)
    assert (job.items_cancelled, [each.code for each in job.refusals]) == (0, ["document_vanished"] * 2)
    assert value(db, "SELECT count(*) FROM vectors") == 1


@pytest.mark.parametrize("asker", ["the folder, before it changed", "a person"])
def test_a_file_that_is_gone_takes_along_what_anybody_has_of_it_in_hand(db: Connection, asker: str) -> None:
    """Not only what it was queued as last. What was sent under its name is no file, and goes on."""
    folder = watch(db)
    if asker == "a person":
        jobs.enqueue(db, "default", [NewItem("path", "/home/a.md")], 10, 1.0)
    else:
        queue(db, folder, "a.md")
    in_hand = claimed(db)
    queue(db, folder, "a.md")
    jobs.enqueue(db, "default", [NewItem("text", "/home/a.md", payload=b"tea")], 10, 1.0)
    jobs.enqueue(db, "other", [NewItem("path", "/home/a.md")], 10, 1.0)
    watches.forget(db, folder, ["a.md"], 5.0)
    assert not jobs.is_held(db, in_hand)
    assert [(claimed(db).kind, claimed(db).collection), jobs.claim(db, 3, 1.0)] == [("text", "other"), None]


@pytest.mark.parametrize("how", ["gone", "empty", "moved upon"])
def test_an_archive_that_is_gone_takes_along_what_came_out_of_it(db: Connection, how: str) -> None:
    """Before it is stored, too: what waits, and what is in hand."""
    folder = watch(db)
    queue(db, folder, "a.zip")
    items = [NewItem("bytes", f"/home/a.zip!/{name}.md", payload=b"tea") for name in "xy"]
    members.expand(db, claimed(db), items, [], [], 1.0)
    in_hand = claimed(db)
    if how == "gone":
        watches.forget(db, folder, ["a.zip"], 5.0)
    elif how == "moved upon":
        put(db, "/home/b.md", ["milk"])
        watches.moved(db, folder, "b.md", file("a.zip"), {}, 5.0, read_again=False)
    else:
        jobs.enqueue(db, "default", [NewItem("path", "/home/a.zip")], 10, 1.0, priority="high")
        watches.refused(db, claimed(db), replace(EMPTY, source="/home/a.zip"), 5.0)
    assert not jobs.is_held(db, in_hand)
    assert documents.counts(db).items_queued == 0


def test_the_contents_of_documents_are_known(db: Connection) -> None:
    """Of those files that have one, in the folder's own collection."""
    folder = watch(db)
    put(db, "/home/a.md", ["tea"])
    put(db, "/home/b.md", ["tea"], collection="other")
    found = watches.made_from(db, folder, ["a.md", "b.md", "c.md"])
    assert found == {"a.md": documents.MadeFrom(document("", ["tea"]).content_hash, "", {})}


@pytest.mark.parametrize(
    ("code", "left"), [("document_empty", 1), ("document_damaged", 2), ("document_unreadable", 2)]
)
def test_a_file_that_holds_nothing_any_more_takes_its_document_with_it(
    db: Connection, code: str, left: int
) -> None:
    """At once: what was in it before is not in it now. One that makes no sense, or cannot be opened, keeps
    it, and so does a file that nobody watches, and one that is worked on no more."""
    folder = watch(db)
    queue(db, folder, "a.md")
    for source in ("/home/a.md", "/else/a.md"):
        put(db, source, ["tea"])
    reason = Refusal("/home/a.md", code, "No.", "")
    item = claimed(db)
    watches.refused(db, replace(item, attempts=7), reason, 2.0)
    assert documents.counts(db).documents == 2
    watches.refused(db, item, reason, 2.0)
    assert (documents.counts(db).documents, row(db, folder, "a.md").skipped) == (left, reason)
    jobs.enqueue(db, "default", [NewItem("path", "/else/a.md")], 10, 1.0)
    watches.refused(db, claimed(db), replace(reason, source="/else/a.md"), 2.0)
    assert documents.counts(db).documents == left


def test_a_file_that_changes_while_it_waits_keeps_its_place(db: Connection) -> None:
    """It is known as it is now."""
    folder = watch(db)
    queue(db, folder, "a.md")
    watches.queued(db, folder, [file("a.md", 99)], 1.0)
    assert watches.stamps(db, folder.id) == {"a.md": (99, 7, 8)}
    assert row(db, folder, "a.md").waiting


def test_what_is_in_a_watched_archive_is_watched(db: Connection) -> None:
    """It keeps its reason, and of what is removed by its number or its source, or cancelled, there is one:
    until its archive has gone."""
    folder, inside = watch(db, "/home/wow!"), "/home/wow!/e.zip!"
    watches.queued(db, folder, [file("e.zip")], 1.0)
    for name in (f"{inside}/a.md", f"{inside}/in!/b.md", "/home/wow!/e!/a.md", "/home/e.zip!/a.md"):
        put(db, name, ["tea"])
    sources.skip(db, "default", [replace(EMPTY, source=f"{inside}/pic.txt")], 1.0)
    assert removal.source(db, f"{inside}/pic.txt", None, 2.0).reasons == 0
    removal.document(db, documents.listing(db, None, 1, 0)[0].id, 2.0)
    for name in (f"{inside}/in!/b.md", "/home/wow!/e!/a.md", "/home/e.zip!/a.md"):
        assert removal.source(db, name, "default", 2.0).removed == 1
    late = [NewItem("bytes", name, "", b"tea") for name in (f"{inside}/late.md", "/home/wow!/e.zip!old")]
    steering.cancel(db, jobs.enqueue(db, "default", late, 9, 1.0), 2.0)

    told = sources.listing(db, limit=9)
    names = [f"{inside}/{name}" for name in ("a.md", "in!/b.md", "late.md", "pic.txt")]
    assert [(each.source, each.watch_id) for each in told if each.skipped] == [
        (name, folder.id) for name in names
    ]
    assert len(told) == len(names)
    watches.forget(db, folder, ["e.zip"], 3.0)
    assert sources.listing(db, limit=9) == []


def test_what_was_removed_or_cancelled_is_not_wanted(db: Connection) -> None:
    """Nor is an archive out of which something was removed; one that was refused may be tried again."""
    folder, other = watch(db), watch(db, "/home", "other")
    queue(db, folder, "a.md", "b.md", "c.zip", "d.md", "e.md")
    watches.queued(db, other, [file("e.md")], 1.0)
    for name in ("/home/a.md", "/home/c.zip!/in.md", "/home/d.md"):
        put(db, name, ["tea"])
        removal.source(db, name, "default", 2.0)
    put(db, "/home/d.md", ["tea"])
    sources.taken(db, "default", "/home/d.md")
    sources.skip(db, "default", [replace(EMPTY, source="/home/b.md")], 2.0)
    removal.source(db, "/home/e.md", "other", 2.0)
    assert watches.unwanted(db, folder) == {"a.md", "c.zip", "c.zip!/in.md"}
