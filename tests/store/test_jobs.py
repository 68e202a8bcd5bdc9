"""What was acknowledged is done, refused with a reason, or still waits: never lost, never twice."""

from __future__ import annotations

from typing import Literal, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pi_rag.errors import Busy, JobNotFound, KeyReused
from pi_rag.store import Connection, documents, job_rows, jobs, migrations, steering
from pi_rag.store.rows import value
from pi_rag.store.writer import transaction
from pi_rag.types import Item, NewItem, Priority, Refusal

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
    assert (job_rows.job(db, job_id, 10).state, job_rows.job(db, job_id, 10).items_total) == ("queued", 3)
    first = _claimed(db)
    running = job_rows.job(db, job_id, 10)
    assert (running.state, running.current, running.finished_at) == ("running", "a", None)
    jobs.finish(db, first, "done", 7, None, 2.0)
    assert (job_rows.job(db, job_id, 10).state, job_rows.job(db, job_id, 10).current) == ("running", None)
    jobs.finish(db, _claimed(db), "unchanged", 0, None, 3.0)
    jobs.finish(db, _claimed(db), "refused", 0, REFUSAL, 4.0)
    done = job_rows.job(db, job_id, 10)
    assert (done.state, done.finished_at, done.current) == ("done", 4.0, None)
    assert (done.items_done, done.items_unchanged, done.items_refused, done.chunks) == (1, 1, 1, 7)
    assert done.refusals == (REFUSAL,)


def test_a_finished_item_leaves_its_payload_nowhere(db: Connection) -> None:
    """The bytes of a file are not kept beside its document."""
    jobs.enqueue(db, "default", [NewItem("bytes", "a", payload=b"large")], 10, 1.0)
    jobs.finish(db, _claimed(db), "done", 1, None, 2.0)
    assert value(db, "SELECT count(*) FROM item_payloads") == 0


def test_finishing_twice_counts_once(db: Connection) -> None:
    """A runner that is not sure may say it again."""
    job_id = _enqueue(db, "a", "b")
    item = _claimed(db)
    jobs.finish(db, item, "done", 3, None, 2.0)
    jobs.finish(db, item, "refused", 3, REFUSAL, 3.0)
    row = job_rows.job(db, job_id, 10)
    assert (row.items_done, row.items_refused, row.chunks, row.refusals) == (1, 0, 3, ())


def test_a_job_without_items_is_done_at_once(db: Connection) -> None:
    """An empty folder is no reason to wait for ever."""
    assert job_rows.job(db, _enqueue(db, now=5.0), 10).finished_at == 5.0


def test_a_full_queue_is_busy_and_takes_nothing(db: Connection) -> None:
    """All of a request or none of it; what is running still has its place."""
    jobs.enqueue(db, "default", [NewItem("path", "a"), NewItem("path", "b")], 3, 1.0)
    _claimed(db)
    with pytest.raises(Busy, match="holds 2"):
        transaction(db, lambda db: jobs.enqueue(db, "default", [NewItem("path", "c")] * 2, 3, 1.0))
    assert documents.counts(db).items_queued == 2
    jobs.enqueue(db, "default", [NewItem("path", "c")], 3, 1.0)


def test_an_item_that_takes_the_service_down_is_given_up(db: Connection) -> None:
    """Each start counts; after the third the item lies with the dead letters, and the next one's turn is."""
    job_id = _enqueue(db, "deadly", "harmless")
    for attempt in (1, 2, 3):
        assert _claimed(db).source == "deadly"
        steering.after_start(db, 10, 100, 1.0)
        assert value(db, "SELECT max(attempts) FROM job_items") == attempt
    assert _claimed(db).source == "harmless"
    [refusal] = job_rows.job(db, job_id, 10).refusals
    assert (refusal.source, refusal.code) == ("deadly", "document_gave_up")
    assert "3 times" in refusal.message


def test_giving_up_the_last_item_ends_the_job(db: Connection) -> None:
    """Nobody waits for a job whose only document is deadly."""
    job_id = _enqueue(db, "deadly")
    _claimed(db)
    steering.after_start(db, 3, 100, 1.0)
    assert jobs.claim(db, 1, 9.0) is None
    assert job_rows.job(db, job_id, 10).finished_at == 9.0


def test_an_item_put_back_in_good_order_loses_no_attempt(db: Connection) -> None:
    """A long document survives any number of orderly restarts."""
    _enqueue(db, "long")
    for _ in range(10):
        jobs.put_back(db, _claimed(db), counted=False)
    assert _claimed(db).attempts == 1


def test_an_item_that_had_a_part_in_its_failure_counts_its_attempts(db: Connection) -> None:
    """It may try again, but not for ever."""
    job_id = _enqueue(db, "bad")
    for attempt in (1, 2, 3):
        item = _claimed(db)
        assert item.attempts == attempt
        jobs.put_back(db, item, counted=True)
    assert jobs.claim(db, 3, 1.0) is None
    assert job_rows.job(db, job_id, 10).refusals[0].code == "document_gave_up"


def test_urgent_jobs_come_first_and_patient_ones_last(db: Connection) -> None:
    """Among equals the one that was sent first."""
    for source, priority in (("a", "low"), ("b", "normal"), ("c", "high"), ("d", "normal")):
        jobs.enqueue(db, "default", [NewItem("path", source)], 10, 1.0, priority=cast("Priority", priority))
    assert [_claimed(db).source for _ in range(4)] == ["c", "b", "d", "a"]


def test_a_request_sent_twice_with_its_key_is_one_job(db: Connection) -> None:
    """Also when it has ended; another request with the same key is refused."""
    items = [NewItem("text", "a", payload=b"tea", metadata={"x": 1})]
    first = jobs.enqueue(db, "default", items, 10, 1.0, key="k")
    assert jobs.enqueue(db, "default", items, 10, 2.0, key="k") == first
    jobs.finish(db, _claimed(db), "done", 1, None, 3.0)
    assert jobs.enqueue(db, "default", items, 10, 4.0, key="k") == first
    assert jobs.enqueue(db, "default", items, 10, 4.0, key="other") != first
    for other in ([NewItem("text", "a", payload=b"milk", metadata={"x": 1})], [*items, *items], []):
        with pytest.raises(KeyReused, match=f"job {first}"):
            jobs.enqueue(db, "default", other, 10, 5.0, key="k")


def test_a_document_that_failed_waits_and_others_do_not(db: Connection) -> None:
    """It is due at its time, and at once when the clock has jumped back."""
    _enqueue(db, "bad", "good")
    jobs.put_back(db, _claimed(db), counted=True, not_before=100.0)
    assert _claimed_at(db, 50.0) == "good"
    assert _claimed_at(db, 50.0) is None
    assert jobs.due_in_s(db, 50.0) == 50.0
    assert _claimed_at(db, 100.0) == "bad"
    assert jobs.due_in_s(db, 100.0) is None


def test_what_the_service_hinders_is_no_suspect_for_it(db: Connection) -> None:
    """It failed in good order before, and then the disk was full for a moment: others go on beside it."""
    _enqueue(db, "once bad", "long", "good")
    jobs.put_back(db, _claimed(db), counted=True, not_before=5.0)
    assert _claimed_at(db, 1.0) == "long"
    again = jobs.claim(db, 3, 6.0, 300.0)
    assert again is not None and again.attempts == 2
    jobs.put_back(db, again, counted=False)
    assert (_claimed_at(db, 7.0), _claimed_at(db, 7.0)) == ("once bad", "good")


def test_a_suspect_that_is_hindered_stays_one(db: Connection) -> None:
    """It was in hand when the service ended: what hinders it now does not clear it."""
    _enqueue(db, "suspect", "good")
    _claimed(db)
    steering.after_start(db, 10, 3, 1.0)
    jobs.put_back(db, _claimed(db), counted=False)
    assert (_claimed_at(db, 2.0), _claimed_at(db, 2.0)) == ("suspect", None)


def test_a_clock_that_jumps_back_strands_nothing(db: Connection) -> None:
    """Nobody waits longer than the longest wait."""
    _enqueue(db, "bad")
    jobs.put_back(db, _claimed(db), counted=True, not_before=1e9)
    assert _claimed_at(db, 1.0) == "bad"


def _claimed_at(db: Connection, now: float) -> str | None:
    item = jobs.claim(db, 3, now, 300.0)
    return None if item is None else item.source


def test_what_is_not_held_any_more_changes_nothing(db: Connection) -> None:
    """A hand that was given up, or whose job was cancelled, may come to its end as late as it likes."""
    job_id = _enqueue(db, "a")
    late = _claimed(db)
    steering.after_start(db, 10, 100, 1.0)
    again = _claimed(db)
    assert (jobs.is_held(db, late), jobs.is_held(db, again)) == (False, True)
    jobs.finish(db, late, "done", 1, None, 1.0)
    jobs.put_back(db, late, counted=True)
    jobs.expand(db, late, [NewItem("path", "y")], [], 1.0)
    jobs.fail(db, late, REFUSAL, 1.0)
    row = job_rows.job(db, job_id, 10)
    assert (row.state, row.items_total, row.items_done, row.items_failed) == ("running", 1, 0, 0)
    jobs.finish(db, again, "done", 1, None, 1.0)
    assert job_rows.job(db, job_id, 10).state == "done"


def test_of_old_dead_letters_the_reason_alone_is_kept(db: Connection) -> None:
    """The newest can be tried again; jobs with such are not forgotten."""
    job_id = _enqueue(db, "a", "b", "c")
    for _ in range(3):
        jobs.fail(db, _claimed(db), REFUSAL, 1.0)
    assert jobs.forget_old(db, 0, 2) == 1
    row = job_rows.job(db, job_id, 10)
    assert (row.items_failed, row.items_refused, len(row.refusals)) == (2, 1, 3)
    assert [letter.source for letter in job_rows.dead_letters(db, 10)] == ["b", "c"]
    assert jobs.forget_old(db, 0, 0) == 2
    assert job_rows.listing(db, 9) == []


def test_the_bytes_of_dead_letters_are_bounded_too(db: Connection) -> None:
    """Those of the oldest go first; one without bytes of its own costs none, and stays."""
    _enqueue(db, "path")
    sent = [NewItem("bytes", name, payload=b"12345") for name in ("a", "b", "c")]
    job_id = jobs.enqueue(db, "default", sent, 10, 1.0)
    for _ in range(4):
        jobs.fail(db, _claimed(db), REFUSAL, 1.0)
    jobs.forget_old(db, 10, 10, 10)
    assert [letter.source for letter in job_rows.dead_letters(db, 10)] == ["path", "b", "c"]
    row = job_rows.job(db, job_id, 10)
    assert (row.items_failed, row.items_refused, len(row.refusals)) == (2, 1, 3)


def test_a_queue_full_of_bytes_is_busy(db: Connection) -> None:
    """As long as they wait. Paths have none, and what comes first is taken, or it never could be."""
    large, small = [NewItem("bytes", "l", payload=b"0" * 50)], [NewItem("bytes", "s", payload=b"0" * 9)]
    jobs.enqueue(db, "default", large, 10, 1.0, queue_bytes_max=10)
    with pytest.raises(Busy, match="MiB") as full:
        jobs.enqueue(db, "default", small, 10, 1.0, queue_bytes_max=58)
    assert full.value.retry_after_ms
    jobs.enqueue(db, "default", small, 10, 1.0, queue_bytes_max=59)
    jobs.enqueue(db, "default", [NewItem("path", "p")], 10, 1.0, queue_bytes_max=1)
    jobs.fail(db, _claimed(db), REFUSAL, 1.0)
    with pytest.raises(Busy):
        steering.retry(db, None, 10, 58)
    assert steering.retry(db, None, 10, 59) == 1


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
    jobs.finish(db, first, "done", 1, None, 2.0)
    assert _claimed(db).source == "a"


def test_a_folder_becomes_its_files(db: Connection) -> None:
    """The folder itself is no document and is not counted; what was refused on the way is."""
    job_id = _enqueue(db, "folder")
    jobs.expand(db, _claimed(db), [NewItem("path", "folder/a"), NewItem("path", "folder/b")], [REFUSAL], 2.0)
    row = job_rows.job(db, job_id, 10)
    assert (row.items_total, row.items_refused, row.refusals) == (3, 1, (REFUSAL,))
    assert [_claimed(db).source, _claimed(db).source] == ["folder/a", "folder/b"]


def test_a_folder_is_expanded_once(db: Connection) -> None:
    """Saying it twice does not queue its files twice."""
    job_id = _enqueue(db, "folder")
    folder = _claimed(db)
    for _ in range(2):
        jobs.expand(db, folder, [NewItem("path", "folder/a")], [REFUSAL], 2.0)
    assert job_rows.job(db, job_id, 10).items_total == 2


@pytest.mark.parametrize("refusals", [[], [REFUSAL]])
def test_a_folder_without_a_file_ends_its_job(db: Connection, refusals: list[Refusal]) -> None:
    """Nobody waits for files that are not there."""
    job_id = _enqueue(db, "folder")
    jobs.expand(db, _claimed(db), [], refusals, 8.0)
    row = job_rows.job(db, job_id, 10)
    assert (row.state, row.finished_at, row.items_total) == ("done", 8.0, len(refusals))


def test_only_the_first_refusals_are_shown_but_all_are_counted(db: Connection) -> None:
    """A hundred thousand binary files do not make an answer of that length; a listing shows none."""
    job_id = _enqueue(db, "folder")
    many = [Refusal(str(number), "document_binary", "m", "h") for number in range(50)]
    jobs.expand(db, _claimed(db), [], many, 2.0)
    row = job_rows.job(db, job_id, 5)
    assert [refusal.source for refusal in row.refusals] == ["0", "1", "2", "3", "4"]
    assert row.items_refused == 50
    assert job_rows.listing(db, 5)[0].refusals == ()


def test_a_listing_shows_the_newest_first(db: Connection) -> None:
    """And no more than asked for."""
    ids = [_enqueue(db, "a") for _ in range(5)]
    assert [row.id for row in job_rows.listing(db, 3)] == ids[:1:-1]


def test_a_job_that_is_not_there_has_its_own_error(db: Connection) -> None:
    """The message names the number."""
    with pytest.raises(JobNotFound, match="no job 7"):
        job_rows.job(db, 7, 10)


def test_old_jobs_are_forgotten_with_their_refusals_but_never_open_ones(db: Connection) -> None:
    """The newest finished ones stay; what waits stays however old."""
    waiting = _enqueue(db, "waits")
    done = [jobs.enqueue(db, "default", [], 10, 1.0) for _ in range(5)]
    db.execute("INSERT INTO job_refusals VALUES (1, ?, 's', 'c', 'm', 'h')", (done[0],))
    assert jobs.forget_old(db, 2, 10) == 0
    assert [row.id for row in job_rows.listing(db, 10)] == [done[4], done[3], waiting]
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
        jobs.finish(self.db, self.running.pop(), state, 1, refusal, 1.0)
        self.ended += 1

    @precondition(lambda self: self.running)
    @rule(found=st.integers(0, 3))
    def unfold(self, found: int) -> None:
        """One was a folder."""
        jobs.expand(self.db, self.running.pop(), [NewItem("path", "y")] * found, [REFUSAL], 1.0)
        self.asked += found
        self.ended += 1

    @precondition(lambda self: self.running)
    @rule()
    def give_up(self) -> None:
        """One was tried often enough."""
        jobs.fail(self.db, self.running.pop(), REFUSAL, 1.0)
        self.ended += 1

    @rule()
    def retry(self) -> None:
        """Somebody wants all that was given up once more."""
        self.ended -= steering.retry(self.db, None, 100_000)

    @rule(which=st.integers(0, 5))
    def cancel(self, which: int) -> None:
        """A job is cancelled; who works on it may find out later."""
        rows = [row for row in job_rows.listing(self.db, 1000) if row.finished_at is None]
        if which < len(rows):
            self.ended += steering.cancel(self.db, rows[which].id, 1.0)
            self.running = [item for item in self.running if jobs.is_held(self.db, item)]

    @rule(orderly=st.booleans())
    def restart(self, orderly: bool) -> None:
        """The service stops, in good order or not, and starts again."""
        for item in self.running if orderly else []:
            jobs.put_back(self.db, item, counted=False)
        steering.after_start(self.db, 10_000, 10_000, 1.0)
        self.running = []

    @invariant()
    def nothing_is_lost(self) -> None:
        """Every item asked for has ended or is in the queue; a job is done exactly when none of its is."""
        rows = job_rows.listing(self.db, 1000)
        assert self.asked - self.ended == documents.counts(self.db).items_queued
        for row in rows:
            not_taken = row.items_refused + row.items_failed
            handled = row.items_done + row.items_unchanged + not_taken + row.items_cancelled
            assert (row.state in {"done", "cancelled"}) == (handled == row.items_total)
            assert not_taken == len(job_rows.job(self.db, row.id, 1000).refusals)


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=25)
