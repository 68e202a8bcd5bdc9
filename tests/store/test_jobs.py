"""What was acknowledged is done, refused with a reason, or still waits: never lost, never twice."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pi_rag.errors import Busy, JobNotFound
from pi_rag.store import Connection, documents, jobs, migrations
from pi_rag.store.rows import value
from pi_rag.store.writer import transaction
from pi_rag.types import Item, NewItem, Refusal

REFUSAL = Refusal("a", "document_empty", "a is empty.", "Leave it out.")


def _enqueue(db: Connection, *sources: str, now: float = 1.0) -> int:
    return jobs.enqueue(db, "default", [NewItem("path", source) for source in sources], 1000, now)


def _claimed(db: Connection) -> Item:
    item = jobs.claim(db, 3, 1.0)
    assert item is not None
    return item


def test_an_item_comes_back_as_it_was_queued(db: Connection) -> None:
    """Payload, title and metadata wait with it."""
    new = NewItem("bytes", "a.pdf", title="A", payload=b"\x00\xff", metadata={"x": [1]})
    job_id = jobs.enqueue(db, "letters", [new], 10, 1.0)
    item = _claimed(db)
    assert (item.job_id, item.collection, item.kind, item.source) == (job_id, "letters", "bytes", "a.pdf")
    assert (item.title, item.payload, item.metadata, item.attempts) == ("A", b"\x00\xff", {"x": [1]}, 1)


def test_items_come_in_the_order_they_were_queued(db: Connection) -> None:
    """First come, first served; a claimed one is not given out again."""
    _enqueue(db, "a", "b")
    _enqueue(db, "c")
    assert [_claimed(db).source for _ in range(3)] == ["a", "b", "c"]
    assert jobs.claim(db, 3, 1.0) is None


def test_a_job_tells_its_story(db: Connection) -> None:
    """Queued, running with what it works on, done with its counts and reasons."""
    job_id = _enqueue(db, "a", "b", "c", now=1.0)
    assert (jobs.job(db, job_id, 10).state, jobs.job(db, job_id, 10).items_total) == ("queued", 3)
    first = _claimed(db)
    running = jobs.job(db, job_id, 10)
    assert (running.state, running.current, running.finished_at) == ("running", "a", None)
    jobs.finish(db, first.id, "done", 7, None, 2.0)
    assert (jobs.job(db, job_id, 10).state, jobs.job(db, job_id, 10).current) == ("running", None)
    jobs.finish(db, _claimed(db).id, "unchanged", 0, None, 3.0)
    jobs.finish(db, _claimed(db).id, "refused", 0, REFUSAL, 4.0)
    done = jobs.job(db, job_id, 10)
    assert (done.state, done.finished_at, done.current) == ("done", 4.0, None)
    assert (done.items_done, done.items_unchanged, done.items_refused, done.chunks) == (1, 1, 1, 7)
    assert done.refusals == (REFUSAL,)


def test_a_finished_item_leaves_its_payload_nowhere(db: Connection) -> None:
    """The bytes of a file are not kept beside its document."""
    jobs.enqueue(db, "default", [NewItem("bytes", "a", payload=b"large")], 10, 1.0)
    jobs.finish(db, _claimed(db).id, "done", 1, None, 2.0)
    assert value(db, "SELECT count(*) FROM item_payloads") == 0


def test_finishing_twice_counts_once(db: Connection) -> None:
    """A runner that is not sure may say it again."""
    job_id = _enqueue(db, "a", "b")
    item = _claimed(db)
    jobs.finish(db, item.id, "done", 3, None, 2.0)
    jobs.finish(db, item.id, "refused", 3, REFUSAL, 3.0)
    row = jobs.job(db, job_id, 10)
    assert (row.items_done, row.items_refused, row.chunks, row.refusals) == (1, 0, 3, ())


def test_a_job_without_items_is_done_at_once(db: Connection) -> None:
    """An empty folder is no reason to wait for ever."""
    assert jobs.job(db, _enqueue(db, now=5.0), 10).finished_at == 5.0


def test_a_full_queue_is_busy_and_takes_nothing(db: Connection) -> None:
    """All of a request or none of it; what is running still has its place."""
    jobs.enqueue(db, "default", [NewItem("path", "a"), NewItem("path", "b")], 3, 1.0)
    _claimed(db)
    with pytest.raises(Busy, match="holds 2"):
        transaction(db, lambda db: jobs.enqueue(db, "default", [NewItem("path", "c")] * 2, 3, 1.0))
    assert documents.counts(db).items_queued == 2
    jobs.enqueue(db, "default", [NewItem("path", "c")], 3, 1.0)


def test_an_item_that_takes_the_service_down_is_given_up(db: Connection) -> None:
    """Each start counts; after the third the item is refused, and its job ends."""
    job_id = _enqueue(db, "deadly", "harmless")
    for attempt in (1, 2, 3):
        assert (_claimed(db).source, jobs.release_running(db)) == ("deadly", 1)
        assert value(db, "SELECT max(attempts) FROM job_items") == attempt
    assert _claimed(db).source == "harmless"
    [refusal] = jobs.job(db, job_id, 10).refusals
    assert (refusal.source, refusal.code) == ("deadly", "document_gave_up")
    assert "3 times" in refusal.message


def test_giving_up_the_last_item_ends_the_job(db: Connection) -> None:
    """Nobody waits for a job whose only document is deadly."""
    job_id = _enqueue(db, "deadly")
    _claimed(db)
    jobs.release_running(db)
    assert jobs.claim(db, 1, 9.0) is None
    assert jobs.job(db, job_id, 10).finished_at == 9.0


def test_an_item_put_back_in_good_order_loses_no_attempt(db: Connection) -> None:
    """A long document survives any number of orderly restarts."""
    _enqueue(db, "long")
    for _ in range(10):
        jobs.put_back(db, _claimed(db).id, counted=False)
    assert _claimed(db).attempts == 1


def test_an_item_that_had_a_part_in_its_failure_counts_its_attempts(db: Connection) -> None:
    """It may try again, but not for ever."""
    job_id = _enqueue(db, "bad")
    for attempt in (1, 2, 3):
        item = _claimed(db)
        assert item.attempts == attempt
        jobs.put_back(db, item.id, counted=True)
    assert jobs.claim(db, 3, 1.0) is None
    assert jobs.job(db, job_id, 10).refusals[0].code == "document_gave_up"


def test_a_document_in_work_holds_back_its_next_version(db: Connection) -> None:
    """Two versions are never worked on at once; another collection's document of that name may be."""
    _enqueue(db, "a", "a", "b")
    jobs.enqueue(db, "other", [NewItem("path", "a")], 1000, 1.0)
    first = _claimed(db)
    assert first.source == "a"
    assert _claimed(db).source == "b"
    elsewhere = _claimed(db)
    assert (elsewhere.source, elsewhere.collection) == ("a", "other")
    assert jobs.claim(db, 3, 1.0) is None
    jobs.finish(db, first.id, "done", 1, None, 2.0)
    assert _claimed(db).source == "a"


def test_a_folder_becomes_its_files(db: Connection) -> None:
    """The folder itself is no document and is not counted; what was refused on the way is."""
    job_id = _enqueue(db, "folder")
    jobs.expand(db, _claimed(db), [NewItem("path", "folder/a"), NewItem("path", "folder/b")], [REFUSAL], 2.0)
    row = jobs.job(db, job_id, 10)
    assert (row.items_total, row.items_refused, row.refusals) == (3, 1, (REFUSAL,))
    assert [_claimed(db).source, _claimed(db).source] == ["folder/a", "folder/b"]


def test_a_folder_is_expanded_once(db: Connection) -> None:
    """Saying it twice does not queue its files twice."""
    job_id = _enqueue(db, "folder")
    folder = _claimed(db)
    for _ in range(2):
        jobs.expand(db, folder, [NewItem("path", "folder/a")], [REFUSAL], 2.0)
    assert jobs.job(db, job_id, 10).items_total == 2


@pytest.mark.parametrize("refusals", [[], [REFUSAL]])
def test_a_folder_without_a_file_ends_its_job(db: Connection, refusals: list[Refusal]) -> None:
    """Nobody waits for files that are not there."""
    job_id = _enqueue(db, "folder")
    jobs.expand(db, _claimed(db), [], refusals, 8.0)
    row = jobs.job(db, job_id, 10)
    assert (row.state, row.finished_at, row.items_total) == ("done", 8.0, len(refusals))


def test_only_the_first_refusals_are_shown_but_all_are_counted(db: Connection) -> None:
    """A hundred thousand binary files do not make an answer of that length; a listing shows none."""
    job_id = _enqueue(db, "folder")
    many = [Refusal(str(number), "document_binary", "m", "h") for number in range(50)]
    jobs.expand(db, _claimed(db), [], many, 2.0)
    row = jobs.job(db, job_id, 5)
    assert [refusal.source for refusal in row.refusals] == ["0", "1", "2", "3", "4"]
    assert row.items_refused == 50
    assert jobs.listing(db, 5)[0].refusals == ()


def test_a_listing_shows_the_newest_first(db: Connection) -> None:
    """And no more than asked for."""
    ids = [_enqueue(db, "a") for _ in range(5)]
    assert [row.id for row in jobs.listing(db, 3)] == ids[:1:-1]


def test_a_job_that_is_not_there_has_its_own_error(db: Connection) -> None:
    """The message names the number."""
    with pytest.raises(JobNotFound, match="no job 7"):
        jobs.job(db, 7, 10)


def test_old_jobs_are_forgotten_with_their_refusals_but_never_open_ones(db: Connection) -> None:
    """The newest finished ones stay; what waits stays however old."""
    waiting = _enqueue(db, "waits")
    done = [jobs.enqueue(db, "default", [], 10, 1.0) for _ in range(5)]
    db.execute("INSERT INTO job_refusals VALUES (1, ?, 's', 'c', 'm', 'h')", (done[0],))
    assert jobs.forget_old(db, 2) == 3
    assert [row.id for row in jobs.listing(db, 10)] == [done[4], done[3], waiting]
    assert value(db, "SELECT count(*) FROM job_refusals") == 0


class Queue(RuleBasedStateMachine):
    """Any order of requests, work, kills and orderly stops."""

    def __init__(self) -> None:
        super().__init__()
        self.db = Connection(":memory:")
        migrations.migrate(self.db)
        self.running: list[Item] = []
        self.asked = 0
        self.ended = 0

    def teardown(self) -> None:
        """Give the database back."""
        self.db.close()

    @rule(count=st.integers(0, 3))
    def ask(self, count: int) -> None:
        """A request comes in."""
        items = [NewItem("path", f"{self.asked}-{number}") for number in range(count)]
        jobs.enqueue(self.db, "default", items, 1000, 1.0)
        self.asked += count

    @rule()
    def begin(self) -> None:
        """The runner takes the next one. With so many attempts none is given up."""
        item = jobs.claim(self.db, 10_000, 1.0)
        if item is not None:
            assert item.id not in {other.id for other in self.running}
            self.running.append(item)

    @precondition(lambda self: self.running)
    @rule(state=st.sampled_from(["done", "unchanged", "refused"]))
    def end(self, state: Literal["done", "unchanged", "refused"]) -> None:
        """The runner is through with one."""
        refusal = REFUSAL if state == "refused" else None
        jobs.finish(self.db, self.running.pop().id, state, 1, refusal, 1.0)
        self.ended += 1

    @precondition(lambda self: self.running)
    @rule(found=st.integers(0, 3))
    def unfold(self, found: int) -> None:
        """One was a folder."""
        jobs.expand(self.db, self.running.pop(), [NewItem("path", "y")] * found, [REFUSAL], 1.0)
        self.asked += found
        self.ended += 1

    @rule(orderly=st.booleans())
    def restart(self, orderly: bool) -> None:
        """The service stops, in good order or not, and starts again."""
        for item in self.running if orderly else []:
            jobs.put_back(self.db, item.id, counted=False)
        jobs.release_running(self.db)
        self.running = []

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every item asked for has ended or is in the queue; a job is done exactly when none of its is."""
        rows = jobs.listing(self.db, 1000)
        assert self.asked - self.ended == documents.counts(self.db).items_queued
        for row in rows:
            handled = row.items_done + row.items_unchanged + row.items_refused
            assert (row.state == "done") == (handled == row.items_total)
            assert row.items_refused == len(jobs.job(self.db, row.id, 1000).refusals)


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
