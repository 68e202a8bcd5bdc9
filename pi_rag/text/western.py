"""Whether text that is no UTF-8 is in the Western code page, which most old notes and tables are.

A guesser needs sentences, and a note has three words: its one odd byte could be half of a Chinese letter. But
in a Western language the few letters beyond ASCII stand among ASCII letters, while the words of other scripts
and the pairs of bytes of East Asia stand together. It does not know what else a text could be.
"""

from __future__ import annotations

import re

ENCODING = "cp1252"
"""Latin-1 with the quotes and dashes of Windows in places where Latin-1 has nothing that is ever written."""

_PLACE = re.compile(rb"[\x80-\x9f\xa1-\xff]+")
"""What stands together beyond ASCII; a space that may not be broken (A0) is a space."""

_LETTER = re.compile(rb"[\xc0-\xd6\xd8-\xf6\xf8-\xff]")

_WORDLIKE = re.compile(
    rb"[\x82\x84\x8b\x91-\x93\x96\x97\xa1\xa7\xa9\xab\xad\xb0\xb5\xb7\xbf]?"
    rb"[\xc0-\xd6\xd8-\xf6\xf8-\xff]{1,2}"
    rb"[\x80\x82\x84-\x87\x89\x91-\x97\x99\x9b\xa1-\xbf]?"
)
"""One or two letters, with what may stand right before or behind a word: quotes, dashes, dots and signs."""

_MARKS = frozenset(b"\x80\x82\x84\x85\x86\x87\x89\x8b\x91\x92\x93\x94\x95\x96\x97\x99\x9b")
"""Of Windows: the Euro, quotes, dashes, dots, daggers, per mille and trade mark."""

_SIGNS = frozenset(range(0xA1, 0xC0))
_BEFORE_WORDS = frozenset(b"\xa1\xa7\xa9\xab\xad\xb0\xb5\xb7\xbf")
"""Those that stand right before a letter too, such as the Spanish question mark and that of degrees."""

_OPENING = frozenset(b"\x82\x84\x8b\x91\x93")
_BETWEEN = frozenset(b"\x92\x9c")
"""Quotes that open; and what stands between letters: the apostrophe, and the French letter Latin-1 lacks."""

_KATAKANA = 0x83
"""In Shift-JIS the first half of most of its letters, whose other half is often an ASCII letter."""


def is_western(sample: bytes) -> bool:
    """Whether more letters beyond ASCII say so than bytes say no; by signs alone where no letter says it.

    Many other code pages have the same signs. Where nothing says anything, it is Western if it could be.
    """
    try:
        sample.decode(ENCODING)
    except UnicodeDecodeError:
        return False
    letters = signs = others = 0
    for found in _PLACE.finditer(sample):
        place, before = found[0], sample[max(0, found.start() - 1) : found.start()]
        after = sample[found.end() : found.end() + 1]
        of_letters = _LETTER.search(place) is not None
        said = (_said_by_letters if of_letters else _said_by_signs)(place, before, after)
        if said < 0:
            others -= said
        elif of_letters:
            letters += said
        else:
            signs += said
    if letters or others:
        return letters > others
    return signs > 0 or not any(0x80 <= byte < 0xA0 for byte in sample)


def _said_by_letters(place: bytes, before: bytes, after: bytes) -> int:
    """1 beside an ASCII letter. What stands together else says no, by its length; a letter alone nothing."""
    is_quoted_amid = place[0] in _OPENING and before.isalpha()
    is_half = not _LETTER.match(place[-1:]) and _could_end_half(after)
    if is_quoted_amid or is_half or not _WORDLIKE.fullmatch(place):
        return -len(place)
    if before.isalpha() or after.isalpha():
        return 1
    return 0 if len(_LETTER.findall(place)) == 1 else -len(place)


def _said_by_signs(place: bytes, before: bytes, after: bytes) -> int:
    """1 for one sign, also repeated, that no encoding of East Asia could mean; 0 where one could."""
    sign = place[0]
    if len(set(place)) > 1 or sign == _KATAKANA:
        return -len(place)
    if sign in _BETWEEN and before.isalpha() and after.isalpha():
        return 1
    if sign in _OPENING and after.isalpha() and not _could_end_half(before):
        return 1
    if not _could_end_half(after):
        return 1 if sign in _SIGNS | _MARKS else 0
    return -1 if sign in _SIGNS - _BEFORE_WORDS else 0


def _could_end_half(byte: bytes) -> bool:
    """Whether an ASCII byte is also the second half of letters of East Asia."""
    return b"\x40" <= byte <= b"\x7e"
