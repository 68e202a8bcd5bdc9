"""From pieces with token counts to passages.

The rules, in the order in which they decide:

1. A passage never has more than `tokens_max` tokens, and never joins two pieces at a seam.
2. It does not reach over a heading, except that a section of less than a third of `tokens_max` goes together
   with what follows under the same parent. Its heading is then what their headings have in common.
3. A longer section is cut into passages of about equal length, so that no short rest is left, each time at
   the best break near that length: paragraph before sentence before word.
4. A record (a row, a turn, an element) that fits into a passage is not cut.
5. A passage that begins within a section repeats the end of the one before it, whole pieces of at most
   `overlap_tokens`, from the beginning of a sentence where there is one. Of records it repeats whole ones.
6. Its heading is what the headings of all its parts have in common, and then what its beginning has to be
   told besides, such as the header of a table that began further up.

It counts no tokens itself. Any change here that moves a cut needs a new `CHUNKER_VERSION`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import itemgetter

from pi_rag.text.atoms import Atom, Break, atoms, resplit, split_atom
from pi_rag.types import Chunk

__all__ = ["CHUNKER_VERSION", "Atom", "Break", "atoms", "pack", "resplit", "split_atom"]

CHUNKER_VERSION = 2
"""Stored with the vectors: passages of two versions are not compared without saying so."""

HEADING_JOINT = " > "

SMALL_SHARE = 3
"""A section of less than one part in so many of a passage does not stand alone."""


def pack(
    text: str,
    pieces: Sequence[Atom],
    counts: Sequence[int],
    tokens_max: int,
    overlap_tokens: int,
    pages: Sequence[tuple[int, int]] = (),
) -> list[Chunk]:
    """The passages of a text, ascending by `seq` and `start`.

    `counts` has the tokens of each piece, `pages` the offsets where pages begin, with their numbers. Every
    character that is not white space is in a passage. Raises ValueError when a piece has over `tokens_max`.
    """
    if any(count > tokens_max for count in counts):
        raise ValueError("A piece is longer than a passage may be: resplit it first.")
    plan = _Plan(pieces, counts, tokens_max, overlap_tokens)
    chunks: list[Chunk] = []
    for overlap, fresh, end in plan.passages():
        begin, span = overlap, _trimmed(text, pieces[overlap].start, pieces[end - 1].end)
        if span and chunks and span[0] <= chunks[-1].start:  # all that was before the overlap is white space
            begin, span = fresh, _trimmed(text, pieces[fresh].start, pieces[end - 1].end)
        if span:
            heading, page = _heading(pieces, begin, end), _page(pages, sum(span) // 2)
            tokens = plan.tokens(begin, end)
            chunks.append(Chunk(len(chunks), *span, text[slice(*span)], heading, page, tokens))
    return chunks


class _Plan:
    """Where one text is cut, by the numbers of its pieces."""

    def __init__(
        self, pieces: Sequence[Atom], counts: Sequence[int], tokens_max: int, overlap_tokens: int
    ) -> None:
        self._pieces = pieces
        self._max = tokens_max
        self._overlap = overlap_tokens
        # A piece of no tokens (marks that the tokenizer drops) counts one: a megabyte of them is no passage.
        self._sums = [0, *accumulate(max(1, count) for count in counts)]

    def tokens(self, begin: int, end: int) -> int:
        return self._sums[end] - self._sums[begin]

    def passages(self) -> Iterator[tuple[int, int, int]]:
        """(begin, fresh, end) of each passage; from `begin` to `fresh` it repeats the one before."""
        for first, last in self._runs():
            fresh = before = first
            while fresh < last:
                begin = self._overlap_begin(before, fresh) if fresh > first else fresh
                end = self._end(begin, fresh, last)
                yield begin, fresh, end
                before, fresh = begin, end

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Sections as (first, last) piece numbers, small ones together with what follows them."""
        pieces = self._pieces
        starts = [number for number, piece in enumerate(pieces) if piece.breaks == Break.SECTION]
        first = 0
        for end in starts[1:]:
            small = self.tokens(first, end) * SMALL_SHARE < self._max
            if not (small and _kin(pieces[first].path, pieces[end].path)):
                yield first, end
                first = end
        yield first, len(pieces)

    def _end(self, begin: int, fresh: int, last: int) -> int:
        """Where the passage ends that begins at `begin` and has to hold more than what is before `fresh`."""
        furthest = self._furthest(begin, fresh, last)
        if furthest == last or self._breaks(furthest) == Break.SEAM:
            return furthest
        remaining = self.tokens(begin, last)
        aim = remaining / -(-remaining // self._max)
        possible = range(fresh + 1, furthest + 1)
        # Where there is no end between two records, the first record is longer than a passage.
        ends = [end for end in possible if not self._inside(end)] or possible
        long_enough = [end for end in ends if self.tokens(begin, end) >= aim / 2] or ends[-1:]
        return max(long_enough, key=lambda end: (self._breaks(end), -abs(self.tokens(begin, end) - aim)))

    def _furthest(self, begin: int, fresh: int, last: int) -> int:
        """The last end that the budget and the seams allow."""
        end = fresh + 1
        while end < last and self._breaks(end) != Break.SEAM and self.tokens(begin, end + 1) <= self._max:
            end += 1
        return end

    def _overlap_begin(self, before: int, fresh: int) -> int:
        """Where a passage begins whose own text starts at `fresh`, when the one before began at `before`."""
        room = min(self._overlap, self._max - self.tokens(fresh, self._unit_end(fresh)))
        begin = fresh
        while begin - 1 > before and not self._parted(begin) and self.tokens(begin - 1, fresh) <= room:
            begin -= 1
        ends = [at for at in range(begin, fresh) if not self._inside(at) or self._same_record(at, fresh)]
        sentences = (at for at in ends if self._breaks(at) >= Break.SENTENCE)
        return next(sentences, next(iter(ends), fresh))

    def _unit_end(self, fresh: int) -> int:
        """Behind what a passage must take at least: a whole record where it fits, else one piece."""
        end = fresh + 1
        while end < len(self._pieces) and self._inside(end):
            end += 1
            if self.tokens(fresh, end) > self._max:
                return fresh + 1
        return end

    def _inside(self, at: int) -> bool:
        """Whether a cut before this piece would part a record."""
        record = self._pieces[at].record
        return record is not None and record == self._pieces[at - 1].record

    def _same_record(self, at: int, other: int) -> bool:
        return self._pieces[at].record == self._pieces[other].record

    def _breaks(self, at: int) -> Break:
        return self._pieces[at].breaks

    def _parted(self, at: int) -> bool:
        return self._breaks(at) in (Break.SEAM, Break.SECTION)


def _kin(path: tuple[str, ...], following: tuple[str, ...]) -> bool:
    """Whether a section stands under the parent of another."""
    parent = path[:-1]
    return len(following) > len(parent) and following[: len(parent)] == parent


def _heading(pieces: Sequence[Atom], begin: int, end: int) -> str:
    """What the headings of all its pieces have in common, then the context of its beginning."""
    common = pieces[begin].path
    for piece in pieces[begin + 1 : end]:
        if piece.path is not common and piece.path != common:
            common = _common(common, piece.path)
    return HEADING_JOINT.join((*common, *pieces[begin].context))


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return one[:same]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span without white space at its ends; None when there is nothing else."""
    piece = text[start:end]
    inner = piece.strip()
    if not inner:
        return None
    start += len(piece) - len(piece.lstrip())
    return start, start + len(inner)


def _page(pages: Sequence[tuple[int, int]], offset: int) -> int | None:
    """The page that an offset stands on; None when there are no pages, or it stands before the first."""
    number = bisect_right(pages, offset, key=itemgetter(0))
    return pages[number - 1][1] if number else None
