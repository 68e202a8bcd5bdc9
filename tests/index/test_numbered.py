"""Places are dense, and each belongs to one passage."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.index.numbered import Numbered


def test_the_last_one_moves_into_the_gap() -> None:
    """As the codes do."""
    table = Numbered()
    table.append([10, 20, 30])
    table.append([40])
    table.take_out(1)
    assert table.ids.tolist() == [10, 40, 30]


def test_places_are_named_from_the_last_to_the_first() -> None:
    """So that freeing one never moves another that is still to be freed."""
    table = Numbered()
    table.append([10, 20, 30, 40])
    assert table.places([10, 40, 30, 99]) == [3, 2, 0]


@given(st.lists(st.integers(1, 2**32 - 1), unique=True, max_size=50), st.data())
def test_taking_out_leaves_all_others(ids: list[int], data: st.DataObject) -> None:
    """Whichever and however many."""
    table = Numbered()
    table.append(ids)
    gone = data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
    for place in table.places(gone):
        table.take_out(place)
    assert sorted(table.ids.tolist()) == sorted(set(ids) - set(gone))


def test_numbers_that_do_not_fit_are_refused() -> None:
    """Four thousand million passages are more than any Pi holds."""
    with pytest.raises(OverflowError):
        Numbered().append([2**32])


def test_a_table_is_saved_and_loaded(tmp_path: Path) -> None:
    """Without its reserve."""
    table, again = Numbered(), Numbered()
    table.append([1, 2, 3])
    table.save(tmp_path / "numbers")
    again.load(tmp_path / "numbers")
    assert again.ids.tolist() == [1, 2, 3]
    assert again.bytes_used == 12


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<u4', 'fortran_order': False, 'shape': (2{'a'",
        "{'descr': '''<u4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<u4', 'fortran_order': False, 'shape': (2, 1)}",
        "(" * 5000,
        "",
    ],
    ids=["two headers", "text without end", "two dimensions", "too deep", "none"],
)
def test_a_damaged_header_is_one_error(tmp_path: Path, header: str) -> None:
    """numpy reads it with Python's own tokenizer, which has errors of its own."""
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(8)
    (tmp_path / "numbers").write_bytes(data)
    with pytest.raises(ValueError):
        Numbered().load(tmp_path / "numbers")
