"""What came out of archives: each file in one is a document of its own, with the source `archive!/path`.

What is no more in its archive goes when that is read again. It knows no format.
"""

from __future__ import annotations

from collections.abc import Sequence

from pi_rag.store import Connection, documents, jobs, sources
from pi_rag.store.rows import all_rows
from pi_rag.types import Item, NewItem, Refusal


def digests(db: Connection, collection: str, named: Sequence[str]) -> dict[str, str | None]:
    """What is stored under these sources was made from, by its hash; None where nothing is stored."""
    return {source: documents.content_hash(db, collection, source) for source in named}


def expand(
    db: Connection,
    archive: Item,
    found: Sequence[NewItem],
    refusals: Sequence[Refusal],
    unchanged: Sequence[str],
    now: float,
) -> None:
    """An archive becomes the files in it: `found` are queued, `unchanged` stay, and all others go."""
    if not jobs.is_held(db, archive):
        return
    kept = {*(each.source for each in found), *(each.source for each in refusals), *unchanged}
    for source in _stored(db, archive):
        if source not in kept:
            documents.remove_source(db, source, archive.collection)
    sources.taken(db, archive.collection, archive.source)
    sources.taken_below(db, archive.collection, f"{archive.source}!")
    jobs.expand(db, archive, found, refusals, now, unchanged)


def _stored(db: Connection, archive: Item) -> list[str]:
    sql = """
        SELECT source FROM documents JOIN collections ON collections.id = collection_id
        WHERE collections.name = ? AND source > ? AND source < ?
    """
    within = documents.members_of(archive.source)
    return [source for (source,) in all_rows(db, sql, (archive.collection, *within))]
