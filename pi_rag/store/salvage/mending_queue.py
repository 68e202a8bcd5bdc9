"""What waited and what was watched, out of the rows that were found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, value
from pi_rag.store.salvage.witnesses import Witnesses
from pi_rag.types import ItemKind


@dataclass(slots=True)
class Queue:
    """What became of it."""

    waiting: int = 0
    lost: list[str] = field(default_factory=list)
    """Sources that waited and wait no more."""
    watches: int = 0
    partial: list[str] = field(default_factory=list)


def mend(db: Connection, told: Witnesses, now: float) -> Queue:
    """Keep each item that can still be done, with a job to belong to, and each folder that is watched."""
    found = Queue()
    _tell_gone(db, found)
    _give_jobs(db, now)
    _drop_hollow(db, found)
    _give_watches(db, told, found, now)
    found.waiting = value(db, "SELECT count(*) FROM job_items")
    found.watches = value(db, "SELECT count(*) FROM watches")
    return found


def _tell_gone(db: Connection, found: Queue) -> None:
    """What a job counts and nobody finds. Of what was sent the bytes may still be there, under no name."""
    accounted = "items_done + items_unchanged + items_refused + items_failed + items_cancelled"
    sql = f"""
        SELECT id, items_total - ({accounted}) -
            (SELECT count(*) FROM job_items WHERE job_id = jobs.id) AS gone
        FROM jobs WHERE finished_at IS NULL AND gone > 0
    """
    by_job: dict[int, int] = dict(all_rows(db, sql))
    found.lost += [f"{gone} of job {job_id}, the names of which are gone" for job_id, gone in by_job.items()]
    unnamed = value(db, "SELECT count(*) FROM item_payloads WHERE item_id NOT IN (SELECT id FROM job_items)")
    if unnamed > sum(by_job.values()):
        found.lost.append(f"{unnamed - sum(by_job.values())} that were sent, the names of which are gone")
    for job_id, gone in by_job.items():
        _count_no_more(db, job_id, gone)


def _count_no_more(db: Connection, job_id: int, gone: int) -> None:
    """What was told is not told again: else the new database would be found damaged as well."""
    db.execute("UPDATE jobs SET items_total = items_total - ? WHERE id = ?", (gone, job_id))


def _give_jobs(db: Connection, now: float) -> None:
    """Items whose job is gone go on in one of their own, into the default collection."""
    sql = """
        SELECT job_id, count(*) FROM job_items WHERE job_id NOT IN (SELECT id FROM jobs) GROUP BY job_id
    """
    for job_id, count in all_rows(db, sql):
        add = "INSERT INTO jobs (id, collection, created_at, items_total) VALUES (?, 'default', ?, ?)"
        db.execute(add, (job_id, now, count))
    # A job that has something to do is not at its end, whatever it says.
    db.execute("UPDATE jobs SET finished_at = NULL WHERE id IN (SELECT job_id FROM job_items)")
    idle = "finished_at IS NULL AND id NOT IN (SELECT job_id FROM job_items)"
    db.execute(f"UPDATE jobs SET finished_at = ? WHERE {idle}", (now,))


def _drop_hollow(db: Connection, found: Queue) -> None:
    """What was sent and is gone, or not as long as it was, cannot be stored. Nor can what is of no kind."""
    sql = """
        SELECT job_items.id, job_id, source, kind, payload_bytes, coalesce(length(payload), 0) FROM job_items
        LEFT JOIN item_payloads ON item_id = id
    """
    for item_id, job_id, source, kind, wanted, there in all_rows(db, sql):
        if wanted != there or kind not in get_args(ItemKind):
            found.lost.append(source)
            db.execute("DELETE FROM job_items WHERE id = ?", (item_id,))
            _count_no_more(db, job_id, 1)
    db.execute("DELETE FROM item_payloads WHERE item_id NOT IN (SELECT id FROM job_items)")


def _give_watches(db: Connection, told: Witnesses, found: Queue, now: float) -> None:
    """A watched folder that is gone comes back by its index, without what it was to leave out."""
    for number, (root, collection) in told.watches.items():
        if not value(
            db,
            "SELECT 1 FROM watches WHERE id = ? OR (root, collection) = (?, ?)",
            (number, root, collection),
        ):
            add = """
                INSERT INTO watches (id, root, collection, include, exclude, created_at)
                VALUES (?, ?, ?, '[]', '[]', ?)
            """
            db.execute(add, (number, root, collection, now))
            found.partial.append(f"{root}: which files it takes and leaves out is gone")
