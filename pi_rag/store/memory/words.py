"""The words of what agents remember: cut into parts, put into the word index, asked, taken out.

A part is as long as a passage of a document, so that words tell as much in both. It is FTS5 without a copy of
the text; what is out of force stays in it, for questions about the past, until it is erased.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pi_rag.store import Connection
from pi_rag.store.common import CommonWords
from pi_rag.store.memory.seen import Seen, of_a_part
from pi_rag.store.spelling import spelled
from pi_rag.store.word_index import MEMORIES
from pi_rag.store.worded import Rows, Worded, best
from pi_rag.text.parts import parts

TOPIC_WEIGHT = 1.5
"""How often a word in the topic counts, as `query.title_weight` has it for titles."""


def add(db: Connection, memory_id: int, topic: str | None, text: str) -> None:
    """Cut a new memory, make its words findable, and let it wait for its vectors."""
    for start, end in parts(text):
        sql = "INSERT INTO memory_parts (memory_id, start, end) VALUES (?, ?, ?)"
        db.execute(sql, (memory_id, start, end))
        words = (db.last_insert_rowid(), spelled(topic or ""), spelled(text[start:end]))
        db.execute("INSERT INTO memory_fts (rowid, topic, body) VALUES (?, ?, ?)", words)
    db.execute("INSERT INTO memory_pending (memory_id) VALUES (?)", (memory_id,))


def remove(db: Connection, memory_ids: Sequence[int]) -> None:
    """Take the words of memories out of the index, and their parts with their vectors out of the database."""
    given = json.dumps(list(memory_ids))
    of_these = "SELECT id FROM memory_parts WHERE memory_id IN (SELECT value FROM json_each(?))"
    db.execute(f"DELETE FROM memory_fts WHERE rowid IN ({of_these})", (given,))
    db.execute("DELETE FROM memory_parts WHERE memory_id IN (SELECT value FROM json_each(?))", (given,))


def worded(db: Connection, query: str, k: int, seen: Seen, common: CommonWords | None = None) -> Worded:
    """The `k` parts that hold the query's words best, as `worded.best` finds them."""
    condition, bindings = of_a_part(seen, "memory_fts.rowid")
    rows = Rows(MEMORIES, f"bm25({TOPIC_WEIGHT}, 1.0)", condition, bindings)
    return best(db, rows, query, k, common=common)
