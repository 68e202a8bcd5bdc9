"""Whether a document is what it was, by what is stored twice: its text, and its passages with a hash of each.

A passage is a piece of its document's text, and says which. So a flipped bit in either shows, and the hash,
which was made when the passage was, mostly tells which of the two has it. It does not tell upper case from
lower, nor one kind of space from another. Pure: nothing is read or written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pi_rag.store.duplicates import copy_hash

State = Literal["whole", "mended", "joined", "altered", "cut", "gone"]
"""whole: as it was. mended: damaged in one of two places, and right again. joined: put together from its
passages, with line breaks for the space between them. altered: it differs somewhere from what it was. cut: a
part of it is missing. gone: there is nothing left of it."""

GAP = "\n[...]\n"
"""Stands where a part of a text is missing."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage as it was found."""

    id: int
    seq: int
    start: int
    end: int
    text: str
    copy_hash: int | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What is left of a document."""

    state: State
    text: str
    passages: tuple[Passage, ...]
    """Those that fit the text, as they should be."""
    lacks_passages: bool
    """Whether it must be cut and embedded anew."""


def judge(text: str | None, chars: int, count: int, passages: Sequence[Passage]) -> Judged:
    """Judge a document by its text (None: gone), how long it should be and its `count` passages, by `seq`."""
    if text is None:
        return _joined(chars, count, passages)
    if len(text) != chars and not all(text[each.start : each.end] == each.text for each in passages):
        joined = _joined(chars, count, passages)
        return joined if joined.state == "joined" else Judged("altered", text, (), lacks_passages=True)
    return _compared(text, count, passages)


def _compared(text: str, count: int, passages: Sequence[Passage]) -> Judged:
    state: State = "whole"
    for each in passages:
        text, found = _one_compared(text, each)
        if found != "whole" and state != "altered":
            state = found
    fitting = tuple(_as_in(text, each) for each in passages if _is_placed(text, each))
    complete = [each.seq for each in fitting] == list(range(count)) and not leaves_out(text, fitting)
    return Judged(state, text, fitting, lacks_passages=not complete or state == "altered")


def _one_compared(text: str, passage: Passage) -> tuple[str, State]:
    """The text, mended where this passage has it right, and what that makes of the document."""
    ours = text[passage.start : passage.end]
    if ours == passage.text or not _is_placed(text, passage):
        return text, "whole"
    ours_right, theirs_right = (passage.copy_hash == copy_hash(each) for each in (ours, passage.text))
    if theirs_right and not ours_right:
        mended = text[: passage.start] + passage.text + text[passage.end :]
        return mended, "altered" if _differ_unseen(ours, passage.text) else "mended"
    return text, "whole" if ours_right and not theirs_right else "altered"


def _differ_unseen(one: str, other: str) -> bool:
    """Whether two of one length differ anywhere in what the hash does not tell: either may be right there."""
    return any(a != b and copy_hash(a) == copy_hash(b) for a, b in zip(one, other, strict=True))


def _is_placed(text: str, passage: Passage) -> bool:
    """Whether it is as long as the piece that it says it is. A damaged place hardly ever is."""
    return 0 <= passage.start < passage.end <= len(text) and passage.end - passage.start == len(passage.text)


def _as_in(text: str, passage: Passage) -> Passage:
    right = text[passage.start : passage.end]
    return replace(passage, text=right, copy_hash=copy_hash(right))


def leaves_out(text: str, passages: Sequence[Passage]) -> bool:
    """Whether something of the text is in none of the passages."""
    done = 0
    for each in passages:
        if text[done : each.start].strip():
            return True
        done = max(done, each.end)
    return bool(text[done:].strip())


def _joined(chars: int, count: int, passages: Sequence[Passage]) -> Judged:
    """The text from its passages alone."""
    sound = [each for each in passages if each.copy_hash in (None, copy_hash(each.text))]
    sound = [each for each in sound if each.end - each.start == len(each.text)]
    if not sound:
        return Judged("gone", "", (), lacks_passages=True)
    complete = [each.seq for each in sound] == list(range(count))
    text = ""
    for before, each in zip([None, *sound], sound, strict=False):
        missing = each.seq > 0 if before is None else each.seq != before.seq + 1
        if missing:
            text += GAP
        elif before is not None and each.start > before.end:
            text += "\n" * (each.start - before.end)
        overlap = max(0, before.end - each.start) if before is not None and not missing else 0
        text += each.text[overlap:]
    if not complete:
        return Judged("cut", text if sound[-1].seq == count - 1 else text + GAP, (), lacks_passages=True)
    text = "\n" * sound[0].start + text
    text += "\n" * max(0, chars - len(text)) if chars - len(text) < len(text) + 64 else ""
    placed = tuple(sound) if all(text[each.start : each.end] == each.text for each in sound) else ()
    return Judged("joined", text, placed, lacks_passages=not placed)
