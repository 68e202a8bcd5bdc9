"""Rows out of one page of a b-tree, each for itself: what is not a row is passed over, and the rest read.

The format is that of https://sqlite.org/fileformat.html#b_tree_pages. SQLite refuses a page of which anything
is wrong; here one wrong cell costs that cell. Whatever the bytes are, nothing is raised and nothing is read
beyond the page and its overflow. It knows no table: whether a row fits one is for the caller to say.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

INDEX_INTERIOR, TABLE_INTERIOR, INDEX_LEAF, TABLE_LEAF = 2, 5, 10, 13

VALUE_BYTES_MAX = 2**30
"""SQLite's own bound of a value. A length beyond it is damage."""

COLUMNS_MAX = 2000

PageOf = Callable[[int], bytes]
"""The content of a page; zeros for one that is not there."""

Value = Any
"""None, int, float, str, bytes, or `Unreadable`."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A text that is not UTF-8 any more: its bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Cell:
    """A row as the page has it."""

    rowid: int | None
    """None: in a b-tree of an index, which the tables WITHOUT ROWID are too."""
    values: tuple[Value, ...]


def rows(page: bytes, first: int, kind: int, page_of: PageOf) -> Iterator[Cell]:
    """The rows in a page that is taken to be of this kind. `first` is where its header begins.

    The cells are found by the page's own list. What lies where no list leads was removed.
    """
    begins = first + (12 if kind in (INDEX_INTERIOR, TABLE_INTERIOR) else 8)
    for place in range(begins, min(begins + 2 * count(page, first), len(page) - 1), 2):
        at = int.from_bytes(page[place : place + 2], "big")
        if begins + 2 <= at < len(page) - 2:
            cell = _cell(page, at, kind, page_of)
            if cell is not None:
                yield cell


def count(page: bytes, first: int) -> int:
    """How many cells a page says it has."""
    return int.from_bytes(page[first + 3 : first + 5], "big")


def is_page(page: bytes, first: int) -> bool:
    """Whether the head of a page comes out even: what SQLite wrote does, and noise or zeros do not."""
    kind, cells = page[first], count(page, first)
    interior = kind in (INDEX_INTERIOR, TABLE_INTERIOR)
    if not interior and kind not in (INDEX_LEAF, TABLE_LEAF):
        return False
    begins = first + (12 if interior else 8)
    content = int.from_bytes(page[first + 5 : first + 7], "big") or 65536
    if not begins + 2 * cells <= content <= len(page):
        return False
    places = range(begins, begins + 2 * cells, 2)
    return all(content <= int.from_bytes(page[each : each + 2], "big") <= len(page) - 4 for each in places)


def children(page: bytes, first: int) -> list[int]:
    """The pages that an interior page leads to, whatever it says of them."""
    places = range(first + 12, min(first + 12 + 2 * count(page, first), len(page) - 1), 2)
    at = [int.from_bytes(page[place : place + 2], "big") for place in places]
    left = [int.from_bytes(page[each : each + 4], "big") for each in at if each + 4 <= len(page)]
    return [*left, int.from_bytes(page[first + 8 : first + 12], "big")]


def _cell(page: bytes, at: int, kind: int, page_of: PageOf) -> Cell | None:
    if kind == INDEX_INTERIOR:
        at += 4
    size, at = varint(page, at)
    rowid = None
    if kind == TABLE_LEAF:
        rowid, at = _signed_varint(page, at)
    payload = _payload(page, at, size, kind, page_of)
    values = None if payload is None else record(payload)
    return None if values is None else Cell(rowid, values)


def _payload(page: bytes, at: int, size: int, kind: int, page_of: PageOf) -> bytes | None:
    """What the page holds of it and then what its chain of overflow pages does; None when that is not all."""
    usable = len(page)
    local_max = usable - 35 if kind == TABLE_LEAF else (usable - 12) * 64 // 255 - 23
    if size <= local_max:
        return page[at : at + size] if at + size <= usable else None
    if size > VALUE_BYTES_MAX:
        return None
    local_min = (usable - 12) * 32 // 255 - 23
    local = local_min + (size - local_min) % (usable - 4)
    local = local if local <= local_max else local_min
    if at + local + 4 > usable:
        return None
    parts, left = [page[at : at + local]], size - local
    following = int.from_bytes(page[at + local : at + local + 4], "big")
    seen: set[int] = set()
    while left > 0:
        if not following or following in seen:
            return None
        seen.add(following)
        more = page_of(following)
        parts.append(more[4 : 4 + left])
        left -= usable - 4
        following = int.from_bytes(more[:4], "big")
    return b"".join(parts)


def record(payload: bytes) -> tuple[Value, ...] | None:
    """The values of a record; None when it does not come out even, which a row that is whole does."""
    kinds, at = _kinds(payload)
    values: list[Value] = []
    for kind in kinds:
        length = _length(kind)
        if length is None or at + length > len(payload):
            return None
        values.append(_value(kind, payload[at : at + length]))
        at += length
    return tuple(values) if values and at == len(payload) else None


def _kinds(payload: bytes) -> tuple[list[int], int]:
    """What the head of a record says of its values, and where they begin; nothing where it is no head."""
    header_bytes, at = varint(payload, 0)
    kinds: list[int] = []
    while at < min(header_bytes, len(payload)) and len(kinds) <= COLUMNS_MAX:
        kind, at = varint(payload, at)
        kinds.append(kind)
    return (kinds, at) if at == header_bytes <= len(payload) else ([], 0)


_LENGTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)


def _length(kind: int) -> int | None:
    if kind < len(_LENGTHS):
        return _LENGTHS[kind]
    return (kind - 12) // 2 if kind >= 12 else None


def _value(kind: int, data: bytes) -> Value:
    if kind < 10:
        return _number(kind, data)
    if kind % 2 == 0:
        return data
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Unreadable(data)


def _number(kind: int, data: bytes) -> Value:
    if kind in (0, 8, 9):
        return None if kind == 0 else kind - 8
    return struct.unpack(">d", data)[0] if kind == 7 else int.from_bytes(data, "big", signed=True)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to 64 bits and where the next thing begins. Bytes beyond the end count as zeros."""
    number = 0
    for place in range(8):
        byte = data[at + place] if at + place < len(data) else 0
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at + place + 1
    last = data[at + 8] if at + 8 < len(data) else 0
    return number << 8 | last, at + 9


def _signed_varint(data: bytes, at: int) -> tuple[int, int]:
    number, at = varint(data, at)
    return (number - 2**64 if number >= 2**63 else number), at
