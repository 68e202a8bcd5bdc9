"""A text in the smallest pieces that a passage is built from: sentences and lines of some hundred characters.

Each piece knows how good a place its beginning is to cut, the headings above it, and the record (row, turn,
element) that it is a part of. Pieces are cut where tokens add up (see `boundaries`), so one count for each
piece is enough to know the tokens of any passage.
It does not know how many tokens that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from pi_rag.text.boundaries import best_cut, clings
from pi_rag.text.outline import Section
from pi_rag.text.records import GAP_CHARS_MAX, Record, within
from pi_rag.text.shape import shape_of
from pi_rag.types import Kind

ATOM_CHARS_MAX = 240
"""Some 60 tokens of English: a long sentence. What is longer is cut between words."""


class Break(IntEnum):
    """How good a place is to cut: the higher, the better."""

    SEAM = 0
    """Inside a word: a passage has to end here, since the two sides together may have more tokens."""
    WORD = 1
    SENTENCE = 2
    PARAGRAPH = 3
    SECTION = 4


@dataclass(frozen=True, slots=True)
class Atom:
    """A piece of a text, from `start` to `end`."""

    start: int
    end: int
    breaks: Break
    """What its start is."""
    path: tuple[str, ...]
    """The headings above it, outermost first."""
    context: tuple[str, ...] = ()
    """What a passage that begins here has to be told besides: the header of a table, the day of a chat."""
    record: int | None = None
    """Where the record begins that it is a part of; None in running text."""


_CHARS_MIN = {Break.WORD: 80, Break.SENTENCE: 40, Break.PARAGRAPH: 16}
"""A piece ends at a break only when it is this long: it bounds how many pieces a text of full stops has."""

_LATIN_END = (
    r"(?:[!?…]|\.(?<!\b[A-Za-z]\.)(?<!\bMr\.)(?<!\bMrs\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bSt\.)"
    r"(?<!\bNo\.)(?<!\bvs\.))"
)
"""Not after an initial or a short title: "J. S. Bach", "Mr. Bennet", "e.g. this"."""

_CLOSERS = r"[\"'”’»)\]*_」』）]{0,3}"
_ONE_LINE_BREAK = r"[ \t]*+\r?\n(?![ \t\r]*+\n)"
_PROSE_BREAK = re.compile(
    r"(?P<paragraph>\n[ \t\r]*+\n\s*+)"
    r"|(?P<item>\n(?=[ \t>]{0,40}(?:[-*+|#>]|\d{1,9}[.)])))"
    rf"|{_LATIN_END}{_CLOSERS}(?:[ \t]++(?![\r\n])|{_ONE_LINE_BREAK})"
    rf"|[。！？；｡]{_CLOSERS}(?:{_ONE_LINE_BREAK}|(?![ \t\r]*+\n))"
    r"|(?P<line>\n)"
)
_CODE_BREAK = re.compile(r"(?P<paragraph>\n[ \t\r]*+\n(?:[ \t\r]*+\n)*+)|\n")


def atoms(text: str, kind: Kind) -> list[Atom]:
    """Pieces whose concatenation is the text, ascending; empty for an empty text.

    There are at most 1000 and one for each 16 characters, and none is longer than `ATOM_CHARS_MAX`.
    """
    shape = shape_of(text, kind)
    pattern = _CODE_BREAK if kind == "code" else _PROSE_BREAK
    ends = [*(section.start for section in shape.sections[1:]), len(text)]
    return [
        atom
        for section, end in zip(shape.sections, ends, strict=True)
        for atom in _section_atoms(text, section, end, within(shape.records, section.start, end), pattern)
    ]


def resplit(
    text: str, pieces: Sequence[Atom], counts: Sequence[int], tokens_max: int
) -> list[tuple[Atom, int | None]]:
    """All pieces in order with their counts, those of more than `tokens_max` in halves without a count.

    Call it until every count is known and none is too long. A single character that has more tokens is said
    to have `tokens_max`: it cannot be cut.
    """
    known: list[tuple[Atom, int | None]] = []
    for piece, count in zip(pieces, counts, strict=True):
        if count <= tokens_max:
            known.append((piece, count))
        elif piece.end - piece.start == 1:
            known.append((piece, tokens_max))
        else:
            known.extend((half, None) for half in split_atom(text, piece))
    return known


def split_atom(text: str, atom: Atom) -> list[Atom]:
    """Two halves, cut at the best place in the middle; the atom itself when it is one character."""
    length = atom.end - atom.start
    if length < 2:
        return [atom]
    low = atom.start + max(1, length // 3)
    at, seam = best_cut(text, low, max(low, atom.start + length * 2 // 3))
    breaks = Break.SEAM if seam else Break.WORD
    return [replace(atom, end=at), replace(atom, start=at, breaks=breaks)]


def _section_atoms(
    text: str, section: Section, end: int, records: Sequence[Record], pattern: re.Pattern[str]
) -> Iterator[Atom]:
    """Running text up to the first record, the records, and what is between them and behind."""
    at, breaks = section.start, Break.SECTION
    for record in records:
        begin, stop = max(record.start, at), min(record.end, end)
        if stop - begin < GAP_CHARS_MAX:
            continue
        if begin > at:
            yield from _running(text, at, begin, breaks, section.path, pattern)
            breaks = Break.PARAGRAPH
        for piece in _running(text, begin, stop, breaks, section.path, pattern):
            context = record.context if piece.start == record.start else record.inner
            yield Atom(piece.start, piece.end, piece.breaks, section.path, context, record.start)
        at, breaks = stop, Break.SENTENCE
    yield from _running(text, at, end, breaks, section.path, pattern)


def _running(
    text: str, start: int, stop: int, breaks: Break, path: tuple[str, ...], pattern: re.Pattern[str]
) -> Iterator[Atom]:
    """A part of a text without records; nothing when it is empty."""
    for at, next_breaks in _breaks(text, start, stop, pattern):
        if at - start >= _CHARS_MIN[next_breaks] and at < stop and not clings(text[at - 1], text[at]):
            yield from _within_length(text, start, at, breaks, path)
            start, breaks = at, next_breaks
    if start < stop:
        yield from _within_length(text, start, stop, breaks, path)


def _breaks(text: str, start: int, end: int, pattern: re.Pattern[str]) -> Iterator[tuple[int, Break]]:
    """Every place where a piece may end, and how good it is."""
    for found in pattern.finditer(text, start, end):
        group = found.lastgroup
        if group == "paragraph":
            yield text.rfind("\n", start, found.end()) + 1, Break.PARAGRAPH
        elif group == "line":
            yield found.end(), Break.WORD
        else:
            yield found.end(), Break.SENTENCE


def _within_length(text: str, start: int, end: int, breaks: Break, path: tuple[str, ...]) -> Iterator[Atom]:
    """One piece, or several when it is too long."""
    while end - start > ATOM_CHARS_MAX:
        at, seam = best_cut(text, start + ATOM_CHARS_MAX // 2, start + ATOM_CHARS_MAX)
        yield Atom(start, at, breaks, path)
        start, breaks = at, Break.SEAM if seam else Break.WORD
    yield Atom(start, end, breaks, path)
