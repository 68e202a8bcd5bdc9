"""Rows out of pages: what SQLite has written is read as SQLite reads it, and no bytes do any harm."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.store import Connection
from pi_rag.store.salvage import cells
from pi_rag.store.salvage.cells import Unreadable
from pi_rag.store.salvage.image import opened

VALUES = [
    None,
    0,
    1,
    -1,
    127,
    -129,
    2**15,
    -(2**23) - 1,
    2**31,
    2**40,
    2**62,
    0.5,
    -1e300,
    "",
    "Tür",
    b"",
    b"\0\xff",
]


def _nothing(_: int) -> bytes:
    return bytes(4096)


def test_every_kind_of_value_comes_back_as_it_was(tmp_path: Path) -> None:
    """Also texts that fill several pages of their own, and numbers of rows at both ends."""
    path = tmp_path / "a.db"
    db = Connection(str(path))
    db.execute("CREATE TABLE t (a, b)")
    wanted = [(number + 1, value, "x" * 9000 * (number % 3)) for number, value in enumerate(VALUES)]
    db.executemany("INSERT INTO t (rowid, a, b) VALUES (?, ?, ?)", wanted)
    root = db.execute("SELECT rootpage FROM sqlite_schema").get
    db.close()
    with opened(path) as image:
        pages = [image.page(number) for number in range(root, image.count + 1)]
        leaves = [page for page in pages if page[0] == cells.TABLE_LEAF]
        found = [cell for page in leaves for cell in cells.rows(page, 0, cells.TABLE_LEAF, image.page)]
    assert sorted((cell.rowid, *cell.values) for cell in found) == wanted


def test_a_text_that_is_no_utf8_is_told_from_one_that_is() -> None:
    """Its bytes are kept."""
    assert cells.record(b"\x02\x11\xff\xfe") == (Unreadable(b"\xff\xfe"),)


@pytest.mark.parametrize(
    "payload", [b"", b"\x00", b"\x03\x01", b"\x02\x01", b"\x02\x0a", b"\x02\x01\x05\x05", b"\xff" * 9]
)
def test_what_does_not_come_out_even_is_no_record(payload: bytes) -> None:
    """Too short, too long, of a kind that there is not."""
    assert cells.record(payload) is None


@given(st.binary(min_size=512, max_size=512), st.sampled_from([2, 10, 13]))
def test_no_bytes_do_any_harm(page: bytes, kind: int) -> None:
    """Whatever a page holds, reading it ends, and gives rows or none."""
    for cell in cells.rows(page, 0, kind, _nothing):
        assert (cell.rowid is None) == (kind != 13)
    cells.children(page, 0)


def test_a_chain_of_pages_that_leads_in_a_circle_ends() -> None:
    """And what it would have held is none."""
    page = bytearray(512)
    page[0:8] = bytes([13, 0, 0, 0, 1, 0, 0, 0])
    page[8:10] = (20).to_bytes(2, "big")
    page[20:24] = b"\xff\xff\x7f\x01"  # a payload of two million bytes
    circle = (7).to_bytes(4, "big") + bytes(508)
    assert list(cells.rows(bytes(page), 0, 13, lambda _: circle)) == []


def test_one_wrong_cell_costs_that_cell() -> None:
    """The others of its page are read."""
    db = Connection(":memory:")
    db.execute("PRAGMA page_size = 4096; CREATE TABLE t (a)")
    db.executemany("INSERT INTO t VALUES (?)", [(f"row {number}",) for number in range(50)])
    data = bytearray(db.serialize("main")[4096:8192])
    at = int.from_bytes(data[8 + 2 * 20 : 10 + 2 * 20], "big")
    data[at : at + 3] = random.Random(1).randbytes(3)
    found = [cell.values[0] for cell in cells.rows(bytes(data), 0, 13, _nothing)]
    assert {f"row {number}" for number in range(50)} - set(found) <= {"row 20"}
