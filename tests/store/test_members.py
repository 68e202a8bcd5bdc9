"""What came out of an archive follows it, wherever it is: stored, in the queue, or in hand."""

from __future__ import annotations

from collections.abc import Sequence

from pi_rag.store import Connection, job_rows, jobs, members
from pi_rag.types import Item, NewItem, Priority
from tests.store.making import document, put

ARCHIVE = "/home/a.zip"


def claimed(db: Connection) -> Item:
    item = jobs.claim(db, 3, 1.0)
    assert item is not None
    return item


def read(
    db: Connection, names: Sequence[str], unchanged: Sequence[str] = (), priority: Priority = "normal"
) -> int:
    """Read the archive, with these files in it. Returns the job."""
    job_id = jobs.enqueue(db, "default", [NewItem("path", ARCHIVE)], 99, 1.0, priority=priority)
    found = [NewItem("bytes", f"{ARCHIVE}!/{name}", payload=b"tea") for name in names]
    members.expand(db, claimed(db), found, [], [f"{ARCHIVE}!/{name}" for name in unchanged], 1.0)
    return job_id


def waiting(db: Connection) -> list[str]:
    found = []
    while (item := jobs.claim(db, 3, 1.0)) is not None:
        found.append(item.source)
    return found


def test_what_an_archive_holds_no_more_is_not_stored_later(db: Connection) -> None:
    """It was in hand, or waited, when the archive was read again. A neighbour of like name goes on."""
    job_id = read(db, ["x.md", "y.md"])
    in_hand = claimed(db)
    assert in_hand.source == f"{ARCHIVE}!/x.md"
    jobs.enqueue(db, "default", [NewItem("path", f"{ARCHIVE}!.md")], 99, 1.0)
    jobs.enqueue(db, "other", [NewItem("bytes", f"{ARCHIVE}!/x.md", payload=b"milk")], 99, 1.0)
    read(db, ["z.md"], priority="high")
    assert not jobs.is_held(db, in_hand)
    assert set(waiting(db)) == {f"{ARCHIVE}!.md", f"{ARCHIVE}!/x.md", f"{ARCHIVE}!/z.md"}
    job = job_rows.job(db, job_id, 9)
    assert job.finished_at is not None
    assert [(each.source, each.code) for each in job.refusals] == [
        (f"{ARCHIVE}!/x.md", "document_vanished"),
        (f"{ARCHIVE}!/y.md", "document_vanished"),
    ]


def test_an_archive_that_is_read_again_overtakes_what_came_out_of_it_before(db: Connection) -> None:
    """What is in it still is stored as it is now, and as nothing else; nobody is told of a refusal."""
    put(db, f"{ARCHIVE}!/same.md", ["tea"])
    job_id = read(db, ["x.md", "same.md"])
    in_hand = claimed(db)
    read(db, ["x.md"], ["same.md"], priority="high")
    assert not jobs.is_held(db, in_hand)
    assert waiting(db) == [f"{ARCHIVE}!/x.md"]
    job = job_rows.job(db, job_id, 9)
    assert (job.items_unchanged, job.items_refused, job.finished_at) == (2, 0, 1.0)


def test_what_is_about_to_be_replaced_is_not_taken_for_what_stays(db: Connection) -> None:
    """Another version of it waits or is in hand: what is stored now says nothing of what will be."""
    for name in ("x.md", "z.md"):
        put(db, f"{ARCHIVE}!/{name}", ["tea"])
    put(db, f"{ARCHIVE}!/z.md", ["milk"], collection="other")
    read(db, ["x.md", "y.md"], ["z.md"])
    assert claimed(db).source == f"{ARCHIVE}!/x.md"
    archive = Item(9, 9, "default", "path", ARCHIVE, "", b"", {}, 1)
    made = members.made_from(db, archive)
    stored = document("", ["tea"]).content_hash
    assert {source.rpartition("/")[2]: each.content_hash for source, each in made.items()} == {
        "x.md": "", "y.md": "", "z.md": stored
    }  # fmt: skip
