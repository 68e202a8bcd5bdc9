"""Which passages of an answer touch each other and are better read as one. Pure; it reads no text."""

from __future__ import annotations

from collections.abc import Sequence

from pi_rag.types import Passage


def touching(passages: Sequence[Passage]) -> list[list[int]]:
    """The places of the passages in groups: of one document, and each overlapping or next to another.

    A group stands where its first member stood, and its members keep their order.
    """
    groups: list[list[int]] = []
    end = 0
    for place in sorted(range(len(passages)), key=lambda at: _where(passages[at])):
        passage = passages[place]
        if groups and _touches(passages[groups[-1][-1]], passage, end):
            groups[-1].append(place)
            end = max(end, passage.end)
        else:
            groups.append([place])
            end = passage.end
    return sorted(sorted(group) for group in groups)


def _where(passage: Passage) -> tuple[int, int]:
    return passage.document_id, passage.seq


def _touches(before: Passage, passage: Passage, end: int) -> bool:
    """Whether it comes next in its document, or begins before `end`, where those before it end."""
    same = before.document_id == passage.document_id
    return same and (passage.seq == before.seq + 1 or passage.start <= end)
