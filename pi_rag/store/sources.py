"""What became of every source: stored, waiting, or not taken and why; and when it was last seen.

A source is what a document came from: a path, an address, a name that somebody gave. Why one is not taken is
kept by its source, whoever asked for it, until it is taken or asked for no more. A path that is not there is
no source: only its job tells of it. It knows no job.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pi_rag.errors import PathNotFound
from pi_rag.store import Connection
from pi_rag.store.rows import Row, all_rows, value
from pi_rag.types import Refusal


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source of one collection."""

    source: str
    collection: str
    document_id: int | None
    """None: nothing of it is stored."""
    passages: int
    indexed_at: float | None
    seen_at: float | None
    """When it was last found as it is stored, taken, or refused, wall time; None: it only waits so far."""
    waiting: bool
    watch_id: int | None
    """The watched folder that it is a file of, or came out of an archive of."""
    skipped: Refusal | None


def below(folder: str) -> tuple[str, str]:
    """What lies below a folder lies between these two: '0' is the character after '/'."""
    folder = folder.rstrip("/")  # that of the whole disk ends with it
    return f"{folder}/", f"{folder}0"


def skip(db: Connection, collection: str, refusals: Iterable[Refusal], now: float) -> None:
    """Note why these sources are not taken."""
    sql = """
        INSERT OR REPLACE INTO skipped (collection, source, code, message, hint, seen_at)
        VALUES (?, ?, ?, ?, ?, ?)
    """
    rows = ((collection, each.source, each.code, each.message, each.hint, now) for each in refusals)
    db.executemany(sql, rows)


def refused(db: Connection, collection: str, refusal: Refusal, now: float) -> None:
    """Note why a source is not taken. Of a path that is not there it is noted only while something is stored
    that came from it: the next one who mistypes a name is told by his job."""
    taken(db, collection, refusal.source)
    if refusal.code != PathNotFound.code or _is_stored(db, collection, refusal.source):
        skip(db, collection, [refusal], now)


def _is_stored(db: Connection, collection: str, source: str) -> bool:
    return bool(value(db, f"SELECT {stored('?1', '?2')}", (source, collection)))


def stored(source: str, collection: str) -> str:
    """SQL for whether there is a document of a source, or of a file in it as in an archive."""
    documents = f"""
        SELECT 1 FROM documents
        WHERE collection_id = (SELECT id FROM collections WHERE name = {collection}) AND documents.source
    """
    # In one question SQLite would look through all of the collection.
    within = f"> {source} || '!/' AND documents.source < {source} || '!0'"
    return f"(EXISTS ({documents} = {source}) OR EXISTS ({documents} {within}))"


def of_file(source: str) -> str:
    """SQL for whether a row of `watches` and one of `watch_files` are those of a source, or of the archive
    that it came out of."""
    path = f"substr({source}, length(root) + 2)"
    return f"""
        watch_id = watches.id AND substr({source}, 1, length(root) + 1) = root || '/'
        AND path IN ({path}, substr({path}, 1, instr({path} || '!/', '!/') - 1))
    """


def taken(db: Connection, collection: str, source: str) -> None:
    """Nothing is to be said against a source any more."""
    db.execute("DELETE FROM skipped WHERE source = ? AND collection = ?", (source, collection))


def taken_below(db: Connection, collection: str, folder: str) -> None:
    """The same of all that lies below a folder: what is there is about to be told anew."""
    sql = "DELETE FROM skipped WHERE source > ? AND source < ? AND collection = ?"
    db.execute(sql, (*below(folder), collection))


def seen(db: Connection, collection: str, sources: Iterable[str], now: float) -> None:
    """These are there and as they are stored: a hundred thousand of them in one look."""
    sql = """
        INSERT INTO document_items (document_id, item_id, seen_at)
        SELECT documents.id, 0, ? FROM json_each(?) AS these
        CROSS JOIN documents ON source = these.value
            AND collection_id = (SELECT id FROM collections WHERE name = ?)
        WHERE true
        ON CONFLICT (document_id) DO UPDATE SET seen_at = excluded.seen_at
    """
    these = json.dumps([*sources])
    db.execute(sql, (now, these, collection))
    sql = "DELETE FROM skipped WHERE collection = ? AND source IN (SELECT value FROM json_each(?))"
    db.execute(sql, (collection, these))


def forget_below(db: Connection, folder: str, collection: str | None) -> int:
    """Forget of a folder, and of what lies below it, why it is not taken, in one collection or in all: but
    not of a file in a watched folder, nor of what is stored. Returns of how many sources."""
    sql = f"""
        DELETE FROM skipped WHERE source >= ?1 AND source < ?3 AND (source = ?1 OR source > ?2)
            AND collection = coalesce(?4, collection) AND NOT {stored("skipped.source", "skipped.collection")}
            AND NOT EXISTS (
                SELECT 1 FROM watches CROSS JOIN watch_files ON {of_file("skipped.source")}
                WHERE watches.collection = skipped.collection
            )
    """
    db.execute(sql, (folder, *below(folder), collection))
    return db.changes()


def forget_old(db: Connection, kept_max: int) -> None:
    """Keep the newest reasons."""
    old = "SELECT id FROM skipped ORDER BY id DESC LIMIT 1 OFFSET ?"
    db.execute(f"DELETE FROM skipped WHERE id <= ({old})", (kept_max,))


def listing(
    db: Connection,
    *,
    under: str | None = None,
    collection: str | None = None,
    skipped: bool = False,
    limit: int,
    after: tuple[str, str] = ("", ""),
) -> list[SourceRow]:
    """Sources by name and collection, a page at a time: `limit` of those after the pair `after`.

    `under` keeps to one source and what lies below it as in a folder, or in it as in an archive; `skipped` to
    what was not taken.
    """
    within = _WITHIN if under is None else f"{_WITHIN} AND {_UNDER}"
    kinds = [_SKIPPED] if skipped else [_SKIPPED, _STORED, _WAITING]
    parts = (f"SELECT * FROM ({kind} WHERE {within} ORDER BY 1, 2 LIMIT ?4)" for kind in kinds)
    sql = f"WITH page AS ({' UNION '.join(parts)} ORDER BY 1, 2 LIMIT ?4) {_TOLD}"
    bindings: list[object] = [*max(after, (under or "", "")), collection, limit]
    bindings += [] if under is None else [under, *below(under)]
    return [_row(row) for row in all_rows(db, sql, bindings)]


_SKIPPED = "SELECT source, collection AS its_collection FROM skipped"
_STORED = """
    SELECT source, name AS its_collection FROM documents INDEXED BY documents_by_source
    CROSS JOIN collections ON collections.id = collection_id
"""
_WAITING = """
    SELECT DISTINCT source, collection AS its_collection FROM job_items INDEXED BY job_items_by_source
    CROSS JOIN jobs ON jobs.id = job_id
"""
_WITHIN = """
    source >= ?1 AND (source > ?1 OR its_collection > ?2) AND its_collection = coalesce(?3, its_collection)
"""
_UNDER = """
    (source = ?5 OR source > ?6 OR (source > ?5 || '!/' AND source < ?5 || '!0')) AND source < ?7
"""

_TOLD = f"""
    SELECT page.source, its_collection, documents.id, coalesce(chunk_count, 0), updated_at,
        nullif(max(coalesce(document_items.seen_at, updated_at, 0), coalesce(skipped.seen_at, 0)), 0),
        EXISTS (
            SELECT 1 FROM job_items JOIN jobs ON jobs.id = job_id
            WHERE job_items.source = page.source AND jobs.collection = its_collection
        ),
        (
            SELECT watch_id FROM watches CROSS JOIN watch_files ON {of_file("page.source")}
            WHERE watches.collection = its_collection
        ),
        code, message, hint
    FROM page
    LEFT JOIN collections ON name = its_collection
    LEFT JOIN documents ON collection_id = collections.id AND documents.source = page.source
    LEFT JOIN document_items ON document_id = documents.id
    LEFT JOIN skipped ON skipped.source = page.source AND skipped.collection = its_collection
    ORDER BY 1, 2
"""


def _row(row: Row) -> SourceRow:
    source, collection, document_id, passages, indexed_at, seen_at, waiting, watch_id, *reason = row
    skipped = Refusal(source, *reason) if reason[0] else None
    return SourceRow(
        source, collection, document_id, passages, indexed_at, seen_at, bool(waiting), watch_id, skipped
    )
