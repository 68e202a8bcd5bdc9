"""Promises of pi_rag/text/records.py."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pi_rag.text.records import Record, joined, within


@given(st.lists(st.integers(1, 40), max_size=30), st.booleans())
def test_short_neighbours_become_one(lengths: list[int], gaps: bool) -> None:
    """What comes out is long enough but for the last, ascending, and covers what came in."""
    records, at = [], 0
    for length in lengths:
        records.append(Record(at, at + length))
        at += length + gaps
    found = list(joined(records, 16))
    assert all(each.end - each.start >= 16 for each in found[:-1])
    assert all(one.end == other.start for one, other in pairwise(found))
    assert [found[0].start, found[-1].end] == [0, records[-1].end] if records else not found


def test_joined_records_are_told_what_their_ends_were() -> None:
    """The context of the first goes before it; a part behind its beginning is told what the last is."""
    one, other = Record(0, 5, ("day",), ("day", "Ann")), Record(5, 40, (), ("Bob",))
    assert list(joined([one, other], 16)) == [Record(0, 40, ("day",), ("Bob",))]


def test_what_is_far_apart_stays_apart() -> None:
    """Running text between two tables belongs to neither."""
    records = [Record(0, 20), Record(90, 120)]
    assert list(joined(records, 100)) == records


@given(st.lists(st.integers(1, 9), max_size=20), st.integers(0, 200), st.integers(0, 50))
def test_the_records_within_a_part_are_found(lengths: list[int], start: int, length: int) -> None:
    """All that have a character there, and no others."""
    records = [Record(10 * number, 10 * number + size) for number, size in enumerate(lengths)]
    end = start + length
    wanted = [each for each in records if each.start < end and each.end > start]
    assert list(within(records, start, end)) == wanted
