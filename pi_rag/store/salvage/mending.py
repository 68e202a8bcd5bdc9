"""Documents out of the rows that were found: judged one by one, mended where something is stored twice.

What cannot be searched as it is waits in the queue of the new database, as if it had been sent: the service
cuts and embeds it when it starts. What differs from what it was, or may, counts as changed when its source is
read the next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pi_rag.store import Connection, jobs, reindex
from pi_rag.store.export import Stored
from pi_rag.store.rows import all_rows, one_row, value
from pi_rag.store.salvage.filling import Filled
from pi_rag.store.salvage.judging import Judged, Passage, State, judge
from pi_rag.store.salvage.witnesses import Witnesses
from pi_rag.types import DocumentRow, NewItem

CHANGED = "recovered"
"""A hash of no content: what is read from the source the next time differs from it."""

SENT = ""
"""The hash of a document that waits in the queue to be stored anew."""

LINES_AT_ONCE = 64
"""Documents that are queued as one job, so that what waits is told in pieces a person can follow."""

ToQueue = Callable[[Stored], NewItem]
"""Makes of a document the item that stores it anew."""


@dataclass(frozen=True, slots=True)
class Told:
    """A document of which not all is as it was."""

    source: str
    collection: str
    what: str


@dataclass(slots=True)
class Documents:
    """What became of them."""

    whole: int = 0
    """Those that are as they were, the mended ones among them."""
    mended: list[Told] = field(default_factory=list)
    partial: list[Told] = field(default_factory=list)
    lost: list[Told] = field(default_factory=list)
    queued: int = 0
    """Those that are embedded when the service starts."""


_SAYS: dict[State, str] = {
    "mended": "a damaged text was put right from its passages",
    "joined": "its text was put together from its passages; spaces between them may differ",
    "altered": "its text differs somewhere from what it was",
    "cut": "a part of its text is missing",
    "gone": "its text is gone",
}


def mend(db: Connection, filled: Filled, told: Witnesses, to_queue: ToQueue, now: float) -> Documents:
    """Judge every document, in one transaction. Words are not looked after here."""
    found = Documents()
    unnamed = _names_again(db, filled, told, now)
    _move_astray(db, told)
    to_cut: list[tuple[int, bool]] = []
    for document_id in _numbers(db, told):
        _one(db, document_id, filled, told, found, to_cut, now, unnamed)
    db.execute("""
        DELETE FROM vectors WHERE chunk_id NOT IN (SELECT id FROM chunks);
        DELETE FROM collections WHERE id NOT IN (SELECT collection_id FROM documents);
    """)
    found.queued = _queue(db, to_cut, to_queue, now)
    return found


def _names_again(db: Connection, filled: Filled, told: Witnesses, now: float) -> set[int]:
    """Give collections that are gone their names again, by the index of names; those that have none now."""
    wanted = {row[0] for row in all_rows(db, "SELECT DISTINCT collection_id FROM documents")}
    wanted |= {collection_id for collection_id, _ in told.documents.values()}
    there = {row[0] for row in all_rows(db, "SELECT id FROM collections")}
    unnamed = set()
    for collection_id in sorted(wanted - there):
        name = told.collections.get(collection_id)
        if name is None or value(db, "SELECT 1 FROM collections WHERE name = ?", (name,)):
            name = f"recovered-{collection_id}"
            unnamed.add(collection_id)
        db.execute("INSERT OR IGNORE INTO collections (id, name) VALUES (?, ?)", (collection_id, name))
    return unnamed


def _move_astray(db: Connection, told: Witnesses) -> None:
    """A document whose number is damaged gets the one by which the index knows its source."""
    by_key = {key: number for number, key in told.documents.items()}
    for number, *key in all_rows(db, "SELECT id, collection_id, source FROM documents"):
        right = by_key.get((key[0], key[1]))
        if right is None or right == number or number in told.documents:
            continue
        if not value(db, "SELECT 1 FROM documents WHERE id = ?", (right,)):
            db.execute("UPDATE documents SET id = ? WHERE id = ?", (right, number))


def _numbers(db: Connection, told: Witnesses) -> list[int]:
    """Of all documents that there is a trace of."""
    sql = """
        SELECT id FROM documents UNION SELECT document_id FROM document_texts
        UNION SELECT document_id FROM chunks
    """
    return sorted({row[0] for row in all_rows(db, sql)} | set(told.documents))


def _one(
    db: Connection,
    document_id: int,
    filled: Filled,
    told: Witnesses,
    found: Documents,
    to_cut: list[tuple[int, bool]],
    now: float,
    unnamed: set[int],
) -> None:
    text = value(db, "SELECT text FROM document_texts WHERE document_id = ?", (document_id,))
    passages = _passages(db, document_id)
    row = one_row(db, "SELECT char_count, chunk_count FROM documents WHERE id = ?", (document_id,))
    chars, count = row or (_reach(text, passages), 1 + max((each.seq for each in passages), default=-1))
    judged = judge(text, chars, count, passages)
    if judged.state == "gone":
        found.lost.append(_told(db, document_id, told, _SAYS["gone"]))
        _remove(db, document_id, found.lost[-1])
        return
    is_new = row is None and _insert(db, document_id, told, now)
    _write(db, document_id, judged)
    wrong = [_SAYS[judged.state]] if judged.state not in ("whole", "mended") else []
    wrong += _doubts(db, document_id, filled, told, unnamed, is_new=bool(is_new))
    if wrong:
        found.partial.append(_told(db, document_id, told, "; ".join(wrong)))
        _read_again(db, document_id, found.partial[-1])
    else:
        found.whole += 1
        if judged.state == "mended":
            found.mended.append(_told(db, document_id, told, _SAYS["mended"]))
    if judged.lacks_passages or _lacks_vectors(db, document_id):
        if not wrong and _waits_already(db, document_id):
            _keep_those_with_vectors(db, document_id)
        else:
            to_cut.append((document_id, bool(wrong)))


def _waits_already(db: Connection, document_id: int) -> bool:
    """Whether an earlier recovery has sent it to itself, and its turn has not come since."""
    sql = """
        SELECT 1 FROM documents
        JOIN collections ON collections.id = collection_id
        JOIN jobs ON jobs.collection = collections.name AND finished_at IS NULL
        JOIN job_items ON job_id = jobs.id AND job_items.source = documents.source
        WHERE documents.id = ? AND content_hash = ? AND job_items.kind = 'export' LIMIT 1
    """
    return bool(value(db, sql, (document_id, SENT)))


def _passages(db: Connection, document_id: int) -> list[Passage]:
    sql = "SELECT id, seq, start, end, text, copy_hash FROM chunks WHERE document_id = ? ORDER BY seq"
    return [Passage(*row) for row in all_rows(db, sql, (document_id,))]


def _reach(text: str | None, passages: Iterable[Passage]) -> int:
    return len(text) if text is not None else max((each.end for each in passages), default=0)


def _doubts(
    db: Connection, document_id: int, filled: Filled, told: Witnesses, unnamed: set[int], *, is_new: bool
) -> list[str]:
    """What is wrong beside the text."""
    wrong = ["its title, kind, dates and metadata are gone"] if is_new else []
    if document_id in filled.suspect.get("documents", ()):
        wrong.append("its title or metadata were damaged")
    sql = "SELECT collection_id, source FROM documents WHERE id = ?"
    key = one_row(db, sql, (document_id,))
    assert key is not None, "it was inserted where it was gone"
    if key[0] in unnamed:
        wrong.append("the name of its collection is gone")
    known = told.documents.get(document_id)
    if known is not None and known != key and not is_new:
        wrong.append(f"it may have been {known[1]}")
    return wrong


def _told(db: Connection, document_id: int, told: Witnesses, what: str) -> Told:
    sql = """
        SELECT source, name FROM documents JOIN collections ON collections.id = collection_id
        WHERE documents.id = ?
    """
    row = one_row(db, sql, (document_id,))
    if row is not None:
        return Told(row[0], row[1], what)
    collection_id, source = told.documents.get(document_id, (0, f"document {document_id}"))
    name = value(db, "SELECT name FROM collections WHERE id = ?", (collection_id,))
    return Told(source, name or "", what)


def _insert(db: Connection, document_id: int, told: Witnesses, now: float) -> bool:
    """A row for a document that has none, by what the index and the queue have said of it."""
    known = told.documents.get(document_id)
    source = f"recovered/document-{document_id}" if known is None else known[1]
    collection_id = known[0] if known else None
    taken = "SELECT 1 FROM documents WHERE collection_id = ? AND source = ?"
    if collection_id is None or value(db, taken, (collection_id, source)):
        source = f"recovered/document-{document_id}"
        db.execute("INSERT OR IGNORE INTO collections (name) VALUES ('default')")
        collection_id = value(db, "SELECT id FROM collections WHERE name = 'default'")
    given = one_row(db, "SELECT title, metadata FROM document_items WHERE document_id = ?", (document_id,))
    title, metadata = given or ("", "{}")
    sql = """
        INSERT INTO documents (id, collection_id, source, title, kind, content_hash, metadata, char_count,
                               chunk_count, created_at, updated_at)
        VALUES (?, ?, ?, ?, 'text', ?, ?, 0, 0, ?, ?)
    """
    db.execute(sql, (document_id, collection_id, source, title, CHANGED, metadata, now, now))
    return True


def _write(db: Connection, document_id: int, judged: Judged) -> None:
    """The text, the passages that fit it, and the counts of both."""
    sql = "INSERT OR REPLACE INTO document_texts (document_id, text) VALUES (?, ?)"
    db.execute(sql, (document_id, judged.text))
    kept = {each.id for each in judged.passages}
    ids = [row[0] for row in all_rows(db, "SELECT id FROM chunks WHERE document_id = ?", (document_id,))]
    db.executemany("DELETE FROM chunks WHERE id = ?", [(each,) for each in ids if each not in kept])
    sql = "UPDATE chunks SET text = ?, copy_hash = ? WHERE id = ? AND text <> ?1"
    db.executemany(sql, [(each.text, each.copy_hash, each.id) for each in judged.passages])
    sql = "UPDATE documents SET char_count = ?, chunk_count = ? WHERE id = ?"
    db.execute(sql, (len(judged.text), len(judged.passages), document_id))


def _read_again(db: Connection, document_id: int, told: Told) -> None:
    """Its source, where that is still there, counts as changed: by hash, in a watched folder by its stamp."""
    db.execute("UPDATE documents SET content_hash = ? WHERE id = ?", (CHANGED, document_id))
    _see_anew(db, told.source)


def _see_anew(db: Connection, source: str) -> None:
    sql = """
        DELETE FROM watch_files WHERE (watch_id, path) IN (
            SELECT id, substr(?1, length(root) + 2) FROM watches
            WHERE substr(?1, 1, length(root) + 1) = root || '/'
        )
    """
    db.execute(sql, (source,))


def _remove(db: Connection, document_id: int, told: Told) -> None:
    """Of one that is gone nothing stays, so that a watched folder brings it again."""
    db.execute("DELETE FROM chunks WHERE document_id = ?", (document_id,))
    db.execute("DELETE FROM documents WHERE id = ?", (document_id,))
    _see_anew(db, told.source)


def _lacks_vectors(db: Connection, document_id: int) -> bool:
    sql = """
        SELECT 1 FROM chunks LEFT JOIN vectors ON chunk_id = chunks.id
        WHERE document_id = ? AND chunk_id IS NULL LIMIT 1
    """
    return bool(value(db, sql, (document_id,)))


def _queue(db: Connection, to_cut: list[tuple[int, bool]], to_queue: ToQueue, now: float) -> int:
    """Send these documents to themselves. What has a vector keeps it meanwhile."""
    by_collection: dict[str, list[NewItem]] = {}
    for document_id, is_changed in to_cut:
        row, pages = reindex.to_read_again(db, document_id)
        by_collection.setdefault(row.collection, []).append(to_queue(Stored(_line(row, is_changed), pages)))
        # What is there must differ from what is sent: else it would be taken for stored already.
        db.execute("UPDATE documents SET content_hash = ? WHERE id = ?", (SENT, document_id))
        _keep_those_with_vectors(db, document_id)
    for collection, items in by_collection.items():
        for at in range(0, len(items), LINES_AT_ONCE):
            some = items[at : at + LINES_AT_ONCE]
            jobs.enqueue(db, collection, some, queue_items_max=2**31, now=now)
    return len(to_cut)


def _line(row: DocumentRow, is_changed: bool) -> DocumentRow:
    return replace(row, content_hash=CHANGED) if is_changed else row


def _keep_those_with_vectors(db: Connection, document_id: int) -> None:
    """A passage without a vector would be one that the checkup calls damage."""
    sql = "DELETE FROM chunks WHERE document_id = ? AND id NOT IN (SELECT chunk_id FROM vectors)"
    db.execute(sql, (document_id,))
    left = "SELECT count(*) FROM chunks WHERE document_id = ?1"
    sql = f"UPDATE documents SET chunk_count = ({left}) WHERE id = ?1"
    db.execute(sql, (document_id,))
