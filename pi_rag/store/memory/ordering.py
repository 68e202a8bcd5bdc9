"""What a review looks at: facts that are over or share a topic, vectors of all, and what was dismissed.

It reads, and notes dismissals. What is suggested of it is decided at the desk.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pi_rag.store import Connection
from pi_rag.store.rows import all_rows

_IN_FORCE = """
    scope_id = (SELECT id FROM memory_scopes WHERE name = ?1) AND type = 'fact' AND gone IS NULL
"""
_TRUE_NOW = f"""
    {_IN_FORCE} AND (at <= ?2 OR at <= created_at)
    AND (valid_to IS NULL OR valid_to > ?2) AND (expires_at IS NULL OR expires_at > ?2)
"""


def expired(db: Connection, scope: str, now: float, limit: int) -> list[int]:
    """Memories of a scope that have expired, those first that did so first."""
    sql = """
        SELECT id FROM memories WHERE scope_id = (SELECT id FROM memory_scopes WHERE name = ?1)
            AND gone IS NULL AND expires_at IS NOT NULL AND expires_at <= ?2 ORDER BY expires_at LIMIT ?3
    """
    return [row[0] for row in all_rows(db, sql, (scope, now, limit))]


def ended(db: Connection, scope: str, now: float, limit: int) -> list[int]:
    """Facts of a scope that are true no more, by what was said of them, and have not expired."""
    sql = f"""
        SELECT id FROM memories WHERE {_IN_FORCE} AND valid_to <= ?2
            AND (expires_at IS NULL OR expires_at > ?2) ORDER BY valid_to LIMIT ?3
    """
    return [row[0] for row in all_rows(db, sql, (scope, now, limit))]


def sharing_a_topic(db: Connection, scope: str, now: float, limit: int) -> list[list[int]]:
    """The facts, oldest first, of each topic on which several stand and are true."""
    sql = f"""
        SELECT json_group_array(id ORDER BY id) FROM memories
        WHERE {_TRUE_NOW} AND topic IS NOT NULL
        GROUP BY topic HAVING count(*) > 1 ORDER BY max(id) DESC LIMIT ?3
    """
    return [json.loads(row[0]) for row in all_rows(db, sql, (scope, now, limit))]


def facts_with_vectors(db: Connection, scope: str, now: float, most: int) -> tuple[list[int], bytes]:
    """The newest facts of a scope that are true and whose text is one part: their ids, oldest first, and
    their vectors as rows. A longer text is not held against others here."""
    sql = f"SELECT id FROM memories WHERE {_TRUE_NOW} ORDER BY id DESC LIMIT ?3"
    return vectors_of(db, [row[0] for row in all_rows(db, sql, (scope, now, most))])


def vectors_of(db: Connection, memory_ids: Sequence[int]) -> tuple[list[int], bytes]:
    """Of these memories, those whose text is one part, with a vector: their ids ascending, their vectors."""
    sql = """
        SELECT memory_parts.memory_id, vector FROM json_each(?) AS asked
        CROSS JOIN memory_parts ON memory_parts.memory_id = asked.value
        CROSS JOIN memory_vectors ON memory_vectors.part_id = memory_parts.id
        WHERE NOT EXISTS (
            SELECT 1 FROM memory_parts AS others
            WHERE others.memory_id = memory_parts.memory_id AND others.id <> memory_parts.id
        )
        ORDER BY memory_parts.memory_id
    """
    rows = all_rows(db, sql, (json.dumps(list(memory_ids)),))
    return [row[0] for row in rows], b"".join(row[1] for row in rows)


def dismissed(db: Connection, suggestion_ids: Sequence[str]) -> set[str]:
    """Those of these suggestions that are not to be made again."""
    sql = "SELECT id FROM memory_dismissed WHERE id IN (SELECT value FROM json_each(?))"
    return {row[0] for row in all_rows(db, sql, (json.dumps(list(suggestion_ids)),))}


def dismiss(db: Connection, suggestion_id: str, memory_id: int, now: float) -> None:
    """Note that it is not to be made again, as long as this memory is there."""
    sql = "INSERT OR IGNORE INTO memory_dismissed (id, memory_id, at) VALUES (?, ?, ?)"
    db.execute(sql, (suggestion_id, memory_id, now))
