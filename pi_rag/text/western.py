"""Whether text that is no UTF-8 is in the Western code page, which most old notes and tables are.

A guesser needs sentences, and a note has three words: its one odd byte could be half of a Chinese letter. But
in a Western language the few letters beyond ASCII stand among ASCII letters, while the words of other scripts
and the pairs of bytes of East Asia stand together. It does not know what else a text could be.
"""

from __future__ import annotations

import re

ENCODING = "cp1252"
"""Latin-1 with the quotes and dashes of Windows in places where Latin-1 has nothing that is ever written."""

_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")

_LETTERS = frozenset(range(0xC0, 0x100)) - {0xD7, 0xF7}
_SIGNS = frozenset(range(0xA0, 0xC0))

_BEFORE_WORDS = frozenset(b"\xa1\xa7\xa9\xab\xad\xb0\xb5\xb7\xbf")
"""Signs that stand right before a letter too, such as the Spanish question mark and that of degrees."""

_OPENING = frozenset(b"\x91\x93")
_CLOSING = frozenset(b"\x80\x85\x92\x94\x96\x97")
"""Quotes that open; and what ends a word or stands alone: quotes, dashes, dots, the Euro."""

_APOSTROPHE, _OE = 0x92, 0x9C
"""What stands between letters: "it's", and in French the one letter that Latin-1 lacks."""

_KATAKANA = 0x83
"""In Shift-JIS the first half of most of its letters, whose other half is often an ASCII letter."""


def is_western(sample: bytes) -> bool:
    """Whether more of the places beyond ASCII say so than not; where none says anything, if it could be."""
    try:
        sample.decode(ENCODING)
    except UnicodeDecodeError:
        return False
    said = [_said(sample, *place.span()) for place in _BEYOND_ASCII.finditer(sample)]
    if any(each is not None for each in said):
        return said.count(True) > said.count(False)
    return not any(0x80 <= byte < 0xA0 for byte in sample)


def _said(sample: bytes, start: int, end: int) -> bool | None:
    """What one place beyond ASCII says, by what stands around it; None where it could be either."""
    before, after = sample[start - 1 : start] if start else b"", sample[end : end + 1]
    if end - start > 1 and sample[start] == _APOSTROPHE and before.isalpha():
        start += 1
    place = sample[start:end]
    if len(place) == 1:
        return _said_by_one(place[0], before, after)
    if len(place) > 2 or not _LETTERS.intersection(place):
        return False
    if _LETTERS.issuperset(place):
        return before.isalpha() or after.isalpha()
    first, last = place
    is_sound = (first in _BEFORE_WORDS and after.isalpha()) or (last in _SIGNS and before.isalpha())
    return None if is_sound else False


def _said_by_one(byte: int, before: bytes, after: bytes) -> bool | None:
    """Of a byte that stands alone. Before one of `@` to `~` it could be half a letter of East Asia."""
    could_be_half = b"\x40" <= after <= b"\x7e"
    if byte in _LETTERS:
        return True if before.isalpha() or after.isalpha() else None
    if byte in (_APOSTROPHE, _OE) and before.isalpha() and after.isalpha():
        return True
    if byte in _OPENING and after.isalpha() and not b"\x40" <= before <= b"\x7e":
        return True
    if byte in _SIGNS | _CLOSING and not could_be_half:
        return True
    return False if byte == _KATAKANA or byte in _SIGNS - _BEFORE_WORDS else None
