"""The vector table answers exactly, and a vector of another width never gets in."""

from __future__ import annotations

import math
import random
import struct

import pytest

from pi_rag.errors import VectorInvalid
from pi_rag.store import Connection, search, vectors
from pi_rag.store.rows import value
from pi_rag.types import Scope
from tests.store.making import DIMENSIONS, axis, put


def _directions(count: int, seed: int) -> list[list[float]]:
    dice = random.Random(seed)
    raw = [[dice.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(count)]
    return [[x / math.hypot(*row) for x in row] for row in raw]


def _packed(row: list[float]) -> bytes:
    return struct.pack(f"<{DIMENSIONS}f", *row)


@pytest.mark.parametrize("k", [1, 7, 256, 300, 700])
def test_the_nearest_are_those_that_arithmetic_finds(db: Connection, k: int) -> None:
    """Over several blocks, some of them half emptied: every cosine is right and none is left out."""
    rows = _directions(700, seed=1)
    put(db, "gone", ["tea"] * 200, vectors=b"".join(map(_packed, _directions(200, seed=2))))
    put(db, "kept", ["tea"] * 700, vectors=b"".join(map(_packed, rows)))
    put(db, "gone", [], vectors=b"")
    [asked] = _directions(1, seed=3)
    wanted = sorted((sum(a * b for a, b in zip(asked, row, strict=True)) for row in rows), reverse=True)
    found = search.by_vector(db, _packed(asked), k, Scope())
    assert [cosine for _, cosine in found] == pytest.approx(wanted[:k], abs=1e-5)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_rows_that_do_not_fit_are_refused_before_any_is_stored(db: Connection, size: int) -> None:
    """The message says how many bytes there should be."""
    with pytest.raises(VectorInvalid, match="are 32 bytes"):
        vectors.add(db, [1], bytes(size), DIMENSIONS)
    assert value(db, "SELECT count(*) FROM chunks_vec") == 0


def test_a_new_table_is_empty_and_of_its_own_width(db: Connection) -> None:
    """Making it anew forgets every vector of the old one."""
    vectors.add(db, [1], axis(0), DIMENSIONS)
    vectors.create(db, 4)
    assert vectors.exists(db)
    assert value(db, "SELECT count(*) FROM chunks_vec") == 0
    vectors.add(db, [1], bytes(16), 4)
    vectors.drop(db)
    assert not vectors.exists(db)


def test_removing_a_vector_that_is_not_there_is_harmless(db: Connection) -> None:
    """And of several, the others stay."""
    vectors.add(db, [1, 2], axis(0) + axis(1), DIMENSIONS)
    vectors.remove(db, [2, 3])
    vectors.remove(db, [])
    assert value(db, "SELECT group_concat(chunk_id) FROM chunks_vec") == "1"
