"""The vectors: one unit vector for each passage, under the passage's number.

They are the truth of every search by meaning; whatever is faster only proposes.

They lie in an ordinary table, and sqlite-vec's function measures: docs/decisions/0008-vectors.md says why not
in its virtual table. It knows no documents.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pi_rag.errors import VectorInvalid
from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, columns

FLOAT_BYTES = 4

Scored = list[tuple[int, float]]
"""(chunk_id, cosine), nearest first."""

Distance = tuple[int, float]
"""(chunk_id, length of the difference to a query's vector)."""


def check_size(vectors: bytes, count: int, dimensions: int) -> None:
    """Raise VectorInvalid unless `vectors` is exactly `count` rows of `dimensions` float32."""
    wanted = count * dimensions * FLOAT_BYTES
    if len(vectors) != wanted:
        raise VectorInvalid(
            f"{count} vectors of {dimensions} dimensions are {wanted} bytes; {len(vectors)} were given."
        )


def add(db: Connection, chunk_ids: Sequence[int], vectors: bytes, dimensions: int) -> None:
    """Store one row of `vectors` (float32, little-endian) for each passage. Raises VectorInvalid.

    They go with their passages: the foreign key removes them.
    """
    check_size(vectors, len(chunk_ids), dimensions)
    width = dimensions * FLOAT_BYTES
    rows = ((chunk_id, vectors[i * width : (i + 1) * width]) for i, chunk_id in enumerate(chunk_ids))
    db.executemany("INSERT INTO vectors (chunk_id, vector) VALUES (?, ?)", rows)


def of(db: Connection, chunk_ids: Sequence[int]) -> list[tuple[int, bytes]]:
    """(chunk_id, vector) of these passages, ascending. Those that are gone by now are left out."""
    sql = """
        SELECT chunk_id, vector FROM json_each(?) AS wanted
        CROSS JOIN vectors ON chunk_id = wanted.value
    """
    return [(row[0], row[1]) for row in all_rows(db, sql, (json.dumps(sorted(chunk_ids)),))]


def nearest(
    db: Connection, vector: bytes, k: int, within: str = "", bindings: Sequence[str] = ()
) -> list[Distance]:
    """(chunk_id, length of the difference) of the `k` nearest to `vector`, nearest first; exact.

    `within` is a SELECT of the passages that count; empty: all do. Equal ones go by number.
    """
    some = f"WHERE chunk_id IN ({within})" if within else ""
    sql = f"""
        SELECT chunk_id, vec_distance_l2(vector, ?) AS distance FROM vectors {some}
        ORDER BY distance, chunk_id LIMIT ?
    """
    numbers, distances = columns(db, ("chunk_id", "distance"), sql, (vector, *bindings, k))
    return [*zip(numbers, distances, strict=True)]


def nearest_of(db: Connection, vector: bytes, k: int, chunk_ids: Sequence[int]) -> list[Distance]:
    """As `nearest`, among these passages."""
    wanted = json.dumps(sorted(chunk_ids))
    return nearest(db, vector, k, "SELECT value FROM json_each(?)", (wanted,))


def cosine(distance: float) -> float:
    """Cosine similarity of two unit vectors from the length of their difference."""
    return 1.0 - distance * distance / 2.0
