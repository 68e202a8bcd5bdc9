"""Where a memory's text is cut, so that each part is about as long as a passage of a document.

It is cut as documents are, but by a guess of its tokens: what is kept must be found at once, also while no
model is there to count them. Over chats the guess is from 0.9 to 1.3 times what WordPiece makes of them, so
a part of TOKENS_MAX has room in the shortest window. It knows no model.
"""

from __future__ import annotations

import re

from pi_rag.text.chunk import atoms, pack, resplit

TOKENS_MAX = 200
"""As `ingest.chunk_tokens_max` has it."""

OVERLAP_TOKENS = 20

_WORD = re.compile(r"[A-Za-z]+|[0-9]+|[^\sA-Za-z0-9]")

_SHORT_WORD = 7
"""Letters of a word that is mostly one token; a longer one is taken for one for each four."""


def tokens(text: str) -> int:
    """About how many tokens a text has."""
    return sum(map(_tokens, _WORD.findall(text)))


def parts(text: str) -> list[tuple[int, int]]:
    """(start, end) of each part in characters, ascending; most texts are one. None of what is blank."""
    if len(text) <= TOKENS_MAX:
        # No word has more tokens than characters.
        begin = len(text) - len(text.lstrip())
        return [(begin, len(text.rstrip()))] if text.strip() else []
    pieces = atoms(text, "text")
    counts = [tokens(text[piece.start : piece.end]) for piece in pieces]
    while any(count > TOKENS_MAX for count in counts):
        split = resplit(text, pieces, counts, TOKENS_MAX)
        pieces = [piece for piece, _ in split]
        counts = [tokens(text[piece.start : piece.end]) if count is None else count for piece, count in split]
    return [(each.start, each.end) for each in pack(text, pieces, counts, TOKENS_MAX, OVERLAP_TOKENS)]


def _tokens(word: str) -> int:
    if not word.isascii() or not word.isalnum():
        return 1
    if word.isdigit():
        return (len(word) + 1) // 2
    return 1 if len(word) <= _SHORT_WORD else (len(word) + 3) // 4
