"""A text as records: rows of a table, turns of a chat, entries of a log, elements of JSON.

A record is kept whole while it fits a passage. What a reader needs to understand it and finds only further
up, such as the header of its table, goes with it as its context; it is never put into the text.
It does not know how a record is recognised.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

TURN_CHARS_MIN = 16
"""Shorter turns and entries go together with the next: there are no more than a text has sentences."""

ROW_CHARS_MIN = 80
"""The same for rows and elements, which say the same kind of thing: a table is no more work than prose."""

GAP_CHARS_MAX = 16
"""Less than this between two records is no text that would stand for itself."""


@dataclass(frozen=True, slots=True)
class Record:
    """A part of a text that belongs together, from `start` to `end`."""

    start: int
    end: int
    context: tuple[str, ...] = ()
    """What stands further up and is needed to read it, outermost first."""
    inner: tuple[str, ...] = ()
    """The same for a part of it that does not hold its own beginning."""


def within(records: Sequence[Record], start: int, end: int) -> Sequence[Record]:
    """Those of some ascending records that have a part in `start`..`end`."""
    first = bisect_right(records, start, key=attrgetter("end"))
    return records[first : bisect_left(records, end, key=attrgetter("start"))]


def joined(records: Iterable[Record], chars_min: int) -> Iterator[Record]:
    """Ascending records, the short ones as one with the next.

    What little is between two belongs to the first.
    """
    held: Record | None = None
    for record in records:
        if held is None:
            held = record
            continue
        near = record.start - held.end < GAP_CHARS_MAX
        if near and record.start - held.start < chars_min:
            held = Record(held.start, record.end, held.context, record.inner)
        else:
            yield Record(held.start, record.start, held.context, held.inner) if near else held
            held = record
    if held is not None:
        yield held
