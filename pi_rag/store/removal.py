"""What a person removes is gone: the documents, and what waits to be stored from where they came.

An add that was asked for before and has not had its turn would bring them back. It is withdrawn, in hand or
not, and its job says why. What is added afterwards is stored as ever. Why something was not taken is
forgotten with it, but of a file in a watched folder: it is there, and still not taken.
"""

from __future__ import annotations

from typing import NamedTuple

from pi_rag.errors import DocumentNotFound
from pi_rag.store import Connection, documents, jobs, sources, watches
from pi_rag.store.rows import all_rows, one_row

AT_ONCE = 1000
"""Items of the queue in one transaction, while which nobody else writes."""


class Gone(NamedTuple):
    """How much it was."""

    removed: int
    """Documents."""
    withdrawn: frozenset[int]
    """Items of the queue, by number."""
    reasons: int = 0
    """Why something was not taken."""


def document(db: Connection, document_id: int, now: float) -> Gone:
    """Remove one document. `now` is wall time. Raises DocumentNotFound."""
    sql = """
        SELECT source, name FROM documents JOIN collections ON collections.id = collection_id
        WHERE documents.id = ?
    """
    found = one_row(db, sql, (document_id,))
    if found is None:
        raise DocumentNotFound(f"There is no document {document_id}.")
    name, collection = found
    documents.remove(db, document_id)
    withdrawn = _withdraw(db, "source = ?", (name,), collection, now)
    jobs.leave_out(db, name, collection)
    watches.removed(db, name, collection, now)
    return Gone(1, withdrawn, _forget_reasons(db, name, collection))


def source(db: Connection, name: str, collection: str | None, now: float) -> Gone:
    """Remove what came from a source, in one collection or in all; of an archive, what came out of it."""
    withdrawn = _withdraw(db, "source = ?", (name,), collection, now)
    withdrawn |= _withdraw(db, "source > ? AND source < ?", documents.members_of(name), collection, now)
    removed = documents.remove_source(db, name, collection)
    if removed or withdrawn:
        jobs.leave_out(db, name, collection)
        watches.removed(db, name, collection, now)
    return Gone(removed, withdrawn, _forget_reasons(db, name, collection))


def below(db: Connection, folder: str, collection: str | None, now: float) -> Gone:
    """Take out of the queue what waits to be stored from a folder and from below it, `AT_ONCE` of that, and
    forget why what lies there was not taken. What is stored stays.
    """
    withdrawn = _withdraw(db, "source = ?", (folder,), collection, now)
    withdrawn |= _withdraw(db, "source > ? AND source < ?", sources.below(folder), collection, now, AT_ONCE)
    jobs.leave_out(db, folder, collection)
    return Gone(0, withdrawn, sources.forget_below(db, folder, collection))


def _forget_reasons(db: Connection, name: str, collection: str | None) -> int:
    """Those of a source, and of an archive those of what is in it. Returns how many."""
    sql = """
        SELECT id, collection FROM skipped
        WHERE (source = ? OR (source > ? AND source < ?)) AND collection = coalesce(?, collection)
    """
    rows = all_rows(db, sql, (name, *documents.members_of(name), collection))
    gone = [row for row, its_collection in rows if not watches.is_watched(db, its_collection, name)]
    for row in gone:
        db.execute("DELETE FROM skipped WHERE id = ?", (row,))
    return len(gone)


def _withdraw(
    db: Connection, which: str, names: tuple[str, ...], collection: str | None, now: float, limit: int = -1
) -> frozenset[int]:
    sql = f"""
        SELECT job_items.id, source FROM job_items INDEXED BY job_items_by_source
        CROSS JOIN jobs ON jobs.id = job_id
        WHERE {which} AND collection = coalesce(?, collection) LIMIT ?
    """
    rows = all_rows(db, sql, (*names, collection, limit))
    for item_id, name in rows:
        jobs.withdraw(db, item_id, jobs.removed(name), now)
        watches.removed(db, name, collection, now)
    return frozenset(item_id for item_id, _ in rows)
