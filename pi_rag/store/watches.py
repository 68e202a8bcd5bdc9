"""Watched folders: which they are, and each file in them as it was when it was last queued.

A file here is a path below its folder's root with its size and time. What it became is a document whose
source is the whole path. It knows the queue and the documents, and neither inotify nor the disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pi_rag.errors import DocumentRemoved, RequestInvalid, WatchNotFound
from pi_rag.store import Connection, documents, jobs, members, sources
from pi_rag.store.documents import MadeFrom
from pi_rag.store.rows import Row, all_rows, one_row, value
from pi_rag.types import Item, Refusal


@dataclass(frozen=True, slots=True)
class Watch:
    """A folder that is watched."""

    id: int
    root: str
    """Its real path."""
    collection: str
    include: Sequence[str]
    """Patterns as in a `.gitignore`; empty: everything."""
    exclude: Sequence[str]
    created_at: float
    device: int | None
    """The number of the device it lay on when it was last believed; None: it was not seen yet."""

    def source(self, path: str) -> str:
        """The source of the document that the file at `path` becomes."""
        return f"{self.root}/{path}"


@dataclass(frozen=True, slots=True)
class File:
    """One file as it was queued, or why it was not."""

    path: str
    size: int
    mtime_ns: int
    elsewhere: int
    """The number of the device it lies on, where that is not the folder's own; else 0."""
    refusal: Refusal | None = None
    ctime_ns: int = 0
    """When anything of it changed last, its name and its rights too; 0: not known."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """What became of a file."""

    path: str
    size: int | None
    """None where it was not taken for its name or its kind, and so never looked at."""
    modified_at: float | None
    indexed_at: float | None
    """When its document, or the last of those within it, was stored, wall time; None: it has none."""
    document_id: int | None
    within: int
    """How many documents are of files in it, as in an archive."""
    waiting: bool
    """It is in the queue."""
    skipped: Refusal | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A file of another watched folder, as it was queued, and what its document was made from."""

    watch: Watch
    path: str
    stamp: tuple[int, int]
    made: MadeFrom


@dataclass(frozen=True, slots=True)
class Tally:
    """How much a folder holds."""

    files: int
    skipped: int


_FILES = """
    FROM watch_files JOIN watches ON watches.id = watch_id
    LEFT JOIN skipped ON skipped.source = root || '/' || path AND skipped.collection = watches.collection
"""

_WATCH = "SELECT id, root, collection, include, exclude, created_at, device FROM watches"


def add(
    db: Connection,
    root: str,
    collection: str,
    include: Sequence[str],
    exclude: Sequence[str],
    watches_max: int,
    now: float,
) -> Watch:
    """Watch a folder. Raises RequestInvalid when it is watched already, lies in one that is, or holds one,
    for the same collection; and when there are too many."""
    known = listing(db)
    if len(known) >= watches_max:
        raise RequestInvalid(
            f"{len(known)} folders are watched already.",
            hint="Watch a folder above several of them, or raise watch.folders_max.",
        )
    for each in known:
        if each.collection == collection and _touch(each.root, root):
            shared = "" if each.root == root else f", and shares files with {root}"
            raise RequestInvalid(
                f"{each.root} is watched already for collection {collection}{shared}.",
                hint=f"Remove that first: pi-rag watch remove {each.id}   (its documents stay)",
            )
    sql = "INSERT INTO watches (root, collection, include, exclude, created_at) VALUES (?, ?, ?, ?, ?)"
    db.execute(sql, (root, collection, json.dumps(include), json.dumps(exclude), now))
    added = one(db, db.last_insert_rowid())
    sources.taken(db, collection, root)
    return added


def listing(db: Connection) -> list[Watch]:
    """All of them, by id."""
    return [_watch(row) for row in all_rows(db, f"{_WATCH} ORDER BY id")]


def one(db: Connection, watch_id: int) -> Watch:
    """One of them. Raises WatchNotFound."""
    row = one_row(db, f"{_WATCH} WHERE id = ?", (watch_id,))
    if row is None:
        raise WatchNotFound(f"There is no watched folder {watch_id}.")
    return _watch(row)


def remove(db: Connection, watch_id: int) -> None:
    """Watch it no more; its documents stay. Raises WatchNotFound."""
    watch = one(db, watch_id)
    db.execute("DELETE FROM watches WHERE id = ?", (watch_id,))
    # Nobody waits any more for what was removed to change.
    sql = "DELETE FROM skipped WHERE code = ? AND collection = ? AND source > ? AND source < ?"
    db.execute(sql, (DocumentRemoved.code, watch.collection, *sources.below(watch.root)))


def lies_on(db: Connection, watch_id: int, device: int) -> None:
    """Remember the device of a folder that is believed."""
    db.execute("UPDATE watches SET device = ? WHERE id = ?", (device, watch_id))


def tallies(db: Connection) -> dict[int, Tally]:
    """How much each folder holds, by its id."""
    sql = f"SELECT watch_id, count(*), count(code) {_FILES} GROUP BY watch_id"
    return {watch_id: Tally(files, skipped) for watch_id, files, skipped in all_rows(db, sql)}


def stamps(db: Connection, watch_id: int, path: str = "") -> dict[str, tuple[int, int, int]]:
    """(size, mtime_ns, ctime_ns) of the file at `path` and of all below it; of every file for ''."""
    sql = "SELECT path, size, mtime_ns, ctime_ns FROM watch_files WHERE watch_id = ?"
    if not path:
        rows = all_rows(db, sql, (watch_id,))
    else:
        rows = all_rows(db, f"{sql} AND path = ?", (watch_id, path))
        rows += all_rows(db, f"{sql} AND path > ? AND path < ?", (watch_id, *sources.below(path)))
    return {each: (size, mtime_ns, ctime_ns) for each, size, mtime_ns, ctime_ns in rows}


def elsewhere(db: Connection, watch_id: int, paths: Iterable[str]) -> dict[str, int]:
    """The devices of those of the files that lay on another one than their folder, by their paths."""
    sql = "SELECT elsewhere FROM watch_files WHERE watch_id = ? AND path = ?"
    found = {path: value(db, sql, (watch_id, path)) for path in paths}
    return {path: device for path, device in found.items() if device}


def waiting(db: Connection, watch: Watch, paths: Iterable[str]) -> set[str]:
    """Those of the files whose turn in the queue has yet to come: they will be read as they are then."""
    return {path for path in paths if jobs.about(db, watch.collection, watch.source(path), "queued")}


def queued(
    db: Connection, watch: Watch, files: Iterable[File], now: float, as_stored: Iterable[str] = ()
) -> None:
    """Remember files as they are: queued now or before, or refused; or stored just so, as are these sources
    of them."""
    files = [*files]
    sql = """
        INSERT OR REPLACE INTO watch_files (watch_id, path, size, mtime_ns, elsewhere, ctime_ns)
        VALUES (?, ?, ?, ?, ?, ?)
    """
    rows = ((watch.id, each.path, each.size, each.mtime_ns, each.elsewhere, each.ctime_ns) for each in files)
    db.executemany(sql, rows)
    sources.skip(db, watch.collection, (each.refusal for each in files if each.refusal), now)
    sources.seen(db, watch.collection, as_stored, now)


def refused(db: Connection, item: Item, refusal: Refusal, now: float) -> None:
    """Note why a held item is not taken. A watched file, or one in an archive, that is known to hold
    something else by now, or nothing, takes its old document with it."""
    if not jobs.is_held(db, item):
        return
    jobs.finish(db, item, "refused", 0, refusal, now)
    is_gone = refusal.code in members.OF_ITS_CONTENT
    if is_gone and (members.is_one(item) or is_watched(db, item.collection, item.source)):
        documents.remove_source(db, item.source, item.collection)
        members.withdraw(db, item.collection, item.source, now)


def removed(db: Connection, source: str, collection: str | None, now: float) -> None:
    """Somebody wants nothing of this source: of a watched file, that is why nothing of it is kept."""
    sql = f"{_noted('?5', 'watches')} AND watches.collection = coalesce(?6, watches.collection)"
    db.execute(sql, (*_why("It was removed."), now, source, collection))


def cancelled(db: Connection, job_id: int, now: float) -> None:
    """The same of what a job has yet to do, which somebody is about to cancel."""
    waiting = """
        job_items CROSS JOIN jobs ON jobs.id = job_id
        CROSS JOIN watches ON watches.collection = jobs.collection
    """
    sql = f"{_noted('job_items.source', waiting)} AND job_id = ?5"
    db.execute(sql, (*_why("It was cancelled before it was stored."), now, job_id))


def _noted(source: str, where: str) -> str:
    """A statement that notes of a source why it is not kept, if it is a file of one of the watches, or came
    out of an archive there, and nothing of it is stored. Where another reason is known, that one still holds.
    """
    return f"""
        INSERT OR IGNORE INTO skipped (collection, source, code, message, hint, seen_at)
        SELECT watches.collection, {source}, ?1, ?2, ?3, ?4 FROM {where}
        CROSS JOIN watch_files ON {sources.of_file(source)}
        WHERE NOT {sources.stored(source, "watches.collection")}
    """


def _why(message: str) -> tuple[str, str, str]:
    return DocumentRemoved.code, message, "It comes back when its file changes, or is added again."


def unwanted(db: Connection, watch: Watch) -> set[str]:
    """The files that somebody has removed or cancelled, or something within them as in an archive."""
    sql = "SELECT source FROM skipped WHERE source > ? AND source < ? AND collection = ? AND code = ?"
    rows = all_rows(db, sql, (*sources.below(watch.root), watch.collection, DocumentRemoved.code))
    paths = {source[len(watch.root) + 1 :] for (source,) in rows}
    return paths | {path.partition("!/")[0] for path in paths}


def made_from(db: Connection, watch: Watch, paths: Iterable[str]) -> dict[str, MadeFrom]:
    """What the documents of these files were made from; those without one are left out."""
    by_source = {watch.source(path): path for path in paths}
    found = documents.made_from(db, watch.collection, by_source)
    return {by_source[source]: made for source, made in found.items() if made.content_hash}


def has_siblings(db: Connection, watch: Watch) -> bool:
    """Whether other folders of the same collection are watched."""
    sql = "SELECT 1 FROM watches WHERE id != ? AND collection = ?"
    return bool(value(db, sql, (watch.id, watch.collection)))


def alike(db: Connection, watch: Watch, stamps: Iterable[tuple[int, int]]) -> list[Elsewhere]:
    """Files of such folders with one of these (size, mtime_ns), and a document; those on a drive within a
    folder are left out."""
    sql = """
        SELECT watch_id, path, size, mtime_ns FROM watch_files
        WHERE elsewhere = 0 AND watch_id IN (SELECT id FROM watches WHERE id != ? AND collection = ?)
            AND (size, mtime_ns) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))
    """
    given = json.dumps(sorted(set(stamps)))
    found = []
    for watch_id, path, *stamp in all_rows(db, sql, (watch.id, watch.collection, given)):
        other = one(db, watch_id)
        found += [
            Elsewhere(other, path, (stamp[0], stamp[1]), made)
            for made in made_from(db, other, [path]).values()
        ]
    return found


def moved(
    db: Connection,
    watch: Watch,
    before: str,
    file: File,
    titles: Mapping[str, str],
    now: float,
    *,
    read_again: bool,
    out_of: Watch | None = None,
) -> bool:
    """The document of the file at `before` is that of `file` from now on; what `file` had before goes.

    False when there is no such document any more: then nothing is done, and `file` is new. It lay in the
    folder `out_of`, of the same collection, where that is another one.

    `titles` are those that came from the name, with what they are now. With `read_again` its content is as
    good as unknown: it keeps its vectors, and will be cut as its new name asks for.
    """
    origin = out_of or watch
    to = watch.source(file.path)
    if documents.content_hash(db, watch.collection, origin.source(before)) is None:
        return False
    _take_out_of_queue(db, origin, (before,), now)
    _take_out_of_queue(db, watch, (file.path,), now)
    documents.remove_source(db, to, watch.collection)
    documents.rename(db, watch.collection, origin.source(before), to, titles, read_again=read_again)
    _forget_file(db, origin, before)
    sources.taken(db, watch.collection, to)
    queued(db, watch, [file], now)
    return True


def forget(db: Connection, watch: Watch, paths: Sequence[str], now: float) -> int:
    """What came from these files is gone, what waits in the queue or is in hand too. Returns how many
    documents."""
    _take_out_of_queue(db, watch, paths, now)
    for path in paths:
        _forget_file(db, watch, path)
    return sum(documents.remove_source(db, watch.source(path), watch.collection) for path in paths)


def files(db: Connection, watch: Watch, *, skipped: bool, limit: int, after: str) -> list[FileRow]:
    """Files by path, a page at a time: `limit` of those after the path `after`; all, or those not taken."""
    only = "AND code IS NOT NULL" if skipped else ""
    sql = f"""
        SELECT path, size, mtime_ns, documents.updated_at, documents.id, code, message, hint {_FILES}
        LEFT JOIN documents ON documents.source = root || '/' || path
            AND collection_id = (SELECT id FROM collections WHERE name = watches.collection)
        WHERE watch_id = ? AND path > ? {only} ORDER BY path LIMIT ?
    """
    rows = all_rows(db, sql, (watch.id, after, limit))
    return [_file_row(db, watch, *row) for row in rows]


def _file_row(
    db: Connection,
    watch: Watch,
    path: str,
    size: int,
    mtime_ns: int,
    indexed_at: float | None,
    document_id: int | None,
    code: str | None,
    message: str,
    hint: str,
) -> FileRow:
    seen, source = size >= 0, watch.source(path)
    within, within_at = (0, None) if document_id else documents.within(db, watch.collection, source)
    return FileRow(
        path=path,
        size=size if seen else None,
        modified_at=mtime_ns / 1e9 if seen else None,
        indexed_at=indexed_at or within_at,
        document_id=document_id,
        within=within,
        waiting=bool(jobs.about(db, watch.collection, source)),
        skipped=Refusal(source, code, message, hint) if code else None,
    )


def _watch(row: Row) -> Watch:
    watch_id, root, collection, include, exclude, created_at, device = row
    return Watch(watch_id, root, collection, json.loads(include), json.loads(exclude), created_at, device)


def _touch(one_root: str, other: str) -> bool:
    """Whether one of two folders is the other, or lies in it."""
    a, b = f"{one_root}/", f"{other}/"
    return a.startswith(b) or b.startswith(a)


def is_watched(db: Connection, collection: str, source: str) -> bool:
    """Whether a source is a file of a watched folder of this collection, or came out of an archive there."""
    sql = f"SELECT 1 FROM watches CROSS JOIN watch_files ON {sources.of_file('?1')} WHERE collection = ?2"
    return bool(value(db, sql, (source, collection)))


def _forget_file(db: Connection, watch: Watch, path: str) -> None:
    db.execute("DELETE FROM watch_files WHERE watch_id = ? AND path = ?", (watch.id, path))
    source = watch.source(path)
    sources.taken(db, watch.collection, source)
    sources.taken_below(db, watch.collection, f"{source}!")


def _take_out_of_queue(db: Connection, watch: Watch, paths: Iterable[str], now: float) -> None:
    """What waits, or is in hand, is not stored any more: it was read where the file no longer is."""
    for source in map(watch.source, paths):
        for item_id in jobs.about(db, watch.collection, source):
            jobs.withdraw(db, item_id, jobs.vanished(source), now)
        members.withdraw(db, watch.collection, source, now)
