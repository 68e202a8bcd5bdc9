"""What came out of archives: each file in one is a document of its own, with the source `archive!/path`.

What is no more in its archive goes when that is read again, and all of it when that has gone: what is stored,
what waits in the queue, and what is in hand. It knows no format.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from pi_rag.errors import (
    DocumentBinary,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentNeedsOcr,
    DocumentTooLarge,
)
from pi_rag.store import Connection, documents, jobs, sources
from pi_rag.store.documents import MadeFrom
from pi_rag.store.rows import all_rows
from pi_rag.types import Item, NewItem, Refusal

OF_ITS_CONTENT = (
    DocumentEmpty.code,
    DocumentBinary.code,
    DocumentTooLarge.code,
    DocumentEncrypted.code,
    DocumentNeedsOcr.code,
)
"""Refusals that say what is in a file now, so that what was in it before is not in it any more.

One that is damaged is not among them: a drive that fails, or a reader that does, says so of good files too.
"""


def is_one(item: Item) -> bool:
    """Whether an item came out of an archive, which was read just before."""
    return item.kind == "bytes" and "!/" in item.source


def made_from(db: Connection, archive: Item) -> dict[str, MadeFrom]:
    """What the documents of an archive were made from, by their sources.

    Of what the queue is about to store, the content is as good as unknown.
    """
    made = documents.made_from(db, archive.collection, _stored(db, archive))
    for _, source, metadata in _items(db, archive.collection, archive.source):
        made[source] = MadeFrom("", "", json.loads(metadata))
    return made


def expand(
    db: Connection,
    archive: Item,
    found: Sequence[NewItem],
    refusals: Sequence[Refusal],
    unchanged: Sequence[str],
    now: float,
    queue_bytes_max: int | None = None,
) -> None:
    """An archive becomes the files in it: `found` are queued, `unchanged` stay, and all others go.

    Raises Busy when the queue has no room for so many bytes (None: any number).
    """
    if not jobs.is_held(db, archive):
        return
    jobs.expect_bytes(db, sum(len(each.payload) for each in found), queue_bytes_max)
    kept = {*(each.source for each in found), *(each.source for each in refusals), *unchanged}
    emptied = {each.source for each in refusals if each.code in OF_ITS_CONTENT}
    for source in _stored(db, archive):
        if source not in kept or source in emptied:
            documents.remove_source(db, source, archive.collection)
    withdraw(db, archive.collection, archive.source, now, kept)
    sources.taken(db, archive.collection, archive.source)
    sources.taken_below(db, archive.collection, f"{archive.source}!")
    jobs.expand(db, archive, found, refusals, now, unchanged)


def withdraw(
    db: Connection, collection: str, archive: str, now: float, kept: Collection[str] = frozenset()
) -> None:
    """Take what came out of an archive out of the queue, what is in hand too: it has changed, or gone.

    Those `kept` are in it still, as they are now.
    """
    for item_id, source, _ in _items(db, collection, archive):
        if source in kept:
            jobs.overtake(db, item_id, now)
        else:
            jobs.withdraw(db, item_id, jobs.vanished(source), now)


def _items(db: Connection, collection: str, archive: str) -> list[tuple[int, str, str]]:
    sql = """
        SELECT job_items.id, source, metadata FROM job_items INDEXED BY job_items_by_source
        CROSS JOIN jobs ON jobs.id = job_id AND collection = ?
        WHERE source > ? AND source < ?
    """
    rows = all_rows(db, sql, (collection, *documents.members_of(archive)))
    return [(item_id, source, metadata) for item_id, source, metadata in rows]


def _stored(db: Connection, archive: Item) -> list[str]:
    sql = """
        SELECT source FROM documents JOIN collections ON collections.id = collection_id
        WHERE collections.name = ? AND source > ? AND source < ?
    """
    within = documents.members_of(archive.source)
    return [source for (source,) in all_rows(db, sql, (archive.collection, *within))]
