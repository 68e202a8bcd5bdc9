"""How a text is spelled for the word index, so that FTS5's own tokenizer cuts it well. Pure.

Passages and queries are spelled alike; FTS5 then folds case and accents and takes English endings off
(unicode61 and porter). What is spelled otherwise than it stands:

- One form for one letter: full width, ligatures, composed and decomposed (Unicode's NFKC), sharp s as ss.
- Scripts without spaces, and Korean with its particles: overlapping pairs, then the last letter alone,
  so that every letter begins a word: "天気予報" becomes "天気 気予 予報 報". Any part of it, of one letter or
  more, is then the beginning of a word or of a phrase (docs/decisions/words.md).
- Emoji and other symbols: a word each, by their number. "C++" becomes "C plusplus", "C#" becomes "C sharp".
- Names in code, and letters with digits: the whole and its parts, "getUserName get User Name", "E104 E 104".
"""

from __future__ import annotations

import itertools
import re
import unicodedata

TOKENIZE = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
"""FTS5's tokenizer. Vowel signs (Mn, Mc) are parts of a word: without them Hindi and Tamil fall to pieces."""

_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0ebd\u0ec0-\u0ece\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1050-\u108f\u109a-\u109d\uaa60-\uaa7f\ua9e0-\ua9ef\ua9fa-\ua9fe"  # Burmese, Shan
    "\u1780-\u17d3\u17dd"  # Khmer
    "\u1950-\u19c9\u1a20-\u1a7c\uaa80-\uaac2"  # Tai scripts
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"  # Korean
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3041-\u309f\u30a1-\u30fa\u30fc-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\ua48c\uf900-\ufaff\U00016fe0-\U00018cff\U0001b000-\U0001b2ff\U00020000-\U000323af"
)
_RUN = re.compile(f"[{_UNSPACED}][{_UNSPACED}\u0300-\u036f]*")

_SYMBOL = re.compile("[©®™\u2190-\u22ff\u2300-\u24ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")
"""Not lines, blocks and bullets (25xx): they draw tables and lists, and nobody looks for them."""

_UNSEEN = re.compile("[\u00ad\u200c\u200d\u2060\ufeff\ufe00-\ufe0f]")
"""Soft hyphens, joiners and variation selectors: within a word, and not part of it."""

_SIGN = re.compile(r"(?<=[^\W\d_])(?:\+\+|#)(?![\w+#])")
_SIGNS = {"++": " plusplus ", "#": " sharp "}

CAMEL = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]?[0-9]*+[a-z][a-z0-9]*+[A-Z]|[A-Z]{2,}+[a-z])[A-Za-z0-9]*+")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
NUMBERED = re.compile(r"(?<![^\W_])(?:([^\W\d_]++)(\d++)|(\d++)([^\W\d_]++))(?![^\W_])")


class _Letters(dict[int, int]):
    """For `str.translate`: letters, their marks and digits as they are, a space for everything else.

    FTS5 knows an older Unicode and takes what it does not know for letters; it is shown none of that.
    """

    def __missing__(self, code: int) -> int:
        letter = chr(code)
        in_word = letter.isalnum() or unicodedata.category(letter) in {"Mn", "Mc", "Co"}
        return self.setdefault(code, code if in_word else 0x20)


_LETTERS = _Letters()


def spelled(text: str) -> str:
    """The text as the word index takes it: words in small letters between spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _UNSEEN.sub("", text))
        text = _RUN.sub(lambda found: f" {' '.join(_pairs(found.group()))} ", text)
    text = _SIGN.sub(lambda found: _SIGNS[found.group()], text)
    text = CAMEL.sub(lambda found: f"{found.group()} {' '.join(_PART.findall(found.group()))}", text)
    text = NUMBERED.sub(_with_parts, text)
    if not text.isascii():
        text = _SYMBOL.sub(lambda found: f" u{ord(found.group()):x} ", text)
    return text.casefold().translate(_LETTERS)


def unspaced(word: str) -> bool:
    """Whether the word is of a script without spaces."""
    return _RUN.match(word) is not None


def letters(run: str) -> list[str]:
    """A run cut before each letter that is not a mark of the one before it."""
    cut: list[str] = []
    for each in run:
        if cut and unicodedata.category(each) in {"Mn", "Mc"}:
            cut[-1] += each
        else:
            cut.append(each)
    return cut


def _pairs(run: str) -> list[str]:
    each = letters(run)
    return [first + second for first, second in itertools.pairwise(each)] + each[-1:]


def _with_parts(found: re.Match[str]) -> str:
    return " ".join([found.group(), *(part for part in found.groups() if part)])
