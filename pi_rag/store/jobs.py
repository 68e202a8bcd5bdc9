"""The durable queue: what was asked to be stored, and what became of it.

A job is what one request asked for; an item is one document of it. An item stays in the queue until it is
finished, so a power cut loses none; what is finished leaves only its count, and a refusal its reason. What
was tried too often lies with the dead letters, from where a person may send it again.

Who has claimed an item holds it until it ends the item or somebody takes it away (a cancelled job): what is
done for an item that is not held any more changes nothing. `job_rows.py` tells how jobs stand, `steering.py`
is what people may do to them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Literal

from pi_rag.errors import Busy, DocumentGaveUp, DocumentRemoved, DocumentVanished, KeyReused
from pi_rag.store import Connection, sources
from pi_rag.store.metadata import read_at, to_json
from pi_rag.store.rows import all_rows, one_row, value
from pi_rag.types import Item, NewItem, Priority, Refusal, Repeated

Outcome = Literal["done", "unchanged", "refused"]
ItemState = Literal["queued", "running"]

PRIORITIES: dict[Priority, int] = {"low": -1, "normal": 0, "high": 1}

PAUSED = "ingest_paused"
"""The key in `meta` of why nothing is begun: `paused` by a person, or `safe_mode`."""

ENDS = "ingest_ends"
"""The key in `meta` of how often in a row the service ended with documents in hand and none finished."""

_COUNTERS: dict[Outcome, str] = {
    "done": "items_done",
    "unchanged": "items_unchanged",
    "refused": "items_refused",
}


def enqueue(
    db: Connection,
    collection: str,
    items: Sequence[NewItem],
    queue_items_max: int,
    now: float,
    *,
    priority: Priority = "normal",
    key: str | None = None,
    queue_bytes_max: int | None = None,
) -> int:
    """Queue the items of one request and return the job's id.

    A request that comes again with the same `key` is the same job. Raises KeyReused when it is another
    request, Busy when the queue has no room for so many, or for so many bytes (None: any number).
    """
    request_hash = None if key is None else _request_hash(collection, items)
    if key is not None and (known := _job_of(db, key, request_hash)) is not None:
        return known
    expect_room(db, len(items), queue_items_max)
    expect_bytes(db, sum(len(item.payload) for item in items), queue_bytes_max)
    sql = """
        INSERT INTO jobs (collection, created_at, items_total, priority, key, request_hash)
        VALUES (?, ?, ?, ?, ?, ?)
    """
    db.execute(sql, (collection, now, len(items), PRIORITIES[priority], key, request_hash))
    job_id = db.last_insert_rowid()
    _add_items(db, job_id, items)
    settle(db, job_id, now)
    return job_id


def expect_room(db: Connection, count: int, queue_items_max: int) -> None:
    """Raise Busy when so many items more would be too many."""
    waiting = value(db, "SELECT count(*) FROM job_items")
    if waiting + count > queue_items_max:
        raise Busy(f"The queue holds {waiting} documents; {count} more are over its {queue_items_max}.")


def expect_bytes(db: Connection, count: int, queue_bytes_max: int | None) -> None:
    """Raise Busy when so many bytes more would be too many. What comes first is taken however large."""
    if not count or queue_bytes_max is None:
        return
    waiting = value(db, "SELECT sum(payload_bytes) FROM job_items WHERE payload_bytes > 0") or 0
    if waiting and waiting + count > queue_bytes_max:
        raise Busy(
            f"The queue holds {waiting / 2**20:.0f} MiB of what was sent; {count / 2**20:.1f} MiB more are "
            f"over its {queue_bytes_max / 2**20:.0f} MiB."
        )


def claim(db: Connection, attempts_max: int, now: float, retry_s_max: float = 0.0) -> Item | None:
    """Begin the next item that is due; None when there is none, or all is paused.

    The attempt is counted now, before the work, so that an item which takes the service down with it is
    given up after `attempts_max` of them. What was in hand when the service ended is a suspect: it is worked
    on alone, so that the next end has one culprit, and no other document pays for it. One that has lasted
    (`steering.lasted`) lets others begin, but no second suspect. `retry_s_max` is the
    longest that any item waits for its next attempt: one that would wait longer has seen the clock jump, and
    is due.
    """
    if value(db, "SELECT 1 FROM meta WHERE key = ?", (PAUSED,)):
        return None
    if value(db, f"{_RUNNING} AND attempts > 1 AND not_before = 0"):
        return None
    one_lasts = bool(value(db, f"{_RUNNING} AND attempts > 1"))
    while (found := _next(db, now, retry_s_max, but_suspects=one_lasts)) is not None:
        item, is_suspect = found
        if is_suspect and value(db, _RUNNING):
            return None
        if item.attempts <= attempts_max:
            sql = "UPDATE job_items SET state = 'running', attempts = ? WHERE id = ?"
            db.execute(sql, (item.attempts, item.id))
            return item
        bury(db, item.id, gave_up(item.source, attempts_max), now)
    return None


def is_empty(db: Connection) -> bool:
    """Whether nothing is in the queue, neither waiting nor in hand."""
    return not value(db, "SELECT EXISTS (SELECT 1 FROM job_items)")


def due_in_s(db: Connection, now: float) -> float | None:
    """Seconds until the next item is due that waits for its next attempt; None when none does."""
    at = value(db, "SELECT min(not_before) FROM job_items WHERE not_before > ?", (max(now, 0.0),))
    return None if at is None else float(at) - now


def in_hand(db: Connection, collection: str) -> set[str]:
    """The sources of a collection that are being worked on: what is stored of them may change any moment."""
    sql = """
        SELECT source FROM job_items INDEXED BY job_items_by_state JOIN jobs ON jobs.id = job_id
        WHERE state = 'running' AND collection = ?
    """
    return {source for (source,) in all_rows(db, sql, (collection,))}


def is_held(db: Connection, item: Item) -> bool:
    """Whether a claimed item is still the claimer's."""
    sql = "SELECT 1 FROM job_items WHERE id = ? AND state = 'running' AND attempts = ?"
    return bool(value(db, sql, (item.id, item.attempts)))


def put_back(db: Connection, item: Item, *, counted: bool, not_before: float | None = None) -> None:
    """Let a begun item wait again. Not `counted` when it had no part in it, as at a shutdown.

    Unless it waits for another time, it is a suspect if it was one, and none if it was none.
    """
    sql = """
        UPDATE job_items SET state = 'queued', attempts = attempts - ?, not_before = coalesce(?, not_before)
        WHERE id = ? AND state = 'running' AND attempts = ?
    """
    db.execute(sql, (0 if counted else 1, not_before, item.id, item.attempts))


def expand(
    db: Connection,
    item: Item,
    found: Sequence[NewItem],
    refusals: Sequence[Refusal],
    now: float,
    unchanged: Sequence[str] = (),
    folder: str = "",
) -> None:
    """A folder becomes the files found in it; what was refused on the way is noted with its reason.

    The sources `unchanged` are in it too, and stored as they are. `folder` is its real path.
    """
    if not is_held(db, item):
        return
    found, unwanted = _parted(found, _left_out(db, item))
    refusals = [*refusals, *unwanted]
    _take_out(db, item.id)
    for each in {item.source, folder or item.source}:
        sources.taken(db, item.collection, each)
        sources.taken_below(db, item.collection, each)
    sources.seen(db, item.collection, unchanged, now)
    sources.skip(db, item.collection, refusals, now)
    _add_items(db, item.job_id, found)
    _add_refusals(db, item.job_id, refusals)
    sql = """
        UPDATE jobs SET items_total = items_total + ?, items_refused = items_refused + ?,
                        items_unchanged = items_unchanged + ? WHERE id = ?
    """
    more = len(found) + len(refusals) + len(unchanged) - 1
    db.execute(sql, (more, len(refusals), len(unchanged), item.job_id))
    settle(db, item.job_id, now)


def leave_out(db: Connection, source: str, collection: str | None) -> None:
    """Folders that wait to be looked into bring back nothing of this source, in one collection or in all."""
    sql = """
        INSERT INTO item_payloads (item_id, payload)
        SELECT job_items.id, CAST(json_array(?1) AS BLOB) FROM json_each(?2) AS folders
        CROSS JOIN job_items INDEXED BY job_items_by_source ON job_items.source = folders.value
        CROSS JOIN jobs ON jobs.id = job_id
        WHERE kind = 'path' AND collection = coalesce(?3, collection)
        ON CONFLICT (item_id) DO UPDATE
        SET payload = CAST(json_insert(CAST(payload AS TEXT), '$[#]', ?1) AS BLOB)
    """
    db.execute(sql, (source, json.dumps([str(each) for each in PurePosixPath(source).parents]), collection))


def _left_out(db: Connection, folder: Item) -> frozenset[str]:
    """What was removed while a folder waited, as `leave_out` notes it in place of a payload."""
    if folder.kind != "path":
        return frozenset()
    noted = one_row(db, "SELECT CAST(payload AS TEXT) FROM item_payloads WHERE item_id = ?", (folder.id,))
    return frozenset(json.loads(noted[0])) if noted else frozenset()


def _parted(found: Sequence[NewItem], gone: frozenset[str]) -> tuple[Sequence[NewItem], list[Refusal]]:
    """What is wanted still, and why the rest is not: it is one of these names, or lies below one."""
    if not gone:
        return found, []
    unwanted = {
        each.source
        for each in found
        if not gone.isdisjoint([each.source, *map(str, PurePosixPath(each.source).parents)])
    }
    return [each for each in found if each.source not in unwanted], [
        removed(name) for name in sorted(unwanted)
    ]


def finish(
    db: Connection, item: Item, state: Outcome, chunks: int, refusal: Refusal | None, now: float
) -> None:
    """Take a held item out of the queue and count it. The last one ends its job."""
    if not is_held(db, item):
        return
    _take_out(db, item.id)
    counter = _COUNTERS[state]
    db.execute(
        f"UPDATE jobs SET {counter} = {counter} + 1, chunks = chunks + ? WHERE id = ?", (chunks, item.job_id)
    )
    if refusal:
        _add_refusals(db, item.job_id, [refusal])
        sources.refused(db, item.collection, refusal, now)
    settle(db, item.job_id, now)
    # A service that finishes documents does not end because of its start.
    db.execute("DELETE FROM meta WHERE key = ?", (ENDS,))


def fail(db: Connection, item: Item, reason: Refusal, now: float) -> None:
    """A held item was tried often enough: it lies with the dead letters from now on."""
    if is_held(db, item):
        bury(db, item.id, reason, now)


def about(db: Connection, collection: str, source: str, state: ItemState | None = None) -> list[int]:
    """The items that are about a file, whoever asked for it: those that wait and those in hand, or one kind.

    What was sent under the same name is none of them.
    """
    sql = """
        SELECT job_items.id FROM job_items INDEXED BY job_items_by_source
        CROSS JOIN jobs ON jobs.id = job_id AND collection = ?
        WHERE source = ? AND kind IN ('path', 'file') AND coalesce(state = ?, true)
    """
    return [item_id for (item_id,) in all_rows(db, sql, (collection, source, state))]


def withdraw(db: Connection, item_id: int, reason: Refusal, now: float) -> None:
    """Take an item out, whoever holds it: nobody wants any more what it would store."""
    job_id = _take_out(db, item_id)
    db.execute("UPDATE jobs SET items_refused = items_refused + 1 WHERE id = ?", (job_id,))
    _add_refusals(db, job_id, [reason])
    settle(db, job_id, now)


def overtake(db: Connection, item_id: int, now: float) -> None:
    """Take an item out, whoever holds it: there is a newer version of what it was about."""
    job_id = _take_out(db, item_id)
    db.execute("UPDATE jobs SET items_unchanged = items_unchanged + 1 WHERE id = ?", (job_id,))
    settle(db, job_id, now)


def note_repeated(db: Connection, job_id: int, repeated: Repeated) -> None:
    """What a document of this job says that others have said already. It belongs to the document's own
    transaction, so that each is noted once."""
    sql = """
        INSERT INTO job_duplicates (job_id, source, chunks, near_duplicates, of_source, of_documents)
        VALUES (?, ?, ?, ?, ?, ?)
    """
    counts = (repeated.chunks, repeated.near_duplicates)
    db.execute(sql, (job_id, repeated.source, *counts, repeated.of_source, repeated.of_documents))


def forget_old(
    db: Connection, jobs_kept_max: int, dead_letters_max: int, dead_bytes_max: int | None = None
) -> int:
    """Forget finished jobs but the newest `jobs_kept_max`, and those with dead letters.

    Of dead letters beyond the newest `dead_letters_max`, and beyond `dead_bytes_max` of their bytes (None:
    any number), only the reason is kept, as of what was refused. Returns how many.
    """
    over = _dead_letters_over(db, dead_letters_max, dead_bytes_max)
    _close(db, over)
    ended = "finished_at IS NOT NULL AND items_failed = 0"
    old = f"SELECT id FROM jobs WHERE {ended} ORDER BY id DESC LIMIT -1 OFFSET ?"
    db.execute(f"DELETE FROM jobs WHERE id IN ({old})", (jobs_kept_max,))
    return len(over)


def _dead_letters_over(db: Connection, count_max: int, bytes_max: int | None) -> list[int]:
    """The oldest that are too many, or too large. How many there are is asked first: mostly there are few."""
    over: set[int] = set()
    if value(db, "SELECT count(*) FROM dead_letters") > count_max:
        sql = "SELECT id FROM dead_letters ORDER BY id DESC LIMIT -1 OFFSET ?"
        over.update(letter for (letter,) in all_rows(db, sql, (count_max,)))
    if bytes_max is not None:
        sql = """
            SELECT id FROM (
                SELECT id, sum(payload_bytes) OVER (ORDER BY id DESC) AS newer
                FROM dead_letters INDEXED BY dead_letters_with_payload WHERE payload_bytes > 0
            ) WHERE newer > ?
        """
        over.update(letter for (letter,) in all_rows(db, sql, (bytes_max,)))
    return sorted(over)


def _close(db: Connection, letters: Iterable[int]) -> None:
    """What was given up cannot be tried again any more; why stays with its job."""
    for letter in letters:
        sql = "DELETE FROM dead_letters WHERE id = ? RETURNING job_id, source, code, message, hint"
        job_id, *reason = all_rows(db, sql, (letter,))[0]
        _add_refusals(db, job_id, [Refusal(*reason)])
        counted = "items_failed = items_failed - 1, items_refused = items_refused + 1"
        db.execute(f"UPDATE jobs SET {counted} WHERE id = ?", (job_id,))


def settle(db: Connection, job_id: int, now: float) -> None:
    """A job with nothing left in the queue is done."""
    db.execute(
        """
        UPDATE jobs SET finished_at = ?
        WHERE id = ? AND finished_at IS NULL AND NOT EXISTS (SELECT 1 FROM job_items WHERE job_id = jobs.id)
        """,
        (now, job_id),
    )


_RUNNING = "SELECT 1 FROM job_items INDEXED BY job_items_by_state WHERE state = 'running'"
_SUSPECT = "attempts > 0 AND not_before = 0"
"""Of what waits: what failed in good order waits for a time; what a crash left behind does not."""


def _next(
    db: Connection, now: float, retry_s_max: float, *, but_suspects: bool = False
) -> tuple[Item, bool] | None:
    """The item whose turn it is, as it will be once claimed, and whether it is a suspect.

    Urgent jobs come first, then jobs and items in order.

    One whose document is being worked on waits for that to end: of two versions of a document, the one that
    was sent last must also be the last to be stored. The index is named, because statistics of a long queue
    tell the planner that it is of no use; the few that are running are what it is there for.
    """
    sql = f"""
        SELECT job_items.id, job_id, collection, kind, source, title,
               coalesce((SELECT payload FROM item_payloads WHERE item_id = job_items.id), x''),
               metadata, attempts + 1, {_SUSPECT}
        FROM jobs INDEXED BY jobs_open
        CROSS JOIN job_items INDEXED BY job_items_by_state ON job_id = jobs.id AND state = 'queued'
        WHERE finished_at IS NULL AND NOT paused AND NOT (not_before > ? AND not_before <= ?)
            AND NOT (? AND {_SUSPECT})
            AND NOT EXISTS (
                SELECT 1 FROM job_items AS busy INDEXED BY job_items_by_state
                JOIN jobs AS its_job ON its_job.id = busy.job_id
                WHERE busy.state = 'running' AND busy.source = job_items.source
                    AND its_job.collection = jobs.collection
            )
        ORDER BY priority DESC, jobs.id, job_items.id LIMIT 1
    """
    row = one_row(db, sql, (now, now + retry_s_max, but_suspects))
    return (Item(*read_at(row[:-1], 7)), bool(row[-1])) if row else None


def bury(db: Connection, item_id: int, reason: Refusal, now: float) -> None:
    """Move an item to the dead letters, whoever holds it."""
    sql = """
        INSERT INTO dead_letters
        SELECT id, job_id, kind, source, title, metadata,
               coalesce((SELECT payload FROM item_payloads WHERE item_id = job_items.id), x''), attempts,
               ?, ?, ?, ?, payload_bytes
        FROM job_items WHERE id = ?
    """
    db.execute(sql, (reason.code, reason.message, reason.hint, now, item_id))
    job_id = _take_out(db, item_id)
    sources.skip(db, value(db, "SELECT collection FROM jobs WHERE id = ?", (job_id,)), [reason], now)
    db.execute("UPDATE jobs SET items_failed = items_failed + 1 WHERE id = ?", (job_id,))
    settle(db, job_id, now)


def _request_hash(collection: str, items: Iterable[NewItem]) -> bytes:
    whole = hashlib.sha256(collection.encode("utf-8", "surrogatepass"))
    for item in items:
        named = [item.kind, item.source, item.title, dict(item.metadata), len(item.payload)]
        whole.update(json.dumps(named, sort_keys=True).encode("ascii") + item.payload)
    return whole.digest()


def _job_of(db: Connection, key: str, request_hash: bytes | None) -> int | None:
    row = one_row(db, "SELECT id, request_hash FROM jobs WHERE key = ?", (key,))
    if row is None:
        return None
    if row[1] != request_hash:
        raise KeyReused(f"The key {key!r} was that of another request, job {row[0]}.")
    return int(row[0])


def gave_up(source: str, attempts_max: int) -> Refusal:
    """Why an item is buried that took the service down with it each time."""
    error = DocumentGaveUp(f"{source} was begun {attempts_max} times and never finished.")
    return Refusal(source, error.code, error.message, error.hint)


def vanished(source: str) -> Refusal:
    """Why an item is withdrawn whose file is not there any more."""
    error = DocumentVanished(f"{source} went away, or got another name, before its turn.")
    return Refusal(source, error.code, error.message, error.hint)


def removed(source: str) -> Refusal:
    """Why an item is withdrawn that would bring back what somebody removed."""
    error = DocumentRemoved(f"{source} was removed before this version of it had its turn.")
    return Refusal(source, error.code, error.message, error.hint)


def _take_out(db: Connection, item_id: int) -> int:
    """Remove an item from the queue. Returns its job."""
    return int(value(db, "DELETE FROM job_items WHERE id = ? RETURNING job_id", (item_id,)))


def _add_items(db: Connection, job_id: int, items: Iterable[NewItem]) -> None:
    sql = """
        INSERT INTO job_items (job_id, kind, source, title, metadata, payload_bytes)
        VALUES (?, ?, ?, ?, ?, ?)
    """
    for item in items:
        given = (item.title, to_json(item.metadata), len(item.payload))
        db.execute(sql, (job_id, item.kind, item.source, *given))
        if item.payload:
            db.execute("INSERT INTO item_payloads VALUES (?, ?)", (db.last_insert_rowid(), item.payload))


def _add_refusals(db: Connection, job_id: int, refusals: Iterable[Refusal]) -> None:
    sql = "INSERT INTO job_refusals (job_id, source, code, message, hint) VALUES (?, ?, ?, ?, ?)"
    db.executemany(sql, ((job_id, each.source, each.code, each.message, each.hint) for each in refusals))
