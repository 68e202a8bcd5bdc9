"""The audit log of agents' memory: what was done with which memories, by whom, and what undoes it.

A line is written in the transaction of what it tells of. Its detail holds ids, numbers and states, so that
`undo` can put them back; of a text at most what is still stored elsewhere, and none after it was erased.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from pi_rag.memory_types import Caller, Change, Door, Operation
from pi_rag.store import Connection
from pi_rag.store.memory import scopes
from pi_rag.store.memory.scopes import Scopes
from pi_rag.store.rows import Row, all_rows, below, value

_SELECT: Final = """
    SELECT memory_changes.id, at, operation, (
        SELECT json_group_array(memory_id) FROM memory_changed WHERE change_id = memory_changes.id
    ), name, door, uid, client, detail, undone_by
    FROM memory_changes CROSS JOIN memory_scopes ON memory_scopes.id = scope_id
"""

_MEMORY_IDS, _DETAIL = 3, 8

_NO_LIMIT: Final = -1
"""As SQLite has it."""

_By = tuple[Door | Literal["service"], int | None, str]
"""Who did it: door, user, program."""


def add(
    db: Connection,
    now: float,
    operation: Operation,
    memory_ids: Sequence[int],
    scope: str,
    caller: Caller | None,
    detail: Mapping[str, Any] | None = None,
) -> Change:
    """Write a line, and give it back. `caller` None: nobody asked for it, the service did it by itself."""
    sql = """
        INSERT INTO memory_changes (at, operation, scope_id, door, uid, client, detail)
        VALUES (?, ?, ?, ?, ?, ?, ?)
    """
    told = json.dumps(dict(detail or {}))
    by: _By = (caller.door, caller.uid, caller.client) if caller else ("service", None, "")
    db.execute(sql, (now, operation, scopes.ensure(db, scope), *by, told))
    change_id, ids = db.last_insert_rowid(), sorted(set(memory_ids))
    db.executemany("INSERT INTO memory_changed VALUES (?, ?)", ((change_id, each) for each in ids))
    return Change(change_id, now, operation, tuple(ids), scope, *by, json.loads(told))


def get(db: Connection, change_id: int) -> Change | None:
    """One line; None when there is no such one (any more)."""
    rows = all_rows(db, f"{_SELECT} WHERE memory_changes.id = ?", (change_id,))
    return _of_row(rows[0]) if rows else None


def listing(db: Connection, among: Scopes, *, limit: int, after: int | None = None) -> list[Change]:
    """The newest lines of these scopes, those below the id `after`."""
    condition, bindings = scopes.within(among, "scope_id")
    sql = f"""
        {_SELECT} WHERE {condition} AND memory_changes.id < ?
        ORDER BY memory_changes.id DESC LIMIT ?
    """
    return [_of_row(row) for row in all_rows(db, sql, (*bindings, below(after), limit))]


def of(db: Connection, memory_ids: Sequence[int], limit: int | None = None) -> list[Change]:
    """The newest lines that have to do with these memories, the oldest first. `limit` None: all of them."""
    sql = f"""
        {_SELECT} WHERE memory_changes.id IN (
            SELECT DISTINCT change_id FROM json_each(?) AS wanted
            CROSS JOIN memory_changed ON memory_id = wanted.value
            ORDER BY change_id DESC LIMIT ?
        ) ORDER BY memory_changes.id
    """
    given = (json.dumps(list(memory_ids)), _NO_LIMIT if limit is None else limit)
    return [_of_row(row) for row in all_rows(db, sql, given)]


def last_of(db: Connection, caller: Caller) -> Change | None:
    """The last thing that this program of this user has done, in the scopes it may see, if nobody undid it.

    What was itself an undoing is passed over, so that asking twice goes one step further back; and so is what
    nobody can take back, since all to which something was done is erased. A program is known by its door and
    by its name before the `/`: what it did before an update is still its own.
    """
    done_by, bindings = _done_by(caller)
    # The limit within keeps the order: the dear conditions are asked of the newest first, until one fits.
    sql = f"""
        SELECT done FROM (
            SELECT id AS done, detail FROM memory_changes INDEXED BY memory_changes_by_client
            WHERE {done_by} AND undone_by IS NULL AND operation NOT IN ('undo', 'erase', 'evict')
            ORDER BY id DESC LIMIT -1
        ) WHERE EXISTS (
            SELECT 1 FROM memory_changed CROSS JOIN memories ON memories.id = memory_id
            WHERE change_id = done
        ) AND NOT EXISTS (
            SELECT 1 FROM json_each(detail, '$.effects') WHERE json_array_length(value, '$.ids') = 0
        ) LIMIT 1
    """
    change_id = value(db, sql, bindings)
    return None if change_id is None else get(db, change_id)


def last_erasure(db: Connection, caller: Caller) -> int:
    """The number of the last change by which this program erased something; 0: it has erased nothing."""
    done_by, bindings = _done_by(caller)
    sql = f"""
        SELECT max(id) FROM memory_changes INDEXED BY memory_changes_by_client
        WHERE {done_by} AND operation = 'erase'
    """
    return value(db, sql, bindings) or 0


def _done_by(caller: Caller) -> tuple[str, tuple[Any, ...]]:
    """A program's changes in the scopes that it may see, in whatever version it made them."""
    within, bindings = scopes.within(caller.scopes, "scope_id")
    name = caller.client.partition("/")[0]
    # Names that go on after the `/` stand from it to the sign behind it, which is "0".
    named = (name, f"{name}0", name, f"{name}/", caller.uid, caller.door)
    sql = "client >= ? AND client < ? AND (client = ? OR client >= ?) AND uid IS ? AND door = ?"
    return f"{sql} AND {within}", (*named, *bindings)


def gave_way_with(db: Connection, memory_ids: Sequence[int], limit: int) -> list[int]:
    """The memories that changes name beside these by which one took the place of others."""
    sql = """
        SELECT DISTINCT beside.memory_id FROM json_each(?) AS wanted
            CROSS JOIN memory_changed AS own ON own.memory_id = wanted.value
            CROSS JOIN memory_changes ON memory_changes.id = own.change_id AND operation = 'supersede'
            CROSS JOIN memory_changed AS beside ON beside.change_id = own.change_id
        LIMIT ?
    """
    return [row[0] for row in all_rows(db, sql, (json.dumps(list(memory_ids)), limit))]


def undone(db: Connection, change_id: int, by: int | None) -> None:
    """It was undone by another change; None: that has been undone, so it is done again."""
    db.execute("UPDATE memory_changes SET undone_by = ? WHERE id = ?", (by, change_id))


def forget_old(db: Connection, kept_max: int) -> int:
    """Drop the oldest lines beyond `kept_max`. Returns how many."""
    newest = value(db, "SELECT max(id) FROM memory_changes") or 0
    db.execute("DELETE FROM memory_changes WHERE id <= ?", (newest - kept_max,))
    return db.changes()


def _of_row(row: Row) -> Change:
    cells = list(row)
    cells[_MEMORY_IDS] = tuple(json.loads(row[_MEMORY_IDS]))
    cells[_DETAIL] = json.loads(row[_DETAIL])
    return Change(*cells)
