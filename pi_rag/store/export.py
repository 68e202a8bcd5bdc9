"""Documents as they leave the store: one at a time, each as it stands in one moment, in the order of numbers.

Every step out is a read of its own, so that no reader is held long and the log does not grow while a large
memory is copied out. It knows no format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pi_rag.store import Connection, documents, identity, reindex
from pi_rag.store.rows import all_rows, value
from pi_rag.types import Chunk, DocumentRow, Fingerprint


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with its vector: one float32 row, little-endian."""

    chunk: Chunk
    text_hash: bytes | None
    """What the vector was made of; None for passages from before that was noted."""
    vector: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A document with all that belongs to it."""

    document: DocumentRow
    pages: tuple[tuple[int, int], ...]
    """(offset in characters, page number), ascending."""
    passages: Sequence[StoredPassage] = ()
    """Empty where they were not asked for."""
    given_title: str = ""
    given_metadata: Mapping[str, Any] = field(default_factory=dict)
    """What was given with it, and stays when its file is added again; empty where nothing was."""


def following(
    db: Connection, collection: str | None, after_id: int, *, made_by: Fingerprint | None = None
) -> Stored | None:
    """The document with the next number above `after_id`; None when there is none.

    With `made_by` its passages come along. Raises ModelMismatch when their vectors are of another model.
    """
    identity.expect(db, made_by)
    found = documents.listing(db, collection, 1, after_id)
    if not found:
        return None
    document, pages = reindex.to_read_again(db, found[0].id)
    made = documents.made_from(db, document.collection, [document.source])[document.source]
    passages = _passages(db, document.id) if made_by is not None else ()
    return Stored(document, pages, passages, made.title, made.metadata)


def stored(db: Connection, collection: str, source: str) -> DocumentRow | None:
    """The document of this key, with its text; None when there is none."""
    sql = """
        SELECT documents.id FROM documents JOIN collections ON collections.id = collection_id
        WHERE collections.name = ? AND source = ?
    """
    document_id = value(db, sql, (collection, source))
    return documents.get(db, document_id) if document_id is not None else None


def set_dates(db: Connection, collection: str, source: str, dates: tuple[float, float]) -> None:
    """Say of a document when it was stored first, and last, elsewhere."""
    sql = """
        UPDATE documents SET created_at = ?, updated_at = ?
        WHERE source = ? AND collection_id = (SELECT id FROM collections WHERE name = ?)
    """
    db.execute(sql, (*dates, source, collection))


def _passages(db: Connection, document_id: int) -> list[StoredPassage]:
    sql = """
        SELECT text_hash, vector, seq, start, end, text, heading, page, token_count
        FROM chunks CROSS JOIN vectors ON chunk_id = chunks.id
        WHERE document_id = ? ORDER BY seq
    """
    rows = all_rows(db, sql, (document_id,))
    return [StoredPassage(Chunk(*row[2:]), row[0], row[1]) for row in rows]
