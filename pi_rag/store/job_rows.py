"""How jobs stand: their counts, what is in hand, what was not taken and why. It changes nothing."""

from __future__ import annotations

from typing import Any, get_args

from pi_rag.errors import JobNotFound
from pi_rag.store import Connection
from pi_rag.store.jobs import PRIORITIES
from pi_rag.store.rows import Row, all_rows, one_row, value
from pi_rag.types import DeadLetter, JobRow, JobState, Refusal, Repeated

REPEATED_SHOWN_MAX = 20
"""Documents that repeat others, in a job's answer: those that repeat most. `duplicates.listing` has all."""

_NAMES = {number: name for name, number in PRIORITIES.items()}

_COLUMNS = """
    id, priority, paused, collection, created_at, finished_at,
    items_total, items_done, items_unchanged, items_refused, items_failed, items_cancelled, chunks,
    (SELECT coalesce(sum(near_duplicates), 0) FROM job_duplicates WHERE job_id = jobs.id),
    (SELECT source FROM job_items WHERE state = 'running' AND job_id = jobs.id LIMIT 1)
"""


def job(db: Connection, job_id: int, refusals_shown_max: int) -> JobRow:
    """A job as it stands, with the first of what it did not take and what it repeats most.

    Raises JobNotFound.
    """
    row = one_row(db, f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,))
    if row is None:
        raise JobNotFound(f"There is no job {job_id}.")
    return _job_row(row, _not_taken(db, job_id, refusals_shown_max), _repeated(db, job_id))


def listing(db: Connection, limit: int) -> list[JobRow]:
    """The newest `limit` jobs, newest first, without their lists."""
    sql = f"SELECT {_COLUMNS} FROM jobs ORDER BY id DESC LIMIT ?"
    return [_job_row(row, (), ()) for row in all_rows(db, sql, (limit,))]


def tally(db: Connection) -> dict[str, Any]:
    """How many jobs are in each state, and how many documents were given up and lie there."""
    sql = """
        SELECT CASE
            WHEN finished_at IS NOT NULL THEN iif(items_cancelled, 'cancelled', 'done')
            WHEN paused THEN 'paused'
            WHEN items_done + items_unchanged + items_refused + items_failed > 0 OR EXISTS (
                SELECT 1 FROM job_items WHERE state = 'running' AND job_id = jobs.id
            ) THEN 'running'
            ELSE 'queued'
        END, count(*) FROM jobs GROUP BY 1
    """
    states = {**dict.fromkeys(get_args(JobState), 0), **dict(all_rows(db, sql))}
    return {"states": states, "dead_letters": value(db, "SELECT count(*) FROM dead_letters")}


def dead_letters(db: Connection, limit: int, after: int = 0, job_id: int | None = None) -> list[DeadLetter]:
    """What was given up, of one job or of all, by id, a page at a time: `limit` of those after `after`.

    Raises JobNotFound.
    """
    if job_id is not None:
        job(db, job_id, 0)
    sql = f"""
        SELECT dead_letters.id, job_id, collection, source, attempts, code, message, hint, died_at
        FROM dead_letters JOIN jobs ON jobs.id = job_id
        WHERE dead_letters.id > ? {"" if job_id is None else "AND job_id = ?"}
        ORDER BY dead_letters.id LIMIT ?
    """
    of_job = () if job_id is None else (job_id,)
    return [DeadLetter(*row) for row in all_rows(db, sql, (after, *of_job, limit))]


def _not_taken(db: Connection, job_id: int, limit: int) -> tuple[Refusal, ...]:
    """What was refused, and after it what was given up."""
    sql = """
        SELECT * FROM (
            SELECT source, code, message, hint FROM job_refusals WHERE job_id = ? ORDER BY id LIMIT ?
        ) UNION ALL SELECT * FROM (
            SELECT source, code, message, hint FROM dead_letters WHERE job_id = ? ORDER BY id LIMIT ?
        ) LIMIT ?
    """
    return tuple(Refusal(*row) for row in all_rows(db, sql, (job_id, limit, job_id, limit, limit)))


def _repeated(db: Connection, job_id: int) -> tuple[Repeated, ...]:
    """As it was noted; the other's collection is told by the links, which may have gone since."""
    sql = """
        SELECT source, chunks, near_duplicates, of_source, of_documents, (
            SELECT their_set.name FROM jobs
            CROSS JOIN collections AS our_set ON our_set.name = jobs.collection
            CROSS JOIN documents AS ours ON ours.collection_id = our_set.id AND ours.source = noted.source
            CROSS JOIN duplicates ON duplicates.document_id = ours.id AND of_document_id <> ours.id
            CROSS JOIN documents AS theirs ON theirs.id = of_document_id AND theirs.source = noted.of_source
            CROSS JOIN collections AS their_set ON their_set.id = theirs.collection_id
            WHERE jobs.id = noted.job_id
            GROUP BY of_document_id ORDER BY count(*) DESC, of_document_id LIMIT 1
        )
        FROM job_duplicates AS noted
        WHERE job_id = ? ORDER BY near_duplicates DESC, id DESC LIMIT ?
    """
    return tuple(Repeated(*row) for row in all_rows(db, sql, (job_id, REPEATED_SHOWN_MAX)))


def _job_row(row: Row, refusals: tuple[Refusal, ...], repeated: tuple[Repeated, ...]) -> JobRow:
    job_id, priority, paused, collection, created_at, finished_at, *numbers, current = row
    total, done, unchanged, refused, failed, cancelled, chunks, near_duplicates = numbers
    is_begun = done + unchanged + refused + failed > 0 or current is not None
    return JobRow(
        id=job_id,
        state=_state(finished_at, is_begun=is_begun, is_paused=bool(paused), cancelled=cancelled),
        priority=_NAMES[priority],
        collection=collection,
        created_at=created_at,
        finished_at=finished_at,
        items_total=total,
        items_done=done,
        items_unchanged=unchanged,
        items_refused=refused,
        items_failed=failed,
        items_cancelled=cancelled,
        chunks=chunks,
        current=current,
        refusals=refusals,
        near_duplicates=near_duplicates,
        repeated=repeated,
    )


def _state(finished_at: float | None, *, is_begun: bool, is_paused: bool, cancelled: int) -> JobState:
    if finished_at is not None:
        return "cancelled" if cancelled else "done"
    if is_paused:
        return "paused"
    return "running" if is_begun else "queued"
