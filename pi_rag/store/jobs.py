"""The durable queue: what was asked to be stored, and what became of it.

A job is what one request asked for; an item is one document of it. An item stays in the queue until it is
finished, so a power cut loses none; what is finished leaves only its count, and a refusal its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Literal

from pi_rag.errors import Busy, DocumentGaveUp, JobNotFound
from pi_rag.store import Connection
from pi_rag.store.metadata import read_at, to_json
from pi_rag.store.rows import Row, all_rows, one_row, value
from pi_rag.types import Item, JobRow, JobState, NewItem, Refusal, Repeated

Outcome = Literal["done", "unchanged", "refused"]

REPEATED_SHOWN_MAX = 20
"""Documents that repeat others, in a job's answer: those that repeat most. `duplicates.listing` has all."""

_COUNTERS: dict[Outcome, str] = {
    "done": "items_done",
    "unchanged": "items_unchanged",
    "refused": "items_refused",
}

_JOB_COLUMNS = """
    id, collection, created_at, finished_at, items_total, items_done, items_unchanged, items_refused, chunks,
    (SELECT coalesce(sum(near_duplicates), 0) FROM job_duplicates WHERE job_id = jobs.id),
    (SELECT source FROM job_items WHERE state = 'running' AND job_id = jobs.id LIMIT 1)
"""


def enqueue(
    db: Connection, collection: str, items: Sequence[NewItem], queue_items_max: int, now: float
) -> int:
    """Queue the items of one request and return the job's id. Raises Busy when the queue has no room."""
    waiting = value(db, "SELECT count(*) FROM job_items")
    if waiting + len(items) > queue_items_max:
        raise Busy(f"The queue holds {waiting} documents; {len(items)} more are over its {queue_items_max}.")
    sql = "INSERT INTO jobs (collection, created_at, items_total) VALUES (?, ?, ?)"
    db.execute(sql, (collection, now, len(items)))
    job_id = db.last_insert_rowid()
    _add_items(db, job_id, items)
    _settle(db, job_id, now)
    return job_id


def claim(db: Connection, attempts_max: int, now: float) -> Item | None:
    """Begin the oldest waiting item; None when nothing waits.

    The attempt is counted now, before the work, so that an item which takes the service down with it is
    refused after `attempts_max` of them.
    """
    while (item := _next(db)) is not None:
        if item.attempts <= attempts_max:
            sql = "UPDATE job_items SET state = 'running', attempts = ? WHERE id = ?"
            db.execute(sql, (item.attempts, item.id))
            return item
        finish(db, item.id, "refused", 0, _gave_up(item.source, attempts_max), now)
    return None


def put_back(db: Connection, item_id: int, *, counted: bool) -> None:
    """Let a begun item wait again. Not `counted` when it had no part in it, as at a shutdown."""
    sql = "UPDATE job_items SET state = 'queued', attempts = attempts - ? WHERE id = ? AND state = 'running'"
    db.execute(sql, (0 if counted else 1, item_id))


def expand(
    db: Connection,
    item: Item,
    found: Sequence[NewItem],
    refusals: Sequence[Refusal],
    now: float,
) -> None:
    """A folder becomes the files found in it; what was refused on the way is noted with its reason."""
    if not _take_out(db, item.id):
        return
    _add_items(db, item.job_id, found)
    _add_refusals(db, item.job_id, refusals)
    sql = "UPDATE jobs SET items_total = items_total + ?, items_refused = items_refused + ? WHERE id = ?"
    db.execute(sql, (len(found) + len(refusals) - 1, len(refusals), item.job_id))
    _settle(db, item.job_id, now)


def finish(
    db: Connection, item_id: int, state: Outcome, chunks: int, refusal: Refusal | None, now: float
) -> None:
    """Take an item out of the queue and count it. The last one ends its job. Twice is as good as once."""
    job_id = _take_out(db, item_id)
    if job_id is None:
        return
    counter = _COUNTERS[state]
    db.execute(
        f"UPDATE jobs SET {counter} = {counter} + 1, chunks = chunks + ? WHERE id = ?", (chunks, job_id)
    )
    _add_refusals(db, job_id, [refusal] if refusal else [])
    _settle(db, job_id, now)


def note_repeated(db: Connection, job_id: int, repeated: Repeated) -> None:
    """What a document of this job says that others have said already. It belongs to the document's own
    transaction, so that each is noted once."""
    sql = """
        INSERT INTO job_duplicates (job_id, source, chunks, near_duplicates, of_source, of_documents)
        VALUES (?, ?, ?, ?, ?, ?)
    """
    db.execute(sql, (job_id, *astuple(repeated)))


def job(db: Connection, job_id: int, refusals_shown_max: int) -> JobRow:
    """A job as it stands, with its first refusals and what it repeats most. Raises JobNotFound."""
    row = one_row(db, f"SELECT {_JOB_COLUMNS} FROM jobs WHERE id = ?", (job_id,))
    if row is None:
        raise JobNotFound(f"There is no job {job_id}.")
    sql = "SELECT source, code, message, hint FROM job_refusals WHERE job_id = ? ORDER BY id LIMIT ?"
    shown = all_rows(db, sql, (job_id, refusals_shown_max))
    return _job_row(row, tuple(Refusal(*refusal) for refusal in shown), _repeated(db, job_id))


def listing(db: Connection, limit: int) -> list[JobRow]:
    """The newest `limit` jobs, newest first, without their lists."""
    sql = f"SELECT {_JOB_COLUMNS} FROM jobs ORDER BY id DESC LIMIT ?"
    return [_job_row(row, (), ()) for row in all_rows(db, sql, (limit,))]


def release_running(db: Connection) -> int:
    """At start: what a killed service had begun waits again, its attempt counted. Returns how many."""
    db.execute("UPDATE job_items SET state = 'queued' WHERE state = 'running'")
    return db.changes()


def forget_old(db: Connection, jobs_kept_max: int) -> int:
    """Forget finished jobs but the newest `jobs_kept_max`. Returns how many were forgotten."""
    db.execute(
        """
        DELETE FROM jobs WHERE finished_at IS NOT NULL AND id NOT IN (
            SELECT id FROM jobs WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT ?
        )
        """,
        (jobs_kept_max,),
    )
    return db.changes()


def _next(db: Connection) -> Item | None:
    """The item whose turn it is, as it will be once claimed: jobs in their order, items in theirs.

    One whose document is being worked on waits for that to end: of two versions of a document, the one that
    was sent last must also be the last to be stored. The index is named, because statistics of a long queue
    tell the planner that it is of no use; the few that are running are what it is there for.
    """
    sql = """
        SELECT job_items.id, job_id, collection, kind, source, title,
               coalesce((SELECT payload FROM item_payloads WHERE item_id = job_items.id), x''),
               metadata, attempts + 1
        FROM job_items JOIN jobs ON jobs.id = job_id
        WHERE state = 'queued' AND NOT EXISTS (
            SELECT 1 FROM job_items AS busy INDEXED BY job_items_by_state
            JOIN jobs AS its_job ON its_job.id = busy.job_id
            WHERE busy.state = 'running' AND busy.source = job_items.source
                AND its_job.collection = jobs.collection
        )
        ORDER BY job_id, job_items.id LIMIT 1
    """
    row = one_row(db, sql)
    return Item(*read_at(row, 7)) if row else None


def _gave_up(source: str, attempts_max: int) -> Refusal:
    error = DocumentGaveUp(f"{source} was begun {attempts_max} times and never finished.")
    return Refusal(source, error.code, error.message, error.hint)


def _take_out(db: Connection, item_id: int) -> int | None:
    """Remove an item from the queue. Returns its job, or None when it was not in it."""
    job_id: int | None = value(db, "DELETE FROM job_items WHERE id = ? RETURNING job_id", (item_id,))
    return job_id


def _add_items(db: Connection, job_id: int, items: Iterable[NewItem]) -> None:
    sql = "INSERT INTO job_items (job_id, kind, source, title, metadata) VALUES (?, ?, ?, ?, ?)"
    for item in items:
        db.execute(sql, (job_id, item.kind, item.source, item.title, to_json(item.metadata)))
        if item.payload:
            db.execute("INSERT INTO item_payloads VALUES (?, ?)", (db.last_insert_rowid(), item.payload))


def _add_refusals(db: Connection, job_id: int, refusals: Iterable[Refusal]) -> None:
    sql = "INSERT INTO job_refusals (job_id, source, code, message, hint) VALUES (?, ?, ?, ?, ?)"
    db.executemany(sql, ((job_id, each.source, each.code, each.message, each.hint) for each in refusals))


def _settle(db: Connection, job_id: int, now: float) -> None:
    """A job with nothing left in the queue is done."""
    db.execute(
        """
        UPDATE jobs SET finished_at = ?
        WHERE id = ? AND finished_at IS NULL AND NOT EXISTS (SELECT 1 FROM job_items WHERE job_id = jobs.id)
        """,
        (now, job_id),
    )


def _repeated(db: Connection, job_id: int) -> tuple[Repeated, ...]:
    sql = """
        SELECT source, chunks, near_duplicates, of_source, of_documents FROM job_duplicates
        WHERE job_id = ? ORDER BY near_duplicates DESC, id DESC LIMIT ?
    """
    return tuple(Repeated(*row) for row in all_rows(db, sql, (job_id, REPEATED_SHOWN_MAX)))


def _job_row(row: Row, refusals: tuple[Refusal, ...], repeated: tuple[Repeated, ...]) -> JobRow:
    job_id, collection, created_at, finished_at, *numbers, current = row
    state = _state(finished_at, handled=sum(numbers[1:4]), current=current)
    total, done, unchanged, refused, chunks, near_duplicates = numbers
    return JobRow(
        id=job_id,
        state=state,
        collection=collection,
        created_at=created_at,
        finished_at=finished_at,
        items_total=total,
        items_done=done,
        items_unchanged=unchanged,
        items_refused=refused,
        chunks=chunks,
        current=current,
        refusals=refusals,
        near_duplicates=near_duplicates,
        repeated=repeated,
    )


def _state(finished_at: float | None, *, handled: int, current: str | None) -> JobState:
    if finished_at is not None:
        return "done"
    return "running" if handled or current is not None else "queued"
