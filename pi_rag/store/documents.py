"""Documents: put, replaced, listed, removed, each with its passages, words and vectors, or not at all.

These are plain functions for `Store.read` and `Store.write`; the caller's transaction makes them whole. They
know no model: vectors come in as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pi_rag.errors import DocumentNotFound, VectorInvalid
from pi_rag.store import Connection, by_hash, by_words, duplicates, identity, sources, vectors
from pi_rag.store.metadata import read_at, to_json
from pi_rag.store.rows import Row, all_rows, one_row, value
from pi_rag.types import Chunk, Counts, DocumentRow, Item, NewDocument


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """What a stored document was made from."""

    content_hash: str
    title: str
    """The one that was given with it; '' where none was."""
    metadata: Mapping[str, Any]
    """Those that were given with it."""


NEVER_GIVEN = MadeFrom("", "", {})
"""Of what is not stored."""


_COLUMNS = """
    documents.id, collections.name, source, title, kind, content_hash, metadata,
    char_count, chunk_count, created_at, updated_at
"""
_FROM = "documents JOIN collections ON collections.id = documents.collection_id"


def put(
    db: Connection,
    document: NewDocument,
    chunks: Sequence[Chunk],
    vectors_f32: bytes,
    now: float,
    text_hashes: Sequence[bytes] | None = None,
) -> tuple[int, bool]:
    """Store a document with its passages and their vectors (float32 little-endian rows, one a passage).

    `text_hashes` say what each vector was made of, so that `known_vectors` finds it again. One with the same
    collection and source is replaced and keeps its id. Returns (id, replaced). Raises VectorInvalid when the
    vectors do not fit the passages, RequestInvalid for metadata that is no JSON.
    """
    found = _id_of(db, document.collection, document.source)
    if found is not None:
        _forget_passages(db, found)
    document_id = _write_document(db, document, len(chunks), now)
    made_of = text_hashes if text_hashes is not None else [None] * len(chunks)
    chunk_ids = [
        _write_chunk(db, document_id, document.title, chunk, text_hash)
        for chunk, text_hash in zip(chunks, made_of, strict=True)
    ]
    _write_vectors(db, chunk_ids, vectors_f32)
    return document_id, found is not None


def came_with(db: Connection, item: Item, now: float) -> None:
    """Note the place in the queue that a stored document is as new as: they are numbered as they are sent.

    And what was given with it, and that it was seen.
    """
    sql = """
        INSERT OR REPLACE INTO document_items (document_id, item_id, seen_at, title, metadata)
        VALUES (?, ?, ?, ?, ?)
    """
    document_id = _id_of(db, item.collection, item.source)
    if document_id is not None:
        db.execute(sql, (document_id, item.id, now, item.title, to_json(item.metadata)))
    sources.taken(db, item.collection, item.source)


def is_newer(db: Connection, collection: str, source: str, item_id: int) -> bool:
    """Whether what is stored was sent later than this."""
    document_id = _id_of(db, collection, source)
    sql = "SELECT 1 FROM document_items WHERE document_id = ? AND item_id > ?"
    return bool(value(db, sql, (document_id, item_id)))


def known_vectors(db: Connection, text_hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """The vectors that are stored for these hashes, bit by bit. Those that are not known are left out."""
    return by_hash.vectors(db, "vectors", text_hashes)


def content_hash(db: Connection, collection: str, source: str) -> str | None:
    """Hash of the bytes a stored document came from; None when it is not stored."""
    sql = f"SELECT content_hash FROM {_FROM} WHERE collections.name = ? AND source = ?"
    found: str | None = value(db, sql, (collection, source))
    return found


def made_from(db: Connection, collection: str, sources: Iterable[str]) -> dict[str, MadeFrom]:
    """What documents were made from, by their sources; those that are not stored are left out."""
    sql = f"""
        SELECT content_hash, coalesce(document_items.title, ''), coalesce(document_items.metadata, '{{}}')
        FROM {_FROM} LEFT JOIN document_items ON document_id = documents.id
        WHERE collections.name = ? AND source = ?
    """
    found = {source: one_row(db, sql, (collection, source)) for source in sources}
    return {source: MadeFrom(*read_at(row, 2)) for source, row in found.items() if row is not None}


def get(db: Connection, document_id: int) -> DocumentRow:
    """One document with its text. Raises DocumentNotFound."""
    sql = f"SELECT {_COLUMNS}, text FROM {_FROM} JOIN document_texts ON document_id = documents.id"
    row = one_row(db, f"{sql} WHERE documents.id = ?", (document_id,))
    if row is None:
        raise DocumentNotFound(f"There is no document {document_id}.")
    return _row(row)


def excerpt(db: Connection, document_id: int, start: int, end: int) -> str:
    """The characters from `start` to `end` of a document's text; empty when there is no such document."""
    sql = "SELECT substr(text, ?, ?) FROM document_texts WHERE document_id = ?"
    return str(value(db, sql, (start + 1, end - start, document_id)) or "")


def listing(db: Connection, collection: str | None, limit: int, after_id: int | None) -> list[DocumentRow]:
    """Up to `limit` documents without their texts, by id, those after `after_id`."""
    within = "AND collections.name = ?" if collection is not None else ""
    names = [collection] if collection is not None else []
    sql = f"SELECT {_COLUMNS} FROM {_FROM} WHERE documents.id > ? {within} ORDER BY documents.id LIMIT ?"
    return [_row(row) for row in all_rows(db, sql, (after_id or 0, *names, limit))]


def collections(db: Connection, limit: int) -> list[str]:
    """The names of collections, the first of them."""
    return [row[0] for row in all_rows(db, "SELECT name FROM collections ORDER BY name LIMIT ?", (limit,))]


def remove(db: Connection, document_id: int) -> bool:
    """Remove a document and all that was made from it. False when there is none."""
    _forget_passages(db, document_id)
    was_in = value(db, "DELETE FROM documents WHERE id = ? RETURNING collection_id", (document_id,))
    in_use = "SELECT 1 FROM documents WHERE collection_id = collections.id"
    db.execute(f"DELETE FROM collections WHERE id = ? AND NOT EXISTS ({in_use})", (was_in,))
    return was_in is not None


def remove_source(db: Connection, source: str, collection: str | None) -> int:
    """Remove what came from `source`, in one collection or in all; of an archive, what came out of it.

    Returns how many documents.
    """
    within = "AND collections.name = ?" if collection is not None else ""
    names = [collection] if collection is not None else []
    sql = f"""
        SELECT documents.id FROM documents CROSS JOIN collections ON collections.id = collection_id
        WHERE (source = ? OR (source > ? AND source < ?)) {within}
    """
    rows = all_rows(db, sql, (source, *members_of(source), *names))
    return sum(remove(db, document_id) for (document_id,) in rows)


def members_of(archive: str) -> tuple[str, str]:
    """The sources of the files in an archive lie between these two."""
    return sources.below(f"{archive}!")


def within(db: Connection, collection: str, archive: str) -> tuple[int, float | None]:
    """How many documents are of files in an archive, and when the last of them was stored."""
    sql = """
        SELECT count(*), max(updated_at) FROM documents
        WHERE source > ? AND source < ? AND collection_id = (SELECT id FROM collections WHERE name = ?)
    """
    ((count, stored_at),) = all_rows(db, sql, (*members_of(archive), collection))
    return count, stored_at


def rename(
    db: Connection,
    collection: str,
    source: str,
    to: str,
    titles: Mapping[str, str],
    *,
    read_again: bool = False,
) -> bool:
    """Give a document another source; its passages, vectors and dates stay. False when there is none.

    A title that `titles` has becomes what stands there. Its vectors were made with the old one, and stay as
    true as they were. With `read_again` it counts as changed when its source is read the next time.
    """
    document_id = _id_of(db, collection, source)
    if document_id is None:
        return False
    sql = """
        UPDATE documents SET source = ?, content_hash = iif(?, '', content_hash) WHERE id = ?
        RETURNING title
    """
    title = value(db, sql, (to, read_again, document_id))
    if titles.get(title, title) != title:
        _retitle(db, document_id, titles[title])
    return True


def counts(db: Connection) -> Counts:
    """How much there is."""
    sql = """
        SELECT (SELECT count(*) FROM documents),
               (SELECT coalesce(sum(chunk_count), 0) FROM documents),
               (SELECT count(*) FROM collections),
               (SELECT count(DISTINCT job_id) FROM job_items),
               (SELECT count(*) FROM job_items)
    """
    return Counts(*all_rows(db, sql)[0])


def _id_of(db: Connection, collection: str, source: str) -> int | None:
    sql = f"SELECT documents.id FROM {_FROM} WHERE collections.name = ? AND source = ?"
    found: int | None = value(db, sql, (collection, source))
    return found


def _retitle(db: Connection, document_id: int, title: str) -> None:
    """Another title, for its passages in the word index too. What their vectors were made of has the old one,
    and a passage that is not made of its words any more says so.
    """
    db.execute("UPDATE documents SET title = ? WHERE id = ?", (title, document_id))
    db.execute("UPDATE chunks SET text_hash = NULL WHERE document_id = ?", (document_id,))
    sql = "SELECT id, heading, text FROM chunks WHERE document_id = ?"
    passages = all_rows(db, sql, (document_id,))
    by_words.remove(db, (chunk_id for chunk_id, _, _ in passages))
    for chunk_id, heading, text in passages:
        by_words.add(db, chunk_id, title, heading, text)


def _forget_passages(db: Connection, document_id: int) -> None:
    """Remove a document's passages from the places that hold them."""
    duplicates.release(db, document_id)
    found = all_rows(db, "SELECT id FROM chunks WHERE document_id = ?", (document_id,))
    by_words.remove(db, (chunk_id for (chunk_id,) in found))
    by_hash.remove(db, (chunk_id for (chunk_id,) in found))
    db.execute("DELETE FROM chunks WHERE document_id = ?", (document_id,))


def _write_document(db: Connection, document: NewDocument, chunk_count: int, now: float) -> int:
    """Insert the row, or update it under its old id and date of birth."""
    sql = """
        INSERT INTO documents (collection_id, source, title, kind, content_hash, metadata, char_count,
                               chunk_count, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (collection_id, source) DO UPDATE SET
            title = excluded.title, kind = excluded.kind, content_hash = excluded.content_hash,
            metadata = excluded.metadata, char_count = excluded.char_count,
            chunk_count = excluded.chunk_count, updated_at = excluded.updated_at
        RETURNING id
    """
    collection_id = _collection(db, document.collection)
    named = (collection_id, document.source, document.title, document.kind, document.content_hash)
    measured = (to_json(document.metadata), len(document.text), chunk_count, now, now)
    document_id: int = value(db, sql, named + measured)
    db.execute("INSERT OR REPLACE INTO document_texts VALUES (?, ?)", (document_id, document.text))
    return document_id


def _collection(db: Connection, name: str) -> int:
    """The number of a collection, which is made by its first document."""
    db.execute("INSERT OR IGNORE INTO collections (name) VALUES (?)", (name,))
    return int(value(db, "SELECT id FROM collections WHERE name = ?", (name,)))


def _write_chunk(db: Connection, document_id: int, title: str, chunk: Chunk, text_hash: bytes | None) -> int:
    sql = """
        INSERT INTO chunks (document_id, seq, start, end, page, heading, text, token_count,
                            text_hash, copy_hash)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    """
    place = (document_id, chunk.seq, chunk.start, chunk.end, chunk.page)
    copy_hash = duplicates.copy_hash(chunk.text)
    db.execute(sql, (*place, chunk.heading, chunk.text, chunk.token_count, text_hash, copy_hash))
    chunk_id = db.last_insert_rowid()
    by_hash.add(db, chunk_id, text_hash, copy_hash)
    by_words.add(db, chunk_id, title, chunk.heading, chunk.text)
    return chunk_id


def _write_vectors(db: Connection, chunk_ids: Sequence[int], vectors_f32: bytes) -> None:
    model = identity.fingerprint(db)
    if model is None:
        if chunk_ids or vectors_f32:
            raise VectorInvalid("No model has been claimed for this index, so no vector can be stored.")
        return
    vectors.add(db, chunk_ids, vectors_f32, model.dimensions)


def _row(row: Row) -> DocumentRow:
    """A row of _COLUMNS, with or without the text behind them."""
    return DocumentRow(*read_at(row, 6))
