"""The passages by two hashes: of their words, and of what their vector was made of.

Hashes come in no order, so a B-tree of a million would have each new one on a page of its own, to be written
whole. FTS5 writes what came together in one piece and merges pieces later, so here it is given hashes for
words. It only proposes: whoever asks compares with the passage's own row, in which a hash may since have been
taken away. Why: docs/decisions/hashes.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from pi_rag.store import Connection
from pi_rag.store.rows import value

TABLE = "hashes_fts"


def create(db: Connection) -> None:
    """Make the index anew and put every stored passage in, one by one, so that memory is bounded."""
    db.execute(f"""
        DROP TABLE IF EXISTS {TABLE};
        CREATE VIRTUAL TABLE {TABLE} USING fts5 (
            hashes, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
        );
    """)
    stored = db.execute("SELECT id, text_hash, copy_hash FROM chunks")
    db.executemany(_INSERT, (_row(*passage) for passage in stored))


def add(db: Connection, chunk_id: int, text_hash: bytes | None, copy_hash: int) -> None:
    """Put one passage in."""
    db.execute(_INSERT, _row(chunk_id, text_hash, copy_hash))


def remove(db: Connection, chunk_ids: Iterable[int]) -> None:
    """Take passages out."""
    db.executemany(f"DELETE FROM {TABLE} WHERE rowid = ?", ((chunk_id,) for chunk_id in chunk_ids))


def vectors(db: Connection, table: str, text_hashes: Iterable[bytes]) -> dict[bytes, bytes]:
    """The vectors in `table` that are made of this, by its hash. Those that are not known are left out."""
    sql = f"""
        SELECT vector FROM {TABLE} CROSS JOIN chunks ON chunks.id = {TABLE}.rowid
        CROSS JOIN {table} ON {table}.chunk_id = chunks.id
        WHERE {TABLE} MATCH ? AND text_hash = ? LIMIT 1
    """
    found = {each: value(db, sql, (made_of(each), each)) for each in text_hashes}
    return {text_hash: vector for text_hash, vector in found.items() if vector is not None}


def made_of(text_hash: bytes) -> str:
    """The MATCH argument for passages whose vector may be made of this."""
    return f"v{text_hash.hex()}"


def same_words(copy_hash: int) -> str:
    """The MATCH argument for passages that have these words."""
    return f"w{copy_hash % 2**64:016x}"


_INSERT = f"INSERT INTO {TABLE} (rowid, hashes) VALUES (?, ?)"


def _row(chunk_id: int, text_hash: bytes | None, copy_hash: int | None) -> tuple[int, str]:
    ours = "" if text_hash is None else made_of(text_hash)
    return chunk_id, ours if copy_hash is None else f"{ours} {same_words(copy_hash)}"
