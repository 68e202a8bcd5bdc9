"""Memories: written once, put out of force and back, counted as they are used; read by their ids and topics.

Nothing here rewrites a text. What takes another's place is a row of its own, and the older one stays for
`history`, `undo` and questions about the past. What becomes of a new one is decided at the desk.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pi_rag.memory_types import Gone, Memory, Trust
from pi_rag.store import Connection
from pi_rag.store.memory import scopes, words
from pi_rag.store.memory.scopes import Scopes
from pi_rag.store.rows import Row, all_rows, value

COLUMNS: Final = """
    memories.id, memories.type, memory_scopes.name, memories.kind, memory_texts.text, topic, importance,
    confidence, tags, pinned_by IS NOT NULL, trust, at, valid_to, expires_at, memories.created_at, gone_at,
    memories.gone, supersedes, superseded_by, revision, session_id, seq, door, uid, client, document_id,
    (SELECT source FROM documents WHERE documents.id = memories.document_id), repeats, last_said_at, uses,
    used_at, (
        SELECT json_group_array(name) FROM (
            SELECT name FROM memory_mentions
            CROSS JOIN memory_entities ON memory_entities.id = memory_mentions.entity_id
            WHERE memory_mentions.memory_id = memories.id ORDER BY name
        )
    )
"""
"""As `of_row` reads them."""

JOINED: Final = """
    CROSS JOIN memory_scopes ON memory_scopes.id = memories.scope_id
    CROSS JOIN memory_texts ON memory_texts.memory_id = memories.id
"""
"""What belongs to a row of `memories` and lies elsewhere."""

_TAGS, _PINNED, _ENTITIES = 8, 9, 31

CHANGEABLE: Final = frozenset({"pinned_by", "importance", "confidence", "tags", "expires_at", "valid_to"})
"""The columns that `change` may set, as they are stored: tags as a JSON list, `pinned_by` a Trust or None."""

LINEAGE_MAX: Final = 1000
"""How many revisions of one memory are followed; whoever has more sees the newest."""


def of_row(row: Row) -> Memory:
    """The memory that a row of COLUMNS holds."""
    cells = list(row)
    cells[_TAGS] = tuple(json.loads(row[_TAGS]))
    cells[_PINNED] = bool(row[_PINNED])
    cells[_ENTITIES] = tuple(json.loads(row[_ENTITIES]))
    return Memory(*cells)


def add(
    db: Connection, new: Memory, words_hash: bytes | None = None, pinned_by: Trust | None = None
) -> Memory:
    """Store a memory, in force and to be found by its words, and give it back with its id.

    Its vectors may be added in the same transaction or later, and so may its entities. `words_hash` is of a
    fact's words: `same_words` finds it by that. A pinned one is pinned by whoever is trusted as it is, or as
    `pinned_by` says.
    """
    row = {
        "type": new.type,
        "scope_id": scopes.ensure(db, new.scope),
        "kind": new.kind,
        "topic": new.topic,
        "importance": new.importance,
        "confidence": new.confidence,
        "tags": json.dumps(list(new.tags), ensure_ascii=False),
        "pinned_by": pinned_by or (new.trust if new.pinned else None),
        "trust": new.trust,
        "at": new.at,
        "valid_to": new.valid_to,
        "expires_at": new.expires_at,
        "created_at": new.created_at,
        "gone_at": new.gone_at,
        "gone": new.gone,
        "supersedes": new.supersedes,
        "superseded_by": new.superseded_by,
        "revision": new.revision,
        "session_id": new.session_id,
        "seq": new.seq,
        "door": new.door,
        "uid": new.uid,
        "client": new.client,
        "document_id": new.document_id,
        "repeats": new.repeats,
        "last_said_at": new.last_said_at,
        "uses": new.uses,
        "used_at": new.used_at,
        "words_hash": words_hash,
    }
    sql = f"INSERT INTO memories ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
    db.execute(sql, tuple(row.values()))
    memory_id = db.last_insert_rowid()
    db.execute("INSERT INTO memory_texts (memory_id, text) VALUES (?, ?)", (memory_id, new.text))
    words.add(db, memory_id, new.topic, new.text)
    return replace(new, id=memory_id)


def get(db: Connection, ids: Sequence[int]) -> list[Memory]:
    """Memories in the order of these ids; one that is not there (any more) is left out."""
    sql = f"""
        SELECT {COLUMNS} FROM json_each(?) AS wanted
        CROSS JOIN memories ON memories.id = wanted.value {JOINED} ORDER BY wanted.key
    """
    return [of_row(row) for row in all_rows(db, sql, (json.dumps(list(ids)),))]


def one(db: Connection, memory_id: int) -> Memory | None:
    """One memory, in force or not; None when there is no such one."""
    found = get(db, [memory_id])
    return found[0] if found else None


def on_topic(db: Connection, scope: str, topic: str) -> list[Memory]:
    """Facts in force on a topic of a scope, the newest first. Several stand there after a conflict."""
    sql = """
        SELECT memories.id FROM memories
        WHERE scope_id = ? AND topic = ? AND gone IS NULL AND type = 'fact' ORDER BY memories.id DESC
    """
    return get(db, _ids(db, sql, (scopes.find(db, scope), topic)))


def same_words(db: Connection, scope: str, words_hash: bytes) -> list[Memory]:
    """The facts in force in a scope that were stored with this hash, the newest first."""
    sql = """
        SELECT id FROM memories WHERE scope_id = ? AND words_hash = ? AND gone IS NULL ORDER BY id DESC
    """
    return get(db, _ids(db, sql, (scopes.find(db, scope), words_hash)))


def lineage(db: Connection, memory_id: int) -> list[Memory]:
    """All that this memory has superseded, itself, and all that has superseded it, by their ids.

    Never one of another scope, whatever a brought file has made of it.
    """
    sql = """
        WITH RECURSIVE older (id, past, scope) AS (
            SELECT id, supersedes, scope_id FROM memories WHERE id = ?1
            UNION SELECT memories.id, supersedes, scope FROM older
                CROSS JOIN memories ON memories.id = past AND scope_id = scope
            LIMIT ?2
        ), newer (id, next, scope) AS (
            SELECT id, superseded_by, scope_id FROM memories WHERE id = ?1
            UNION SELECT memories.id, superseded_by, scope FROM newer
                CROSS JOIN memories ON memories.id = next AND scope_id = scope
            LIMIT ?2
        )
        SELECT id FROM older UNION SELECT id FROM newer ORDER BY id
    """
    return get(db, _ids(db, sql, (memory_id, LINEAGE_MAX)))


def topic_history(db: Connection, among: Scopes, topic: str) -> list[Memory]:
    """The newest of all that was ever kept on a topic in these scopes, the oldest of them first."""
    condition, bindings = scopes.within(among, "scope_id")
    sql = f"""
        SELECT memories.id FROM memory_scopes CROSS JOIN memories ON scope_id = memory_scopes.id
        WHERE {condition} AND topic = ? ORDER BY memories.id DESC LIMIT {LINEAGE_MAX}
    """
    return get(db, _ids(db, sql, (*bindings, topic))[::-1])


def there(db: Connection, ids: Sequence[int]) -> list[int]:
    """Those of these that are not erased, ascending."""
    sql = "SELECT id FROM memories WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
    return [row[0] for row in all_rows(db, sql, (json.dumps(list(ids)),))]


def put_away(
    db: Connection, ids: Sequence[int], why: Gone, now: float, superseded_by: int | None = None
) -> int:
    """Take memories out of force; those that are out of it already stay as they are. Returns how many."""
    sql = """
        UPDATE memories SET gone = ?, gone_at = ?, superseded_by = coalesce(?, superseded_by)
        WHERE id IN (SELECT value FROM json_each(?)) AND gone IS NULL
    """
    db.execute(sql, (why, now, superseded_by, json.dumps(list(ids))))
    return db.changes()


def replaced(db: Connection, ids: Sequence[int], by: int) -> None:
    """What was put away gave way to this one."""
    sql = "UPDATE memories SET superseded_by = ? WHERE id IN (SELECT value FROM json_each(?))"
    db.execute(sql, (by, json.dumps(list(ids))))


def restore(db: Connection, ids: Sequence[int]) -> int:
    """Bring memories back into force; those that are in force stay so. Returns how many came back."""
    sql = """
        UPDATE memories SET gone = NULL, gone_at = NULL, superseded_by = NULL
        WHERE id IN (SELECT value FROM json_each(?)) AND gone IS NOT NULL
    """
    db.execute(sql, (json.dumps(list(ids)),))
    return db.changes()


def said_again(db: Connection, memory_id: int, now: float) -> None:
    """It was said once more."""
    db.execute("UPDATE memories SET repeats = repeats + 1, last_said_at = ? WHERE id = ?", (now, memory_id))


def said_less(db: Connection, memory_id: int, last_said_at: float) -> None:
    """It was not said once more after all; `last_said_at` is when it was said last before that."""
    sql = "UPDATE memories SET repeats = max(0, repeats - 1), last_said_at = ? WHERE id = ?"
    db.execute(sql, (last_said_at, memory_id))


def change(db: Connection, memory_id: int, values: Mapping[str, Any]) -> None:
    """Set some of CHANGEABLE."""
    assert values.keys() <= CHANGEABLE, "the text and whose it is are never changed"
    if values:
        columns = ", ".join(f"{column} = ?" for column in values)
        db.execute(f"UPDATE memories SET {columns} WHERE id = ?", (*values.values(), memory_id))


def unlike(db: Connection, ids: Sequence[int], values: Mapping[str, Any]) -> int | None:
    """The first of these that has other values in these columns, or is not there; None: there is none."""
    differs = " OR ".join(["memories.id IS NULL", *(f"memories.{column} IS NOT ?" for column in values)])
    sql = f"""
        SELECT wanted.value FROM json_each(?) AS wanted LEFT JOIN memories ON memories.id = wanted.value
        WHERE {differs} LIMIT 1
    """
    found: int | None = value(db, sql, (json.dumps(list(ids)), *values.values()))
    return found


def by_scope(db: Connection, ids: Sequence[int]) -> dict[str, list[int]]:
    """Their ids, by the names of their scopes."""
    sql = """
        SELECT name, json_group_array(memories.id) FROM json_each(?) AS wanted
        CROSS JOIN memories ON memories.id = wanted.value
        CROSS JOIN memory_scopes ON memory_scopes.id = scope_id GROUP BY name
    """
    return {name: sorted(json.loads(those)) for name, those in all_rows(db, sql, (json.dumps(list(ids)),))}


def a_persons(db: Connection, ids: Sequence[int]) -> int | None:
    """The first of these that a person said or pinned; None: there is none."""
    sql = """
        SELECT memories.id FROM json_each(?) AS wanted CROSS JOIN memories ON memories.id = wanted.value
        WHERE trust = 'person' OR pinned_by = 'person' LIMIT 1
    """
    found: int | None = value(db, sql, (json.dumps(list(ids)),))
    return found


def with_topic(db: Connection, ids: Sequence[int]) -> list[int]:
    """Those of these memories that have a topic."""
    sql = """
        SELECT memories.id FROM json_each(?) AS wanted CROSS JOIN memories ON memories.id = wanted.value
        WHERE topic IS NOT NULL
    """
    return _ids(db, sql, (json.dumps(list(ids)),))


def to_come(db: Connection, ids: Sequence[int], now: float) -> list[int]:
    """Those of these that are facts which were to be true later than now."""
    sql = """
        SELECT memories.id FROM json_each(?) AS wanted CROSS JOIN memories ON memories.id = wanted.value
        WHERE memories.type = 'fact' AND at > ? AND at > created_at
    """
    return _ids(db, sql, (json.dumps(list(ids)), now))


def pinned_by(db: Connection, memory_id: int) -> Trust | None:
    """How far whoever pinned it is trusted; None: it is not pinned."""
    found: Trust | None = value(db, "SELECT pinned_by FROM memories WHERE id = ?", (memory_id,))
    return found


def used(db: Connection, counts: Mapping[int, int], now: float) -> None:
    """They were recalled so often since this was written last."""
    sql = "UPDATE memories SET uses = uses + ?, used_at = ? WHERE id = ?"
    db.executemany(sql, [(count, now, memory_id) for memory_id, count in counts.items()])


def document_source(db: Connection, document_id: int) -> str | None:
    """Where a stored document came from; None when there is no such document."""
    found: str | None = value(db, "SELECT source FROM documents WHERE id = ?", (document_id,))
    return found


def _ids(db: Connection, sql: str, bindings: Sequence[Any]) -> list[int]:
    return [row[0] for row in all_rows(db, sql, bindings)]
