"""How jobs stand is told in pages that end."""

from __future__ import annotations

from collections import Counter

import pytest

from pi_rag.errors import JobNotFound
from pi_rag.store import Connection, documents, duplicates, job_rows, jobs, steering
from pi_rag.types import NewItem, Refusal
from tests.store.making import put


def test_dead_letters_come_a_page_at_a_time(db: Connection) -> None:
    """Each once, with its reason and the job that it belongs to."""
    job_id = jobs.enqueue(db, "bills", [NewItem("path", f"{number}") for number in range(5)], 10, 1.0)
    for number in range(5):
        item = jobs.claim(db, 3, 1.0)
        assert item is not None
        jobs.fail(db, item, Refusal(item.source, "c", f"m{number}", "h"), 7.0)
    first = job_rows.dead_letters(db, 3)
    rest = job_rows.dead_letters(db, 3, first[-1].id)
    assert [letter.message for letter in (*first, *rest)] == ["m0", "m1", "m2", "m3", "m4"]
    letter = first[0]
    assert (letter.job_id, letter.collection, letter.source, letter.attempts) == (job_id, "bills", "0", 1)
    assert (letter.code, letter.hint, letter.died_at) == ("c", "h", 7.0)


def test_dead_letters_of_one_job_are_its_own(db: Connection) -> None:
    """One that is not there has its own error."""
    ids = [jobs.enqueue(db, "bills", [NewItem("path", name)], 10, 1.0) for name in ("a", "b")]
    for _ in ids:
        item = jobs.claim(db, 3, 1.0)
        assert item is not None
        jobs.fail(db, item, Refusal(item.source, "c", "m", "h"), 7.0)
    assert [letter.source for letter in job_rows.dead_letters(db, 9, job_id=ids[1])] == ["b"]
    with pytest.raises(JobNotFound):
        job_rows.dead_letters(db, 9, job_id=99)


def test_a_job_tells_its_priority_and_the_first_of_what_it_did_not_take(db: Connection) -> None:
    """Refused ones and those that were given up, no more than are wanted."""
    job_id = jobs.enqueue(db, "bills", [NewItem("path", "a")] * 4, 10, 1.0, priority="high")
    for end in (jobs.fail, jobs.fail):
        item = jobs.claim(db, 3, 1.0)
        assert item is not None
        end(db, item, Refusal("a", "given_up", "m", "h"), 7.0)
    item = jobs.claim(db, 3, 1.0)
    assert item is not None
    jobs.finish(db, item, "refused", 0, Refusal("a", "refused", "m", "h"), 7.0)
    row = job_rows.job(db, job_id, 2)
    assert (row.priority, [each.code for each in row.refusals]) == ("high", ["refused", "given_up"])


def test_the_tally_counts_jobs_as_each_tells_its_state(db: Connection) -> None:
    """Of every state one and more, and what was given up."""
    for name in "abcdef":
        jobs.enqueue(db, "bills", [NewItem("path", name), NewItem("path", f"{name}2")], 99, 1.0)
    first, second = jobs.claim(db, 3, 1.0), jobs.claim(db, 3, 1.0)
    assert first is not None and second is not None
    jobs.fail(db, first, Refusal(first.source, "c", "m", "h"), 7.0)
    jobs.fail(db, second, Refusal(second.source, "c", "m", "h"), 7.0)
    assert jobs.claim(db, 3, 1.0) is not None
    steering.pause(db, 4, is_paused=True)
    steering.cancel(db, 5, 1.0)

    told = Counter(job.state for job in job_rows.listing(db, 10))
    assert told == {"done": 1, "running": 1, "queued": 2, "paused": 1, "cancelled": 1}
    assert job_rows.tally(db) == {"states": dict(told), "dead_letters": 2}


@pytest.mark.parametrize("most", ["letters", "papers"])
def test_of_two_documents_of_one_name_a_job_tells_the_collection_of_that_which_is_repeated_most(
    db: Connection, most: str
) -> None:
    """Whichever of them is the older one, and whichever passage comes first."""
    for collection in ("letters", "papers"):
        put(
            db,
            "a",
            [f"{collection} {number}" for number in range(3 if collection == most else 1)],
            collection=collection,
        )
    texts = ["letters 0", "papers 0", f"{most} 1", f"{most} 2"]
    job_id = jobs.enqueue(db, "default", [NewItem("text", "b", "", b"tea")], 9, 1.0)
    put(db, "b", texts)
    found = duplicates.link(db, documents.listing(db, "default", 1, 0)[0].id, [[]] * 4, 0.95)
    assert found is not None
    jobs.note_repeated(db, job_id, found)
    assert job_rows.job(db, job_id, 9).repeated == (found,)
    assert (found.of_source, found.of_documents, found.of_collection) == ("a", 2, most)
