"""Vectors of queries asked before, kept over a restart: a hash, a vector, and how often it was used.

They are worth nothing beside the documents: what is lost of them is embedded again. No text of a query is
here. All of them are of one maker, a model with what else decides its vectors; another maker's are deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, value

_KEY = "query_vectors_of"


@dataclass(frozen=True, slots=True)
class KeptQuery:
    """One query's vector (float32 little-endian). `used_at` is wall time, and only tells who was last."""

    hash: bytes
    vector: bytes
    uses: int
    used_at: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from the last time: whole entries, new numbers of old ones, and who is gone."""

    new: Sequence[KeptQuery]
    used: Sequence[KeptQuery]
    gone: Sequence[bytes]

    def __bool__(self) -> bool:
        return bool(self.new or self.used or self.gone)


def take_over(db: Connection, maker: bytes, count: int) -> list[KeptQuery]:
    """The `count` most used ones of this maker, those used last of equals; all others are deleted."""
    if value(db, "SELECT value FROM meta WHERE key = ?", (_KEY,)) != maker.hex():
        db.execute("DELETE FROM query_uses")
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_KEY, maker.hex()))
    order = "ORDER BY uses DESC, used_at DESC, hash LIMIT"
    beyond = f"SELECT hash FROM query_uses {order} -1 OFFSET ?"
    db.execute(f"DELETE FROM query_uses WHERE hash IN ({beyond})", (count,))
    sql = f"SELECT hash, vector, uses, used_at FROM query_uses JOIN query_vectors USING (hash) {order} ?"
    return [KeptQuery(*row) for row in all_rows(db, sql, (count,))]


def save(db: Connection, changes: Changes) -> None:
    """Write what has changed. A vector is written once in its life."""
    db.executemany("DELETE FROM query_uses WHERE hash = ?", ((key,) for key in changes.gone))
    db.executemany(
        "INSERT INTO query_uses (hash, uses, used_at) VALUES (?, ?, ?)"
        " ON CONFLICT (hash) DO UPDATE SET uses = excluded.uses, used_at = excluded.used_at",
        ((each.hash, each.uses, each.used_at) for each in (*changes.new, *changes.used)),
    )
    db.executemany(
        "INSERT OR REPLACE INTO query_vectors (hash, vector) VALUES (?, ?)",
        ((each.hash, each.vector) for each in changes.new),
    )
