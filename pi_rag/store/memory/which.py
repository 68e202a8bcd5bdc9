"""Which memories are meant: the conditions of a listing or of what is to be forgotten, as SQL.

Every condition narrows what the caller may see, and none widens it.
"""

from __future__ import annotations

import json
from typing import Any

from pi_rag.memory_types import Memory, Which
from pi_rag.store import Connection
from pi_rag.store.memory import memories, scopes
from pi_rag.store.memory.scopes import Scopes
from pi_rag.store.memory.seen import on_topic
from pi_rag.store.rows import all_rows, below

Conditions = list[tuple[str, tuple[Any, ...]]]


def matching(db: Connection, which: Which, among: Scopes, now: float, *, gone: bool = False) -> list[int]:
    """The ids of all that is meant, ascending; `gone`: of what is out of force, instead of what is in force.

    An empty `which` means everything here: whoever must not mean that looks before.
    """
    condition, bindings = _sql(which, among, now, gone)
    sql = f"SELECT memories.id FROM memories WHERE {condition} ORDER BY memories.id"
    return [row[0] for row in all_rows(db, sql, bindings)]


def listing(
    db: Connection,
    which: Which,
    among: Scopes,
    now: float,
    *,
    limit: int,
    after: int | None = None,
    gone: bool = False,
) -> list[Memory]:
    """The newest of what is meant, those below the id `after`."""
    condition, bindings = _sql(which, among, now, gone)
    sql = f"""
        SELECT memories.id FROM memories WHERE {condition} AND memories.id < ?
        ORDER BY memories.id DESC LIMIT ?
    """
    rows = all_rows(db, sql, (*bindings, below(after), limit))
    return memories.get(db, [row[0] for row in rows])


def _sql(which: Which, among: Scopes, now: float, gone: bool) -> tuple[str, list[Any]]:
    wanted: Conditions = [("gone IS NOT NULL" if gone else "gone IS NULL", ())]
    wanted += [_within(among), _within(None if which.scope is None else (which.scope,))]
    for column in ("type", "kind", "session_id"):
        if (asked := getattr(which, column)) is not None:
            wanted.append((f"memories.{column} = ?", (asked,)))
    if which.client is not None:
        wanted.append(_stored_by(which.client))
    if which.ids:
        wanted.append(("memories.id IN (SELECT value FROM json_each(?))", (json.dumps(which.ids),)))
    if which.topic is not None:
        wanted.append(on_topic(which.topic))
    if which.tag is not None:
        wanted.append(("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)", (which.tag,)))
    if which.before is not None:
        wanted.append(("created_at < ?", (which.before,)))
    if which.since is not None:
        wanted.append(("created_at >= ?", (which.since,)))
    if which.expired:
        wanted.append(("expires_at <= ?", (now,)))
    return " AND ".join(sql for sql, _ in wanted), [each for _, bindings in wanted for each in bindings]


def _stored_by(client: str) -> tuple[str, tuple[Any, ...]]:
    """A client by its name and version, or by its name alone: then in any version."""
    return "(client = ? OR substr(client, 1, length(?) + 1) = ? || '/')", (client,) * 3


def _within(among: Scopes) -> tuple[str, tuple[Any, ...]]:
    condition, bindings = scopes.within(among, "memories.scope_id")
    return condition, tuple(bindings)
