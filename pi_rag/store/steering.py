"""What people do to the queue: pause it or one job, go on, cancel, try again what was given up.

And what the queue does to itself when the service has ended in the midst of it too often: it waits for a
person, so that whatever is wrong, searches are answered.
"""

from __future__ import annotations

from typing import Literal

from pi_rag.errors import JobEnded, JobNotFound
from pi_rag.store import Connection, watches
from pi_rag.store.jobs import ENDS, PAUSED, bury, expect_bytes, expect_room, gave_up, settle
from pi_rag.store.rows import all_rows, value
from pi_rag.types import Item

Paused = Literal["paused", "safe_mode"]


def pause_all(db: Connection, why: Paused = "paused") -> None:
    """Begin no more documents, also after a restart. What is in hand is finished."""
    _set(db, PAUSED, why)


def resume_all(db: Connection) -> None:
    """Go on with everything that no job's own pause holds back."""
    db.execute("DELETE FROM meta WHERE key IN (?, ?)", (PAUSED, ENDS))


def paused(db: Connection) -> Paused | None:
    """Why nothing is begun; None when work goes on."""
    found: Paused | None = value(db, "SELECT value FROM meta WHERE key = ?", (PAUSED,))
    return found


def pause(db: Connection, job_id: int, *, is_paused: bool) -> None:
    """Hold one job back, or let it go on. Raises JobNotFound, JobEnded."""
    _expect_open(db, job_id, "pause" if is_paused else "resume")
    db.execute("UPDATE jobs SET paused = ? WHERE id = ?", (is_paused, job_id))


def cancel(db: Connection, job_id: int, now: float) -> int:
    """Take out what a job has in the queue, also what is in hand: it will not be stored. Returns how many.

    What was stored stays. Raises JobNotFound, JobEnded.
    """
    _expect_open(db, job_id, "cancel")
    watches.cancelled(db, job_id, now)
    db.execute("DELETE FROM job_items WHERE job_id = ?", (job_id,))
    count = db.changes()
    db.execute("UPDATE jobs SET items_cancelled = items_cancelled + ? WHERE id = ?", (count, job_id))
    settle(db, job_id, now)
    return count


def retry(
    db: Connection, job_id: int | None, queue_items_max: int, queue_bytes_max: int | None = None
) -> int:
    """Queue again what was given up, of one job or of all, with all its attempts. Returns how many.

    Raises JobNotFound; Busy when the queue has no room, and then nothing was moved.
    """
    if job_id is not None:
        _expect_job(db, job_id)
    which = "job_id = coalesce(?, job_id)"
    of_all = f"SELECT count(*), coalesce(sum(payload_bytes), 0) FROM dead_letters WHERE {which}"
    count, held_bytes = all_rows(db, of_all, (job_id,))[0]
    expect_room(db, count, queue_items_max)
    expect_bytes(db, held_bytes, queue_bytes_max)
    db.execute(
        f"""
        INSERT INTO job_items (id, job_id, kind, source, title, metadata, payload_bytes)
        SELECT id, job_id, kind, source, title, metadata, payload_bytes FROM dead_letters WHERE {which};
        INSERT INTO item_payloads
        SELECT id, payload FROM dead_letters WHERE {which} AND payload != x'';
        UPDATE jobs SET finished_at = NULL, items_failed = items_failed - (
            SELECT count(*) FROM dead_letters WHERE job_id = jobs.id
        ) WHERE id IN (SELECT job_id FROM dead_letters WHERE {which});
        DELETE FROM dead_letters WHERE {which}
        """,
        (job_id,) * 4,
    )
    return int(count)


def after_start(db: Connection, ends_max: int, attempts_max: int, now: float) -> None:
    """What an ended service had begun waits again, its attempt counted; what has had all of them is given up.

    When that has happened `ends_max` times in a row, nothing is begun until a person says so.
    """
    left = all_rows(db, "SELECT id, source, attempts FROM job_items WHERE state = 'running'")
    for item_id, source, attempts in left:
        if attempts >= attempts_max:
            bury(db, item_id, gave_up(source, attempts_max), now)
    db.execute("UPDATE job_items SET state = 'queued', not_before = 0 WHERE state = 'running'")
    if not left:
        settled(db)
        return
    ends = int(value(db, "SELECT value FROM meta WHERE key = ?", (ENDS,)) or 0) + 1
    _set(db, ENDS, str(ends))
    if ends >= ends_max:
        pause_all(db, "safe_mode")


def lasted(db: Connection, item: Item, now: float) -> None:
    """An item that was in hand when the service ended has been worked on alone for a while: it is a suspect
    no more, until the service ends again."""
    sql = "UPDATE job_items SET not_before = ? WHERE id = ? AND state = 'running' AND attempts = ?"
    db.execute(f"{sql} AND not_before = 0", (now, item.id, item.attempts))


def settled(db: Connection) -> None:
    """The service has lasted: what happens from now on is not its start's fault."""
    db.execute("DELETE FROM meta WHERE key = ?", (ENDS,))


def _set(db: Connection, key: str, text: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, text))


def _expect_job(db: Connection, job_id: int) -> None:
    if not value(db, "SELECT 1 FROM jobs WHERE id = ?", (job_id,)):
        raise JobNotFound(f"There is no job {job_id}.")


def _expect_open(db: Connection, job_id: int, what: str) -> None:
    """Raise JobNotFound, or JobEnded: a command that changes nothing must not look as if it had."""
    _expect_job(db, job_id)
    if value(db, "SELECT finished_at IS NOT NULL FROM jobs WHERE id = ?", (job_id,)):
        raise JobEnded(
            f"Job {job_id} has ended; there is nothing to {what}.",
            hint=f"See what became of it: pi-rag jobs {job_id}. Take out what it has stored: pi-rag remove",
        )
