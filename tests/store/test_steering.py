"""What people do to the queue is done, counted, and kept."""

from __future__ import annotations

import pytest

from pi_rag.errors import Busy, JobEnded, JobNotFound
from pi_rag.store import Connection, job_rows, jobs, steering
from pi_rag.types import Item, NewItem, Refusal

REASON = Refusal("a", "vector_invalid", "No.", "Look at it.")


def enqueued(db: Connection, *sources: str) -> int:
    items = [NewItem("bytes", source, "T", source.encode(), {"x": 1}) for source in sources]
    return jobs.enqueue(db, "default", items, 1000, 1.0)


def claimed(db: Connection) -> Item:
    item = jobs.claim(db, 3, 1.0)
    assert item is not None
    return item


def test_a_pause_holds_everything_back_until_it_ends(db: Connection) -> None:
    """What is in hand may be finished meanwhile."""
    enqueued(db, "a", "b")
    in_hand = claimed(db)
    steering.pause_all(db)
    assert (steering.paused(db), jobs.claim(db, 3, 1.0)) == ("paused", None)
    jobs.finish(db, in_hand, "done", 1, None, 1.0)
    steering.resume_all(db)
    assert (steering.paused(db), claimed(db).source) == (None, "b")


def test_a_paused_job_lets_others_pass(db: Connection) -> None:
    """And says that it is paused."""
    first, second = enqueued(db, "a"), enqueued(db, "b")
    steering.pause(db, first, is_paused=True)
    assert (claimed(db).source, jobs.claim(db, 3, 1.0)) == ("b", None)
    assert job_rows.job(db, first, 1).state == "paused"
    steering.pause(db, first, is_paused=False)
    jobs.finish(db, claimed(db), "done", 1, None, 1.0)
    assert [row.state for row in job_rows.listing(db, 9)] == ["running", "done"]
    assert second


def test_a_cancelled_job_keeps_what_it_has_done(db: Connection) -> None:
    """The rest is counted as cancelled, and is not begun."""
    job_id = enqueued(db, "a", "b", "c")
    jobs.finish(db, claimed(db), "done", 4, None, 1.0)
    in_hand = claimed(db)
    assert steering.cancel(db, job_id, 5.0) == 2
    row = job_rows.job(db, job_id, 9)
    assert (row.state, row.finished_at, row.items_done, row.items_cancelled) == ("cancelled", 5.0, 1, 2)
    assert (jobs.claim(db, 3, 1.0), jobs.is_held(db, in_hand)) == (None, False)


def test_a_job_that_has_ended_is_left_as_it_is(db: Connection) -> None:
    """Nothing of it can be paused, let go on or cancelled, and who wants that is told so."""
    job_id = enqueued(db, "a")
    jobs.finish(db, claimed(db), "done", 1, None, 2.0)
    before = job_rows.job(db, job_id, 9)
    for act in (
        lambda: steering.pause(db, job_id, is_paused=True),
        lambda: steering.pause(db, job_id, is_paused=False),
        lambda: steering.cancel(db, job_id, 5.0),
    ):
        with pytest.raises(JobEnded, match=rf"Job {job_id} has ended; there is nothing to \w+"):
            act()
    assert (steering.retry(db, job_id, 10), job_rows.job(db, job_id, 9)) == (0, before)


def test_what_was_given_up_comes_back_whole(db: Connection) -> None:
    """With its bytes, title and metadata, and as if it had never been tried."""
    job_id = enqueued(db, "a")
    first = claimed(db)
    jobs.fail(db, first, REASON, 2.0)
    assert job_rows.job(db, job_id, 9).finished_at == 2.0
    assert steering.retry(db, job_id, 10) == 1
    again = claimed(db)
    assert (again.payload, again.title, again.metadata, again.attempts) == (b"a", "T", {"x": 1}, 1)
    jobs.finish(db, again, "done", 1, None, 3.0)
    row = job_rows.job(db, job_id, 9)
    assert (row.state, row.items_total, row.items_done, row.items_failed) == ("done", 1, 1, 0)
    assert steering.retry(db, None, 10) == 0


def test_one_jobs_dead_letters_or_all_are_tried_again(db: Connection) -> None:
    """Unless the queue has no room; then none is."""
    ids = [enqueued(db, "a"), enqueued(db, "b")]
    for _ in ids:
        jobs.fail(db, claimed(db), REASON, 2.0)
    with pytest.raises(Busy):
        steering.retry(db, None, 1)
    assert steering.retry(db, ids[1], 10) == 1
    assert [letter.job_id for letter in job_rows.dead_letters(db, 10)] == [ids[0]]


def test_a_job_that_is_not_there_has_its_own_error(db: Connection) -> None:
    """Whatever is wanted of it."""
    for act in (
        lambda: steering.pause(db, 7, is_paused=True),
        lambda: steering.cancel(db, 7, 1.0),
        lambda: steering.retry(db, 7, 10),
    ):
        with pytest.raises(JobNotFound):
            act()


def test_three_ends_in_a_row_with_work_in_hand_make_it_wait(db: Connection) -> None:
    """One that lasted, or had nothing in hand, begins the count anew."""
    enqueued(db, "a")

    def ended_in_work() -> str | None:
        jobs.claim(db, 100, 1.0)
        steering.after_start(db, 3, 100, 1.0)
        return steering.paused(db)

    assert [ended_in_work() for _ in range(2)] == [None, None]
    steering.settled(db)
    assert [ended_in_work() for _ in range(2)] == [None, None]
    steering.after_start(db, 3, 100, 1.0)
    assert [ended_in_work() for _ in range(3)] == [None, None, "safe_mode"]
    steering.resume_all(db)
    assert ended_in_work() is None


def test_a_poison_pays_alone_for_what_it_did(db: Connection) -> None:
    """What was in hand beside it is worked on, and no other document begins until that is known."""
    enqueued(db, "good 1", "poison", "good 2", "later")
    for _ in range(3):
        claimed(db)
    steering.after_start(db, 10, 3, 1.0)
    first = claimed(db)
    assert (first.source, jobs.claim(db, 3, 1.0)) == ("good 1", None)
    jobs.finish(db, first, "done", 1, None, 1.0)
    for _ in range(2):
        assert (claimed(db).source, jobs.claim(db, 3, 1.0)) == ("poison", None)
        steering.after_start(db, 10, 3, 1.0)
    assert [letter.source for letter in job_rows.dead_letters(db, 10)] == ["poison"]
    suspect = claimed(db)
    assert (suspect.source, jobs.claim(db, 3, 1.0)) == ("good 2", None)
    jobs.finish(db, suspect, "done", 1, None, 1.0)
    assert claimed(db).source == "later"


def test_a_suspect_that_has_lasted_lets_others_begin_but_no_other_suspect(db: Connection) -> None:
    """A book takes its hours, and a note does not wait for it. Should the service end again, it is known
    which of the suspects began last; when the book is done the next one is worked on alone."""
    enqueued(db, "book", "other book", "note", "later")
    for _ in range(2):
        claimed(db)
    steering.after_start(db, 10, 3, 1.0)
    book = claimed(db)
    assert (book.source, jobs.claim(db, 3, 2.0)) == ("book", None)
    steering.lasted(db, book, 2.0)
    note = claimed(db)
    assert note.source == "note"
    assert jobs.is_held(db, book)
    jobs.finish(db, book, "done", 1, None, 3.0)
    assert jobs.claim(db, 3, 3.0) is None
    jobs.finish(db, note, "done", 1, None, 3.0)
    assert (claimed(db).source, jobs.claim(db, 3, 3.0)) == ("other book", None)


def test_a_service_that_finishes_documents_never_waits_for_a_person(db: Connection) -> None:
    """However often the power is cut: each start gets further."""
    enqueued(db, *(f"{number}" for number in range(20)))
    for _ in range(10):
        jobs.finish(db, claimed(db), "done", 1, None, 1.0)
        claimed(db)
        steering.after_start(db, 2, 100, 1.0)
    assert steering.paused(db) is None
