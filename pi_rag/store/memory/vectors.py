"""The vectors of what agents remember, one for each part, and what still waits for them.

All are of one model, which `meta` names. Few are compared one by one; of many, one bit for each number of a
vector proposes some, and the exact vectors decide. Nothing of it is held in RAM. It knows no words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pi_rag.store import Connection, identity
from pi_rag.store.memory import scopes
from pi_rag.store.memory.seen import Seen, condition, of_a_part
from pi_rag.store.rows import Row, all_rows, value
from pi_rag.store.vectors import FLOAT_BYTES, Scored, check_size, cosine
from pi_rag.types import Fingerprint

EXACT_MAX = 4000
"""Up to so many memories in scope all are compared, which takes some milliseconds."""

PROPOSALS = 1000
"""How many parts the bits propose beyond those that are wanted. Among 800 of 100,000 real vectors are 0.9925
of the nearest ten, among 1,600 0.996 (docs/decisions/0008-vectors.md)."""

PROPOSALS_ALIKE = 200
"""The same where only what is much alike counts: at a cosine of 0.8 a fifth of the bits differ, and of texts
that have nothing to do with each other two fifths."""

FITTING = 0.75
"""Where less than this part of what was proposed of all fits, it is proposed anew among what fits: at ten
times the price, but where much is left out the nearest could be, too."""

_KEY = "memory_fingerprint"


def model(db: Connection) -> Fingerprint | None:
    """What made the vectors; None while there was none."""
    text = value(db, "SELECT value FROM meta WHERE key = ?", (_KEY,))
    return identity.read(text) if text else None


def takes(db: Connection, made_by: Fingerprint) -> bool:
    """Whether vectors of this model can be added: they are of the model in use here, or the first ones."""
    found = model(db)
    return found is None or identity.comparable(found, made_by)


def renew(db: Connection, made_by: Fingerprint) -> None:
    """From now on vectors are of this model: those of another go, and all memories wait for new ones."""
    if model(db) is not None and not takes(db, made_by):
        db.execute("""
            DELETE FROM memory_vectors;
            DELETE FROM memory_signs;
            INSERT OR IGNORE INTO memory_pending (memory_id) SELECT id FROM memories;
        """)
    named = (_KEY, json.dumps(asdict(made_by)))
    db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", named)


def add(db: Connection, memory_id: int, vectors: bytes, made_by: Fingerprint) -> None:
    """Store the vectors of a memory, float32 rows, one for each of its parts; it waits no more.

    Raises VectorInvalid when they are not as many as its parts.
    """
    assert takes(db, made_by), "who adds vectors of another model calls renew first"
    if model(db) is None:
        renew(db, made_by)
    of_it = "SELECT id FROM memory_parts WHERE memory_id = ? ORDER BY id"
    ids = [row[0] for row in all_rows(db, of_it, (memory_id,))]
    check_size(vectors, len(ids), made_by.dimensions)
    width = made_by.dimensions * FLOAT_BYTES
    rows = [(part_id, vectors[at * width : (at + 1) * width]) for at, part_id in enumerate(ids)]
    db.executemany("INSERT OR REPLACE INTO memory_vectors (part_id, vector) VALUES (?, ?)", rows)
    if made_by.dimensions % 8 == 0:
        signs = """
            INSERT OR REPLACE INTO memory_signs (scope_id, type, part_id, signs)
            SELECT scope_id, type, ?, vec_quantize_binary(?) FROM memories WHERE id = ?
        """
        db.executemany(signs, ((*row, memory_id) for row in rows))
    db.execute("DELETE FROM memory_pending WHERE memory_id = ?", (memory_id,))


def waiting(db: Connection, limit: int) -> list[tuple[int, str | None, str]]:
    """(memory_id, topic, text) of what waits for its vectors, the newest first: it matters most."""
    sql = """
        SELECT memory_pending.memory_id, topic, text FROM memory_pending
        CROSS JOIN memories ON memories.id = memory_pending.memory_id
        CROSS JOIN memory_texts ON memory_texts.memory_id = memory_pending.memory_id
        ORDER BY memory_pending.memory_id DESC LIMIT ?
    """
    return [(row[0], row[1], row[2]) for row in all_rows(db, sql, (limit,))]


def still_waiting(db: Connection, memory_ids: Sequence[int]) -> list[int]:
    """Those of these that wait for their vectors."""
    sql = "SELECT memory_id FROM memory_pending WHERE memory_id IN (SELECT value FROM json_each(?))"
    return [row[0] for row in all_rows(db, sql, (json.dumps(list(memory_ids)),))]


def pending(db: Connection, seen: Seen) -> int:
    """How many that are seen wait for their vectors."""
    wanted, bindings = condition(seen)
    sql = f"""
        SELECT count(*) FROM memory_pending
        CROSS JOIN memories ON memories.id = memory_pending.memory_id WHERE {wanted}
    """
    return int(value(db, sql, bindings))


def nearest(db: Connection, vector: bytes, k: int, seen: Seen, extra: int = PROPOSALS) -> Scored:
    """(part_id, cosine) of the `k` parts nearest to a unit vector, nearest first."""
    wanted, bindings = condition(seen)
    among = f"""
        SELECT memory_parts.id FROM memories
        CROSS JOIN memory_parts ON memory_parts.memory_id = memories.id WHERE {wanted}
    """
    if _are_few(db, wanted, bindings) or len(vector) % (8 * FLOAT_BYTES):
        return _scored(_compared(db, vector, k, among, bindings))
    proposed = _proposed_of_all(db, vector, k + extra, seen)
    fitting = _of_these(db, proposed, seen)
    if len(fitting) < FITTING * len(proposed):
        fitting = _proposed(db, vector, k + extra, among, bindings)
    return cosines(db, vector, fitting)[:k]


def cosines(db: Connection, vector: bytes, part_ids: Sequence[int]) -> Scored:
    """(part_id, cosine) of these parts, nearest first; those without a vector are left out."""
    given = json.dumps(sorted(part_ids))
    return _scored(_compared(db, vector, len(part_ids), "SELECT value AS id FROM json_each(?)", [given]))


def similar(
    db: Connection, vectors: bytes, scope: str, now: float, k: int, made_by: Fingerprint
) -> list[tuple[int, float]]:
    """(memory_id, cosine) of the facts in force in a scope that are most like a new one, by its vectors.

    Each of its parts is held against the part that is nearest to it, and the least of these counts: one that
    begins alike may end otherwise. Nothing where the vectors here
    are of another model.
    """
    if model(db) is None or not takes(db, made_by):
        return []
    width = made_by.dimensions * FLOAT_BYTES
    seen = Seen((scope,), ("fact",), now)
    rows = (vectors[at : at + width] for at in range(0, len(vectors), width))
    near = [_by_memory(db, nearest(db, row, k, seen, PROPOSALS_ALIKE)) for row in rows]
    alike = {each: min(found.get(each, -1.0) for found in near) for each in near[0]} if near else {}
    return sorted(
        ((each, score) for each, score in alike.items() if score > -1.0),
        key=lambda pair: (-pair[1], -pair[0]),
    )


@dataclass(frozen=True, slots=True)
class Part:
    """Where a part is: its memory, and from where to where in the text of that."""

    memory_id: int
    start: int
    end: int


def parts_of(db: Connection, part_ids: Sequence[int]) -> dict[int, Part]:
    """These parts, by their numbers; those that are gone by now are left out."""
    sql = """
        SELECT memory_parts.id, memory_id, start, end FROM json_each(?) AS given
        CROSS JOIN memory_parts ON memory_parts.id = given.value
    """
    rows = all_rows(db, sql, (json.dumps(list(part_ids)),))
    return {row[0]: Part(row[1], row[2], row[3]) for row in rows}


def _by_memory(db: Connection, near: Scored) -> dict[int, float]:
    """The cosine of each memory's best part."""
    owners = parts_of(db, [part_id for part_id, _ in near])
    best: dict[int, float] = {}
    for part_id, score in near:
        best.setdefault(owners[part_id].memory_id, score)
    return best


def _are_few(db: Connection, wanted: str, bindings: Sequence[Any]) -> bool:
    sql = f"SELECT count(*) FROM (SELECT 1 FROM memories WHERE {wanted} LIMIT ?)"
    return int(value(db, sql, (*bindings, EXACT_MAX + 1))) <= EXACT_MAX


def _proposed_of_all(db: Connection, vector: bytes, count: int, seen: Seen) -> list[int]:
    """The parts whose bits are most alike, of all in these scopes, in force or not."""
    in_scopes, names = scopes.within(seen.scopes, "scope_id")
    sql = f"""
        SELECT part_id FROM memory_signs
        WHERE {in_scopes} AND type IN (SELECT value FROM json_each(?))
        ORDER BY vec_distance_hamming(vec_bit(signs), vec_quantize_binary(?)) LIMIT ?
    """
    rows = all_rows(db, sql, (*names, json.dumps(seen.types), vector, count))
    return [row[0] for row in rows]


def _of_these(db: Connection, part_ids: Sequence[int], seen: Seen) -> list[int]:
    """Those that are seen."""
    wanted, bindings = of_a_part(seen, "given.value")
    sql = f"SELECT given.value FROM json_each(?) AS given WHERE {wanted}"
    return [row[0] for row in all_rows(db, sql, (json.dumps(list(part_ids)), *bindings))]


def _proposed(db: Connection, vector: bytes, count: int, among: str, bindings: Sequence[Any]) -> list[int]:
    """The parts whose bits are most alike, of those that a SELECT gives as `id`."""
    sql = f"""
        SELECT part_id FROM ({among}) AS among CROSS JOIN memory_signs ON part_id = among.id
        ORDER BY vec_distance_hamming(vec_bit(signs), vec_quantize_binary(?)) LIMIT ?
    """
    return [row[0] for row in all_rows(db, sql, (*bindings, vector, count))]


def _compared(db: Connection, vector: bytes, k: int, among: str, bindings: Sequence[Any]) -> list[Row]:
    """(part_id, length of the difference) of the nearest among the parts that a SELECT gives as `id`."""
    sql = f"""
        SELECT part_id, vec_distance_l2(vector, ?) AS distance
        FROM ({among}) AS among CROSS JOIN memory_vectors ON part_id = among.id
        ORDER BY distance, part_id LIMIT ?
    """
    return all_rows(db, sql, (vector, *bindings, k))


def _scored(rows: Sequence[Row]) -> Scored:
    return [(part_id, cosine(distance)) for part_id, distance in rows]
