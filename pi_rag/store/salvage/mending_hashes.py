"""What vectors were made of (`chunks.text_hash`): left out where it cannot be of the words of the passage.

Nothing is lost by that but a vector that could have been used again. It knows not how these hashes are made.
"""

from __future__ import annotations

from collections.abc import Callable

from pi_rag.store import Connection

MadeOf = Callable[[bytes, str, str, str], bool]
"""Whether a hash can be that of a passage with this title, these headings and this text."""


def mend(db: Connection, made_of: MadeOf) -> set[int]:
    """Leave out those that are damaged, and give the documents that they belong to."""
    sql = """
        SELECT chunks.id, document_id, text_hash, title, heading, chunks.text FROM chunks
        JOIN documents ON documents.id = document_id WHERE text_hash IS NOT NULL
    """
    wrong = [row[:2] for row in db.execute(sql) if not made_of(*row[2:])]
    db.executemany("UPDATE chunks SET text_hash = NULL WHERE id = ?", ((chunk_id,) for chunk_id, _ in wrong))
    return {document_id for _, document_id in wrong}
