"""What vectors were made of (`chunks.text_hash`): put right where a row and the index of these hashes differ.

A row and its entry in the index were written together, so one of them is damaged then. The one that can be of
the words of the passage is right. Where neither can be, the hash is left out, which stands for "not known":
nothing is lost by that but a vector that could have been used again. It knows not how these hashes are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pi_rag.store import Connection
from pi_rag.store.rows import one_row

MadeOf = Callable[[bytes, str, str, str], bool]
"""Whether a hash can be that of a passage with this title, these headings and this text."""


def mend(db: Connection, indexed: Iterable[tuple[int, bytes]], made_of: MadeOf) -> set[int]:
    """Mend those that the index has otherwise, and give the documents that they belong to."""
    found = set()
    sql = """
        SELECT text_hash, title, heading, chunks.text, document_id FROM chunks
        JOIN documents ON documents.id = document_id WHERE chunks.id = ? AND text_hash IS NOT ?
    """
    for chunk_id, entry in indexed:
        row = one_row(db, sql, (chunk_id, entry))
        if row is None or (row[0] is not None and made_of(*row[:4])):
            continue
        right = entry if made_of(entry, *row[1:4]) else None
        db.execute("UPDATE chunks SET text_hash = ? WHERE id = ?", (right, chunk_id))
        found.add(row[4])
    return found
