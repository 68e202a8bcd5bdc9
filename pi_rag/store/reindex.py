"""The second index: vectors of another model, made beside the first ones, then put in their place.

    vectors            what queries are answered from, all along
    vectors_next       the second index, while it is being made
    vectors_before     the first one, from the swap until it is cleared away
    documents_to_cut   documents with a passage that is too long for the new model, until they are cut anew

None of them is in the schema's steps: they come and go with a reindex. A step that changes `vectors` must
look whether there is a `vectors_next`.

Passages are taken in the order of their numbers, which only grow. So whatever is not above the highest number
in `vectors_next` is done, however the service died, and what is added meanwhile comes last.

It knows no model: vectors come in as bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from pi_rag.errors import RequestInvalid
from pi_rag.store import Connection, by_hash, documents, identity, vectors
from pi_rag.store.connection import left_in_the_file
from pi_rag.store.rows import all_rows, one_row, value
from pi_rag.types import Chunk, DocumentRow, Fingerprint

State = Literal["running", "failed", "done"]

OVERHEAD = 1.12
"""A table of vectors is so much larger than its numbers: heads of rows, and ends of pages."""

ROWS_A_LOOK = 20_000
"""Rows of the old table that are read at a time, so that no reader is held long."""

_KEY = "reindex"

_CREATE = """
    CREATE TABLE vectors_next (
        chunk_id INTEGER PRIMARY KEY REFERENCES chunks (id) ON DELETE CASCADE,
        vector BLOB NOT NULL
    ) STRICT;
    CREATE TABLE documents_to_cut (
        document_id INTEGER PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE
    ) STRICT;
"""

_DONE_TO = "(SELECT coalesce(max(chunk_id), 0) FROM vectors_next)"


@dataclass(frozen=True, slots=True)
class Reindex:
    """The one that is under way, or was the last. Times are wall time."""

    wanted: Fingerprint
    before: Fingerprint | None
    """What made the vectors until then."""
    state: State
    begun_at: float
    ended_at: float | None = None
    failure: Mapping[str, Any] | None = None
    """Why it failed, as an error travels: {code, message, hint, retry_after_ms}."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A passage that has no vector in the second index yet."""

    chunk_id: int
    document_id: int
    title: str
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Made:
    """Vectors for the second index: one float32 row for each passage, and the hash of what it was made of."""

    chunk_ids: Sequence[int]
    vectors: bytes
    text_hashes: Sequence[bytes]
    too_long: Sequence[int] = ()
    """Documents that must be cut anew."""


def current(db: Connection) -> Reindex | None:
    """The reindex that is under way, or was the last; None when there was none, or it was cancelled."""
    text = value(db, "SELECT value FROM meta WHERE key = ?", (_KEY,))
    if text is None:
        return None
    tree = json.loads(text)
    before = Fingerprint(**tree.pop("before")) if tree["before"] else tree.pop("before")
    return Reindex(wanted=Fingerprint(**tree.pop("wanted")), before=before, **tree)


def begin(db: Connection, wanted: Fingerprint, now: float) -> Reindex:
    """Begin a second index for `wanted`, or go on with the one that was begun for it.

    What there is of one for another model is dropped. Raises RequestInvalid when the index is of this model.
    """
    before = identity.fingerprint(db)
    if before is not None and not identity.differences(before, wanted):
        raise RequestInvalid(f"The index is one of {wanted.model_name} already.")
    last = current(db)
    goes_on = last is not None and last.wanted == wanted and _under_way(db)
    if not goes_on:
        _drop(db)
        db.execute(_CREATE)
    begun = replace(last, state="running", failure=None) if goes_on and last else None
    return _note(db, begun or Reindex(wanted, before, "running", now))


def cancel(db: Connection) -> bool:
    """Drop the second index. False when there is none."""
    if not _under_way(db):
        return False
    _drop(db)
    db.execute("DELETE FROM meta WHERE key = ?", (_KEY,))
    return True


def fail(db: Connection, failure: Mapping[str, Any], now: float) -> None:
    """Note why it cannot go on. What there is of it stays, in case the same model is tried again."""
    found = current(db)
    if found is not None and found.state == "running":
        _note(db, replace(found, state="failed", failure=dict(failure), ended_at=now))


def waiting(db: Connection, count: int) -> list[Waiting]:
    """The next `count` passages to be embedded, by their numbers."""
    sql = f"""
        SELECT chunks.id, document_id, title, seq, start, end, text, heading, page, token_count
        FROM chunks CROSS JOIN documents ON documents.id = document_id
        WHERE chunks.id > {_DONE_TO} ORDER BY chunks.id LIMIT ?
    """
    rows = all_rows(db, sql, (count,))
    return [Waiting(row[0], row[1], row[2], Chunk(*row[3:])) for row in rows]


def done(db: Connection) -> int:
    """How many passages have a vector in the second index."""
    if not _under_way(db):
        return 0
    # The plus has an index of the passages read, which is small, instead of their texts.
    return int(value(db, f"SELECT count(*) FROM chunks WHERE +id <= {_DONE_TO}"))


def put(db: Connection, made: Made, dimensions: int) -> None:
    """Store vectors, of passages that follow those stored before. What has been removed is passed over.

    Raises VectorInvalid.
    """
    vectors.check_size(made.vectors, len(made.chunk_ids), dimensions)
    width = dimensions * vectors.FLOAT_BYTES
    rows = ((key, made.vectors[at * width : (at + 1) * width]) for at, key in enumerate(made.chunk_ids))
    db.executemany("INSERT INTO vectors_next SELECT id, ?2 FROM chunks WHERE id = ?1", rows)
    # A title may fit otherwise before a passage of the new model; its hash then stands for no vector at all.
    hashes = zip(made.text_hashes, made.chunk_ids, strict=True)
    db.executemany("UPDATE chunks SET text_hash = NULL WHERE text_hash <> ?1 AND id = ?2", hashes)
    listed = ((key,) for key in made.too_long)
    db.executemany("INSERT OR IGNORE INTO documents_to_cut SELECT id FROM documents WHERE id = ?", listed)


def known_vectors(db: Connection, text_hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """The vectors in the second index for these hashes, bit by bit. Those that are not known are left out."""
    return by_hash.vectors(db, "vectors_next", text_hashes)


def swap(db: Connection, now: float) -> bool:
    """The second index becomes the first, in this transaction; False when a passage has no vector in it yet.

    The snapshot of the RAM index is of the old model, and is forgotten with it.
    """
    found = current(db)
    assert found is not None and found.state == "running", "only what was begun can be ended"
    if value(db, f"SELECT EXISTS (SELECT 1 FROM chunks WHERE id > {_DONE_TO})"):
        return False
    drop_old(db)
    db.execute("ALTER TABLE vectors RENAME TO vectors_before; ALTER TABLE vectors_next RENAME TO vectors")
    db.execute("DELETE FROM meta WHERE key = 'index_snapshot'; DELETE FROM removed_chunks")
    identity.write(db, found.wanted)
    _note(db, replace(found, state="done", ended_at=now))
    return True


def look_at_old(db: Connection, after_id: int) -> int | None:
    """Read some of the old table, so that dropping it need not wait for the disk: the last number read.

    None when there is no more of it.
    """
    if not db.table_exists("main", "vectors_before"):
        return None
    some = "SELECT chunk_id FROM vectors_before WHERE chunk_id > ? ORDER BY chunk_id LIMIT ?"
    last: int | None = value(db, f"SELECT max(chunk_id) FROM ({some})", (after_id, ROWS_A_LOOK))
    return last


def drop_old(db: Connection) -> None:
    """Give the room of the old vectors back to the database. A table is dropped a page at a time."""
    with left_in_the_file(db):
        db.execute("DROP TABLE IF EXISTS vectors_before")


def next_to_cut(db: Connection) -> int | None:
    """A document that must be cut anew; None when there is none (left)."""
    if not db.table_exists("main", "documents_to_cut"):
        return None
    document_id: int | None = value(db, "SELECT min(document_id) FROM documents_to_cut")
    return document_id


def to_read_again(db: Connection, document_id: int) -> tuple[DocumentRow, tuple[tuple[int, int], ...]]:
    """A stored document with its text, and (offset in characters, page number), ascending.

    Where a page begins is kept nowhere; it is taken to begin with the first passage that was on it. Raises
    DocumentNotFound.
    """
    sql = """
        SELECT min(start), page FROM chunks WHERE document_id = ? AND page IS NOT NULL
        GROUP BY page ORDER BY 1
    """
    pages = tuple((row[0], row[1]) for row in all_rows(db, sql, (document_id,)))
    return documents.get(db, document_id), pages


def is_still(db: Connection, stored: DocumentRow) -> bool:
    """Whether a document is the very one that was read: neither replaced nor removed since."""
    sql = "SELECT content_hash, updated_at FROM documents WHERE id = ?"
    return one_row(db, sql, (stored.id,)) == (stored.content_hash, stored.updated_at)


def to_cut(db: Connection) -> int:
    """How many documents must still be cut anew."""
    exists = db.table_exists("main", "documents_to_cut")
    return int(value(db, "SELECT count(*) FROM documents_to_cut")) if exists else 0


def was_cut(db: Connection, document_id: int) -> None:
    """A document needs no cutting any more."""
    db.execute("DELETE FROM documents_to_cut WHERE document_id = ?", (document_id,))


def bytes_needed(db: Connection, dimensions: int) -> tuple[int, int]:
    """(bytes that the vectors still to be made will take, bytes that are free within the database's file)."""
    total = int(value(db, "SELECT coalesce(sum(chunk_count), 0) FROM documents"))
    rows = max(0, total - done(db))
    free = int(value(db, "PRAGMA freelist_count")) * int(value(db, "PRAGMA page_size"))
    return int(rows * dimensions * vectors.FLOAT_BYTES * OVERHEAD), free


def _under_way(db: Connection) -> bool:
    return db.table_exists("main", "vectors_next")


def _drop(db: Connection) -> None:
    with left_in_the_file(db):
        db.execute("DROP TABLE IF EXISTS vectors_next; DROP TABLE IF EXISTS documents_to_cut")


def _note(db: Connection, state: Reindex) -> Reindex:
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_KEY, json.dumps(asdict(state))))
    return state
