"""The vector table answers exactly, and a vector of another width never gets in."""

from __future__ import annotations

import math
import random
import struct

import apsw
import pytest

from pi_rag.errors import VectorInvalid
from pi_rag.store import Connection, vectors
from pi_rag.store.nearest import exact
from pi_rag.store.rows import all_rows, value
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
    """With some removed again: every cosine is right and none is left out."""
    rows = _directions(700, seed=1)
    put(db, "gone", ["tea"] * 200, vectors=b"".join(map(_packed, _directions(200, seed=2))))
    put(db, "kept", ["tea"] * 700, vectors=b"".join(map(_packed, rows)))
    put(db, "gone", [], vectors=b"")
    [asked] = _directions(1, seed=3)
    wanted = sorted((sum(a * b for a, b in zip(asked, row, strict=True)) for row in rows), reverse=True)
    found = exact(db, _packed(asked), k, Scope())
    assert [cosine for _, cosine in found] == pytest.approx(wanted[:k], abs=1e-5)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_rows_that_do_not_fit_are_refused_before_any_is_stored(db: Connection, size: int) -> None:
    """The message says how many bytes there should be."""
    with pytest.raises(VectorInvalid, match="are 32 bytes"):
        vectors.add(db, [1], bytes(size), DIMENSIONS)
    assert value(db, "SELECT count(*) FROM vectors") == 0


def test_a_vector_without_a_passage_is_impossible(db: Connection) -> None:
    """The database refuses it, whoever tries."""
    with pytest.raises(apsw.ConstraintError):
        vectors.add(db, [1], axis(0), DIMENSIONS)


def test_a_vector_goes_with_its_passage(db: Connection) -> None:
    """And only that one."""
    put(db, "a", ["tea", "milk"])
    db.execute("DELETE FROM chunks WHERE id = 1")
    assert value(db, "SELECT group_concat(chunk_id) FROM vectors") == "2"


def test_a_few_are_read_in_order_and_without_those_that_are_gone(db: Connection) -> None:
    """Bit by bit as they were stored."""
    put(db, "a", ["tea", "milk", "rain"], vectors=axis(0) + axis(1) + axis(2))
    assert vectors.of(db, [3, 99, 1]) == [(1, axis(0)), (3, axis(2))]


def test_among_some_only_those_are_compared(db: Connection) -> None:
    """Equal distances go by the number of the passage."""
    put(db, "a", ["tea", "milk", "rain"], vectors=axis(0) + axis(1) + axis(2))
    found = vectors.nearest_of(db, axis(0), 5, [3, 2])
    assert dict(found) == pytest.approx({2: math.sqrt(2), 3: math.sqrt(2)})
    assert [number for number, _ in found] == [2, 3]


def test_a_few_are_looked_up_one_by_one(db: Connection) -> None:
    """However many vectors there are: never by reading all of them."""
    for sql in (
        "SELECT vector FROM json_each(?) AS wanted CROSS JOIN vectors ON chunk_id = wanted.value",
        "SELECT vector FROM vectors WHERE chunk_id IN (SELECT value FROM json_each(?))",
    ):
        plan = " ".join(row[3] for row in all_rows(db, f"EXPLAIN QUERY PLAN {sql}", ("[]",)))
        assert "SEARCH vectors USING INTEGER PRIMARY KEY" in plan
