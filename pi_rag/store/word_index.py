"""Which word index is meant: that of the passages of documents, or that of what agents remember.

Both are FTS5 without a copy of the text, and their rows have the numbers of another table's.
"""

from __future__ import annotations

from dataclasses import dataclass

from pi_rag.store import Connection
from pi_rag.store.rows import value


@dataclass(frozen=True, slots=True)
class WordIndex:
    """The names of two tables."""

    words: str
    rows: str
    """What the index is of: it has the same numbers."""

    def reach(self, db: Connection) -> int:
        """The highest number there is: about how many rows, for a look at the end of the table."""
        return int(value(db, f"SELECT max(id) FROM {self.rows}") or 0)


PASSAGES = WordIndex("chunks_fts", "chunks")

MEMORIES = WordIndex("memory_fts", "memory_parts")
