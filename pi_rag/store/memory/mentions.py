"""What memories mention: who speaks of the same person, file, address or day as another. By entities alone.

An entity is stored once, whoever mentions it; a memory is reached through it only by who may see the memory.
Entities that many mention link little: each counts by 1 / log2(1 + how many mention it), as in Adamic and
Adar, "Friends and Neighbors on the Web", Social Networks 25 (2003).
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pi_rag.store import Connection
from pi_rag.store.memory.seen import Seen, condition
from pi_rag.store.rows import Row, all_rows
from pi_rag.text.entities import Entity

MENTIONS_MAX = 500
"""What more memories mention is no link: it would be read for every walk, and says next to nothing."""


@dataclass(frozen=True, slots=True)
class Link:
    """A memory that mentions the same as others."""

    memory_id: int
    weight: float
    """From 0 to 1: more for what is shared with few, and for more that is shared."""
    names: tuple[str, ...]
    """What is shared, the rarest first."""


def mention(db: Connection, memory_id: int, entities: Sequence[Entity]) -> None:
    """Note what a new memory mentions."""
    rows = [(each.kind, each.key, each.name) for each in entities]
    db.executemany("INSERT OR IGNORE INTO memory_entities (kind, key, name) VALUES (?, ?, ?)", rows)
    sql = """
        INSERT OR IGNORE INTO memory_mentions (entity_id, memory_id)
        SELECT id, ? FROM memory_entities WHERE kind = ? AND key = ?
    """
    db.executemany(sql, [(memory_id, kind, key) for kind, key, _ in rows])


def forget(db: Connection, memory_ids: Sequence[int]) -> None:
    """Before memories are erased: what only they mention is erased too, since a name is a text as well."""
    given = json.dumps(list(memory_ids))
    sql = "SELECT DISTINCT entity_id FROM memory_mentions WHERE memory_id IN (SELECT value FROM json_each(?))"
    touched = json.dumps([row[0] for row in all_rows(db, sql, (given,))])
    db.execute("DELETE FROM memory_mentions WHERE memory_id IN (SELECT value FROM json_each(?))", (given,))
    sql = """
        DELETE FROM memory_entities WHERE id IN (SELECT value FROM json_each(?))
            AND NOT EXISTS (SELECT 1 FROM memory_mentions WHERE entity_id = memory_entities.id)
    """
    db.execute(sql, (touched,))


def linked(db: Connection, memory_ids: Sequence[int], seen: Seen, k: int) -> list[Link]:
    """The `k` memories that share most with these, one step away; not these themselves."""
    return _links(_sharing(db, memory_ids, seen), set(memory_ids), k)


def naming(db: Connection, entities: Sequence[Entity], memory_ids: Sequence[int]) -> dict[int, int]:
    """How many of these entities each of these memories mentions; those that mention none are left out."""
    sql = """
        SELECT memory_id, count(*) FROM json_each(?) AS wanted
        CROSS JOIN memory_entities ON memory_entities.kind = wanted.value ->> 0
            AND memory_entities.key = wanted.value ->> 1
        CROSS JOIN memory_mentions ON entity_id = memory_entities.id
        WHERE memory_id IN (SELECT value FROM json_each(?)) GROUP BY memory_id
    """
    given = json.dumps([(each.kind, each.key) for each in entities]), json.dumps(list(memory_ids))
    return dict(all_rows(db, sql, given))


def _sharing(db: Connection, memory_ids: Sequence[int], seen: Seen) -> list[Row]:
    """(entity_id, name, memory_id) of all that is seen and mentions what one of these mentions."""
    wanted, bindings = condition(seen)
    sql = f"""
        WITH named AS MATERIALIZED (
            SELECT DISTINCT entity_id AS id
            FROM json_each(?) AS wanted CROSS JOIN memory_mentions AS own ON own.memory_id = wanted.value
            WHERE (
                SELECT count(*) FROM (
                    SELECT 1 FROM memory_mentions AS all_of WHERE all_of.entity_id = own.entity_id LIMIT ?
                )
            ) <= ?
        ), among AS (
            SELECT named.id AS entity_id, memories.id AS memory_id FROM named
            CROSS JOIN memory_mentions ON memory_mentions.entity_id = named.id
            CROSS JOIN memories ON memories.id = memory_mentions.memory_id WHERE {wanted}
        )
        SELECT entity_id, name, memory_id FROM among CROSS JOIN memory_entities ON id = entity_id
        ORDER BY entity_id, memory_id
    """
    given = json.dumps(list(memory_ids))
    return all_rows(db, sql, (given, MENTIONS_MAX + 1, MENTIONS_MAX, *bindings))


def _links(rows: Sequence[Row], own: set[int], k: int) -> list[Link]:
    members: dict[int, list[int]] = defaultdict(list)
    names: dict[int, str] = {}
    for entity_id, name, memory_id in rows:
        members[entity_id].append(memory_id)
        names[entity_id] = name
    shared: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for entity_id, memory_ids in members.items():
        weight = 1 / math.log2(1 + max(len(memory_ids), 2))
        for memory_id in memory_ids:
            if memory_id not in own:
                shared[memory_id].append((weight, names[entity_id]))
    found = [_link(memory_id, sorted(by, reverse=True)) for memory_id, by in shared.items()]
    return sorted(found, key=lambda link: (-link.weight, -link.memory_id))[:k]


def _link(memory_id: int, by: Sequence[tuple[float, str]]) -> Link:
    total = sum(weight for weight, _ in by)
    return Link(memory_id, total / (1 + total), tuple(name for _, name in by))
