"""Sessions: begun, gone on with, ended. The summary that one leaves is a memory of its own.

That a session has expired is nowhere written: it follows from when something was logged in it last, so it is
true at once when the setting changes, and nothing has to run for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from pi_rag.memory_types import Caller, Door, Memory, Session, SessionState
from pi_rag.store import Connection
from pi_rag.store.memory import memories, scopes
from pi_rag.store.memory.scopes import Scopes
from pi_rag.store.rows import Row, all_rows, below, one_row, value

_SELECT: Final = """
    SELECT memory_sessions.id, name, title,
        CASE WHEN ended_at IS NOT NULL THEN 'ended' WHEN last_at < ? THEN 'expired' ELSE 'open' END AS state,
        started_at, ended_at, last_at, last_seq, (
            SELECT id FROM memories
            WHERE session_id = memory_sessions.id AND seq IS NULL AND type = 'summary' AND gone IS NULL
            ORDER BY id DESC LIMIT 1
        ) AS summary, door, uid, client
    FROM memory_sessions CROSS JOIN memory_scopes ON memory_scopes.id = scope_id
"""
"""Its first binding is a time: a session in which nothing was logged since has expired."""

_SUMMARY = 8


def start(db: Connection, scope: str, title: str, caller: Caller, now: float) -> int:
    """Begin one, and return its id."""
    sql = """
        INSERT INTO memory_sessions (scope_id, title, started_at, last_at, door, uid, client)
        VALUES (?, ?, ?, ?, ?, ?, ?)
    """
    about = (scopes.ensure(db, scope), title, now, now, caller.door, caller.uid, caller.client)
    db.execute(sql, about)
    return db.last_insert_rowid()


def get(db: Connection, session_id: int, now: float, idle_s: float) -> Session | None:
    """One session; None when there is no such one. After `idle_s` without an event it has expired."""
    row = one_row(db, f"{_SELECT} WHERE memory_sessions.id = ?", (now - idle_s, session_id))
    return None if row is None else _of_row(db, row)


def took_event(db: Connection, session_id: int, now: float) -> int:
    """The place of one more event in a session, from 1. Places are never given twice."""
    sql = "UPDATE memory_sessions SET last_seq = last_seq + 1, last_at = max(last_at, ?) WHERE id = ?"
    db.execute(sql, (now, session_id))
    return int(value(db, "SELECT last_seq FROM memory_sessions WHERE id = ?", (session_id,)))


def touched(db: Connection, session_id: int, now: float) -> None:
    """Something was done in it that is no event, such as a checkpoint: it expires the later for it."""
    db.execute("UPDATE memory_sessions SET last_at = max(last_at, ?) WHERE id = ?", (now, session_id))


def end(db: Connection, session_id: int, now: float) -> None:
    """End it; one that has ended stays as it is."""
    db.execute("UPDATE memory_sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL", (now, session_id))


def count(db: Connection, scope: str) -> int:
    """How many there are in a scope."""
    sql = "SELECT count(*) FROM memory_sessions WHERE scope_id = ?"
    return int(value(db, sql, (scopes.find(db, scope),)))


def over(db: Connection, scope: str, doors: Sequence[Door], idle_since: float, limit: int) -> list[int]:
    """Those that have ended or expired and were begun by these doors: first those that hold nothing, then
    those without a summary in force, the oldest of each first.
    """
    holds = "SELECT 1 FROM memories WHERE session_id = memory_sessions.id"
    sql = f"""
        SELECT id FROM memory_sessions
        WHERE scope_id = ? AND (ended_at IS NOT NULL OR last_at < ?)
            AND door IN (SELECT value FROM json_each(?))
        ORDER BY EXISTS ({holds}), EXISTS ({holds} AND type = 'summary' AND gone IS NULL), id LIMIT ?
    """
    given = (scopes.find(db, scope), idle_since, json.dumps(list(doors)), limit)
    return [row[0] for row in all_rows(db, sql, given)]


def dissolve(db: Connection, ids: Sequence[int]) -> None:
    """These sessions are no more; what they held stays, in no session."""
    given, these = (json.dumps(list(ids)),), "IN (SELECT value FROM json_each(?))"
    db.execute(f"UPDATE memories SET session_id = NULL, seq = NULL WHERE session_id {these}", given)
    db.execute(f"DELETE FROM memory_sessions WHERE id {these}", given)


def listing(
    db: Connection,
    among: Scopes,
    state: SessionState | None,
    now: float,
    idle_s: float,
    *,
    limit: int,
    after: int | None = None,
) -> list[Session]:
    """The newest of these scopes and this state, those below the id `after`."""
    condition, bindings = scopes.within(among, "scope_id")
    sql = f"""
        {_SELECT} WHERE {condition} AND memory_sessions.id < ?
            AND state = coalesce(?, state)
        ORDER BY memory_sessions.id DESC LIMIT ?
    """
    rows = all_rows(db, sql, (now - idle_s, *bindings, below(after), state, limit))
    return [_of_row(db, row) for row in rows]


def before(db: Connection, session: Session, now: float, idle_s: float) -> Session | None:
    """The newest of its scope, older than this one, that has left a summary which is in force."""
    sql = f"""
        {_SELECT} WHERE scope_id = ? AND memory_sessions.id < ? AND summary IS NOT NULL
        ORDER BY memory_sessions.id DESC LIMIT 1
    """
    row = one_row(db, sql, (now - idle_s, scopes.find(db, session.scope), session.id))
    return None if row is None else _of_row(db, row)


def pinned(db: Connection, scope: str, limit: int, now: float) -> list[Memory]:
    """Facts in force in a scope that are pinned, true now and not expired, the newest first."""
    sql = """
        SELECT id FROM memories
        WHERE scope_id = ?1 AND type = 'fact' AND gone IS NULL AND pinned_by IS NOT NULL
            AND (at <= ?3 OR at <= created_at)
            AND coalesce(valid_to, ?3 + 1) > ?3 AND coalesce(expires_at, ?3 + 1) > ?3
        ORDER BY id DESC LIMIT ?2
    """
    rows = all_rows(db, sql, (scopes.find(db, scope), limit, now))
    return memories.get(db, [row[0] for row in rows])


def _of_row(db: Connection, row: Row) -> Session:
    cells = list(row)
    cells[_SUMMARY] = None if row[_SUMMARY] is None else memories.one(db, row[_SUMMARY])
    return Session(*cells)
