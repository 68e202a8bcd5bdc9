"""A text as sections: where each begins, and the headings above it.

It is the one shape that Markdown headings and definitions in code both come to, so that what cuts a text need
not know which it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SECTION_CHARS_MEAN_MIN = 64
"""A text has no more sections than its length by this. A megabyte of '#' lines would be one long outline."""

SECTIONS_MIN = 1000
"""So many are always allowed, since short texts may have short sections."""

LABEL_CHARS_MAX = 120

_VISIBLE = re.compile(r"\S")


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that names what follows."""

    start: int
    """Offset where what it names begins: the line itself, or the comments above it."""
    body: int
    """Offset behind the line."""
    path: tuple[str, ...]
    """The names above and its own, outermost first."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a text, from `start` to the next section's start."""

    start: int
    path: tuple[str, ...]


def sections_of(text: str, headings: Sequence[Heading]) -> list[Section]:
    """Sections that cover the text from 0; ascending, at least one.

    A heading with nothing under it begins no section of its own: the next one takes it in, since a passage of
    a bare heading answers nothing.
    """
    allowed = headings[: max(SECTIONS_MIN, len(text) // SECTION_CHARS_MEAN_MIN)]
    sections = [Section(0, ())]
    waiting: int | None = None
    for number, heading in enumerate(allowed):
        end = allowed[number + 1].start if number + 1 < len(allowed) else len(text)
        start = heading.start if waiting is None else waiting
        if number + 1 < len(allowed) and not _VISIBLE.search(text, heading.body, max(heading.body, end)):
            waiting = start
            continue
        waiting = None
        sections.append(Section(start, heading.path))
    return _without_blank_beginning(text, sections)


def label(name: str) -> str:
    """A name as it is shown: on one line, and not endless."""
    return " ".join(name[: 4 * LABEL_CHARS_MAX].split())[:LABEL_CHARS_MAX]


def end_of_line(text: str, at: int) -> int:
    """Offset of the line break behind `at`, or of the end of the text."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _without_blank_beginning(text: str, sections: list[Section]) -> list[Section]:
    """White space above the first heading belongs to it."""
    if len(sections) > 1 and not _VISIBLE.search(text, 0, sections[1].start):
        return [Section(0, sections[1].path), *sections[2:]]
    return sections
