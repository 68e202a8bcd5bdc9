"""Memories on their way out of this database and in: read in their order, found again when they come twice.

What is brought is stored as the file has it, and in its order. What may be brought is decided at the desk.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pi_rag.memory_types import Caller, Memory, Trust
from pi_rag.store import Connection
from pi_rag.store.memory import memories, scopes
from pi_rag.store.memory.scopes import Scopes
from pi_rag.store.rows import Row, all_rows, one_row, value


def following(db: Connection, among: Scopes, after: int, limit: int, *, gone: bool) -> list[Memory]:
    """The memories of these scopes with ids above `after`, ascending; `gone`: also what is out of force."""
    condition, bindings = scopes.within(among, "scope_id")
    sql = f"""
        SELECT memories.id FROM memories WHERE {condition} AND memories.id > ? AND (gone IS NULL OR ?)
        ORDER BY memories.id LIMIT ?
    """
    rows = all_rows(db, sql, (*bindings, after, gone, limit))
    return memories.get(db, [row[0] for row in rows])


def sessions_of(db: Connection, session_ids: Sequence[int]) -> list[Row]:
    """(id, title, started_at, ended_at) of sessions."""
    sql = """
        SELECT memory_sessions.id, title, started_at, ended_at
        FROM json_each(?) AS wanted CROSS JOIN memory_sessions ON memory_sessions.id = wanted.value
    """
    return all_rows(db, sql, (json.dumps(list(session_ids)),))


def pinned_by(db: Connection, ids: Sequence[int]) -> dict[int, Trust]:
    """How far whoever pinned is trusted, of those of these memories that are pinned."""
    sql = """
        SELECT memories.id, pinned_by
        FROM json_each(?) AS wanted CROSS JOIN memories ON memories.id = wanted.value
        WHERE pinned_by IS NOT NULL
    """
    return dict(all_rows(db, sql, (json.dumps(list(ids)),)))


def known(db: Connection, memory: Memory, words_hash: bytes | None, *, is_dated: bool) -> int | None:
    """The id of this very memory, if it is here already: the same words, said of the same thing and time.

    With `is_dated` it was stored at the same time as well: what was said twice is two memories.
    """
    is_fact = memory.type == "fact"
    condition = "words_hash = ?1" if is_fact else "type <> 'fact' AND type = ?1"
    sql = f"""
        SELECT id FROM memories CROSS JOIN memory_texts ON memory_id = id
        WHERE {condition} AND scope_id = ?2 AND at = ?3 AND text = ?4 AND topic IS ?5 AND kind = ?6
            AND (?7 IS NULL OR created_at = ?7) LIMIT 1
    """
    same = (scopes.find(db, memory.scope), memory.at, memory.text, memory.topic, memory.kind)
    stored_at = memory.created_at if is_dated else None
    found: int | None = value(db, sql, (words_hash if is_fact else memory.type, *same, stored_at))
    return found


def is_fact_of(db: Connection, memory_id: int, scope: str) -> bool:
    """Whether a number is that of a fact of this scope."""
    sql = "SELECT 1 FROM memories WHERE id = ? AND scope_id = ? AND type = 'fact'"
    return one_row(db, sql, (memory_id, scopes.find(db, scope))) is not None


def said(db: Connection, scope: str, words_hash: bytes) -> list[Memory]:
    """The facts of a scope that were stored with this hash and are in force, or gave way to others."""
    sql = """
        SELECT id FROM memories
        WHERE scope_id = ? AND words_hash = ? AND (gone IS NULL OR gone = 'superseded') ORDER BY id DESC
    """
    rows = all_rows(db, sql, (scopes.find(db, scope), words_hash))
    return memories.get(db, [row[0] for row in rows])


def session_here(db: Connection, scope: str, title: str, started_at: float) -> int | None:
    """The session of this title that began at this time, if it is here."""
    sql = "SELECT id FROM memory_sessions WHERE scope_id = ? AND title = ? AND started_at = ?"
    found: int | None = value(db, sql, (scopes.find(db, scope), title, started_at))
    return found


def session(
    db: Connection, scope: str, title: str, started_at: float, ended_at: float | None, caller: Caller
) -> int:
    """The same; made if it is not here."""
    known = session_here(db, scope, title, started_at)
    if known is not None:
        return known
    sql = """
        INSERT INTO memory_sessions (scope_id, title, started_at, ended_at, last_at, door, uid, client)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    """
    by = (caller.door, caller.uid, caller.client)
    db.execute(sql, (scopes.ensure(db, scope), title, started_at, ended_at, started_at, *by))
    return db.last_insert_rowid()


def place(db: Connection, session_id: int, seq: int, at: float) -> int:
    """The place of a brought event in its session: its own, or the next one where that is taken."""
    taken = "SELECT 1 FROM memories WHERE session_id = ? AND seq = ?"
    last = int(value(db, "SELECT last_seq FROM memory_sessions WHERE id = ?", (session_id,)))
    if one_row(db, taken, (session_id, seq)) is not None:
        seq = last + 1
    sql = "UPDATE memory_sessions SET last_seq = max(last_seq, ?), last_at = max(last_at, ?) WHERE id = ?"
    db.execute(sql, (seq, at, session_id))
    return seq


def taken_place_of(db: Connection, memory_id: int, older_id: int) -> None:
    """The older one was superseded by this one, as the file says."""
    sql = "UPDATE memories SET superseded_by = ? WHERE id = ? AND gone = 'superseded'"
    db.execute(sql, (memory_id, older_id))


def document(db: Connection, source: str) -> int | None:
    """A document here that came from the same place."""
    found: int | None = value(db, "SELECT id FROM documents WHERE source = ? ORDER BY id LIMIT 1", (source,))
    return found
