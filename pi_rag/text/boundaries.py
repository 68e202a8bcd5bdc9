"""Where a text may be cut without changing what its tokens add up to.

A BERT tokenizer first parts a text at white space, punctuation and Chinese characters, and then works within
each word. So the tokens of two pieces add up to those of the whole when the cut is at one of these. A cut
inside a word is a seam: the pieces on its two sides must not be put together again, or the word they make
may have more tokens than both.
It does not know the structure of a document.
"""

from __future__ import annotations

import unicodedata

_JOINER = "\N{ZERO WIDTH JOINER}"
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)
"""The ranges of BERT's own tokenizer. Kana, Hangul and Thai are not in them: those words are kept whole."""


def best_cut(text: str, low: int, high: int) -> tuple[int, bool]:
    """The best place to cut at an offset in `low`..`high` (each at least 1), and whether it is a seam.

    After white space, else beside a character that is a word by itself, else between two characters that are
    seen as two, else anywhere. Among equals the last. It looks at `high - low` characters at most.
    """
    for at in range(high, low - 1, -1):
        if text[at - 1].isspace() and not clings(text[at - 1], text[at]):
            return at, False
    for at in range(high, low - 1, -1):
        if _adds_up(text[at - 1], text[at]):
            return at, False
    for at in range(high, low - 1, -1):
        if not clings(text[at - 1], text[at]):
            return at, True
    return high, True


def _adds_up(before: str, after: str) -> bool:
    return (_is_word(before) or _is_word(after)) and not clings(before, after)


def _is_word(char: str) -> bool:
    """Whether the tokenizer makes a word of this character alone."""
    if char < "\x80":
        return char in _ASCII_PUNCTUATION
    point = ord(char)
    if any(low <= point <= high for low, high in _IDEOGRAPHS):
        return True
    return unicodedata.category(char).startswith("P")


def clings(before: str, after: str) -> bool:
    """Whether the two belong to one character as a reader sees it: an accent, an emoji's skin, a flag."""
    if before < "\x80" and after < "\x80":
        return before == "\r" and after == "\n"
    if _JOINER in (before, after) or unicodedata.category(after).startswith("M"):
        return True
    if "\N{EMOJI MODIFIER FITZPATRICK TYPE-1-2}" <= after <= "\N{EMOJI MODIFIER FITZPATRICK TYPE-6}":
        return True
    flags = "\N{REGIONAL INDICATOR SYMBOL LETTER A}", "\N{REGIONAL INDICATOR SYMBOL LETTER Z}"
    return all(flags[0] <= char <= flags[1] for char in (before, after))
