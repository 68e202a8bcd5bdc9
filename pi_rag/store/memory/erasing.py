"""Erasing: a memory's text is gone from its row, the words, the vectors, the entities, and the file's bytes.

Forgetting leaves a row that can be brought back; this leaves nothing. `secure_delete` has SQLite overwrite
what goes, but not the copies of rows that it has moved within the file before. So texts are never moved
(they lie in a table that only grows, and are emptied in place), the word index is written anew, and so are
the small indexes that hold words of a person. The log is emptied last: it holds the pages as they were.

What can stay, seldom (7 in 4,942 erasures: benchmarks/LOG.md), is the key of a topic or a name in bytes that
SQLite does not use any more, until it uses them again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from pi_rag.store import Connection, erased
from pi_rag.store.memory import mentions, words
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store

TRIES: Final = 50
TRY_S_BETWEEN: Final = 0.1
"""Somebody may be reading from the log, for seconds at the most."""

_WORDED: Final = ("memories_by_topic", "memory_entities")
"""Indexes with words of a person in them: a topic, a name."""


def erase(db: Connection, ids: Sequence[int]) -> int:
    """Erase memories, whatever state they are in, and return how many there were.

    Their ids are given to no other. Afterwards `emptied` has the log emptied.
    """
    given = json.dumps(list(ids))
    these = "IN (SELECT value FROM json_each(?))"
    of_sessions = _sessions_of(db, these, given)
    mentions.forget(db, ids)
    words.remove(db, ids)
    db.execute("INSERT INTO memory_fts (memory_fts) VALUES ('optimize')")
    db.execute(f"UPDATE memory_texts SET text = '' WHERE memory_id {these}", (given,))
    _forget_what_tells_of(db, these, given)
    # Emptied before it goes: what SQLite moves when rows go is then of others.
    blank = "topic = NULL, tags = '[]', client = '', words_hash = NULL"
    db.execute(f"UPDATE memories SET {blank} WHERE id {these}", (given,))
    db.execute(f"DELETE FROM memories WHERE id {these}", (given,))
    count = db.changes()
    _forget_titles(db, of_sessions)
    _write_indexes_anew(db)
    erased.note(db)
    return count


async def emptied(store: Store) -> bool:
    """Empty the log, so that nothing of what was erased is in the database's files any more.

    False: somebody has read from it all the while. The upkeep then empties it: a note stands
    until it has (store/erased.py), also after a kill. Raises Stopping.
    """
    for _ in range(TRIES):
        if await erased.empty(store):
            return True
        await asyncio.sleep(TRY_S_BETWEEN)
    return False


def _forget_what_tells_of(db: Connection, these: str, given: str) -> None:
    """Stored answers, what was changed of them, and the numbers by which others refer to them."""
    db.execute(f"DELETE FROM memory_keys WHERE memory_id {these}", (given,))
    for column in ("supersedes", "superseded_by"):
        db.execute(f"UPDATE memories SET {column} = NULL WHERE {column} {these}", (given,))
    about = f"SELECT DISTINCT change_id FROM memory_changed WHERE memory_id {these}"
    sql = f"SELECT id, detail FROM memory_changes WHERE id IN ({about})"
    going = set(json.loads(given))
    rows = all_rows(db, sql, (given,))
    told = [(_without(json.loads(detail), going), change_id) for change_id, detail in rows]
    db.executemany("UPDATE memory_changes SET detail = ? WHERE id = ?", told)


def _without(detail: dict[str, Any], erased: Collection[int]) -> str:
    """What a change did to others, as the desk tells it: `undo` can still take that back.

    An effect of which nothing is left stays as such: without it the rest of the change cannot be taken back.
    """
    kept = {name: detail[name] for name in ("undoes", "operation", "together") if name in detail}
    left = [
        {"ids": ids, "set": effect["set"] if ids else {}}
        for effect in detail.get("effects", ())
        for ids in [[each for each in effect["ids"] if each not in erased]]
    ]
    return json.dumps(kept | {"effects": left})


def _sessions_of(db: Connection, these: str, given: str) -> str:
    sql = f"SELECT DISTINCT session_id FROM memories WHERE id {these} AND session_id IS NOT NULL"
    return json.dumps([row[0] for row in all_rows(db, sql, (given,))])


def _forget_titles(db: Connection, session_ids: str) -> None:
    """The title of a session is a text as well: it goes with the last memory, and so does what has ended."""
    empty = """
        id IN (SELECT value FROM json_each(?))
            AND NOT EXISTS (SELECT 1 FROM memories WHERE session_id = memory_sessions.id)
    """
    db.execute(f"UPDATE memory_sessions SET title = '' WHERE {empty}", (session_ids,))
    db.execute(f"DELETE FROM memory_sessions WHERE ended_at IS NOT NULL AND {empty}", (session_ids,))


def _write_indexes_anew(db: Connection) -> None:
    """And drop the planner's samples, which are entries of such indexes; upkeep takes new ones."""
    for index in _WORDED:
        db.execute(f"REINDEX {index}")
    if value(db, "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat4'"):
        db.execute("DELETE FROM sqlite_stat4 WHERE tbl LIKE 'memor%'")
