"""The vector table of sqlite-vec: one unit vector for each passage, under the passage's number.

It knows no documents. Its width is fixed when it is made; `identity.py` decides when that is.
"""

from __future__ import annotations

from collections.abc import Sequence

from pi_rag.errors import VectorInvalid
from pi_rag.store import Connection

FLOAT_BYTES = 4

ROWS_PER_BLOCK = 256
"""sqlite-vec keeps vectors in blocks and frees only a block that is wholly empty. A block of 256 x 384 floats
fits the second-level cache of a Pi 5; larger ones scan a fifth faster elsewhere, but never get empty."""

K_MAX = 4096
"""sqlite-vec refuses a larger k."""


def create(db: Connection, dimensions: int) -> None:
    """Make the table anew, without a row. L2 on unit vectors orders as cosine does, and is a tenth faster."""
    drop(db)
    db.execute(
        "CREATE VIRTUAL TABLE chunks_vec USING vec0 (chunk_id INTEGER PRIMARY KEY, "
        f"embedding float[{int(dimensions)}] distance_metric=L2, chunk_size={ROWS_PER_BLOCK})"
    )


def drop(db: Connection) -> None:
    """Remove the table and all vectors."""
    db.execute("DROP TABLE IF EXISTS chunks_vec")


def exists(db: Connection) -> bool:
    """Whether a model has been claimed, so that there is a table at all."""
    return db.table_exists("main", "chunks_vec")


def check_size(vectors: bytes, count: int, dimensions: int) -> None:
    """Raise VectorInvalid unless `vectors` is exactly `count` rows of `dimensions` float32."""
    wanted = count * dimensions * FLOAT_BYTES
    if len(vectors) != wanted:
        raise VectorInvalid(
            f"{count} vectors of {dimensions} dimensions are {wanted} bytes; {len(vectors)} were given."
        )


def add(db: Connection, chunk_ids: Sequence[int], vectors: bytes, dimensions: int) -> None:
    """Store one row of `vectors` (float32, little-endian) for each passage. Raises VectorInvalid."""
    check_size(vectors, len(chunk_ids), dimensions)
    width = dimensions * FLOAT_BYTES
    rows = ((chunk_id, vectors[i * width : (i + 1) * width]) for i, chunk_id in enumerate(chunk_ids))
    db.executemany("INSERT INTO chunks_vec (chunk_id, embedding) VALUES (?, ?)", rows)


def remove(db: Connection, chunk_ids: Sequence[int]) -> None:
    """Forget passages, one by one: sqlite-vec would scan the whole table for a list."""
    if chunk_ids:
        db.executemany("DELETE FROM chunks_vec WHERE chunk_id = ?", ((chunk_id,) for chunk_id in chunk_ids))
