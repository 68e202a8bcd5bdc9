"""Where the turns of a chat and the entries of a log begin.

By a stamp of time at the beginning of a line (WhatsApp, Slack, IRC, syslog, most programs), or by names that
come again and again ("Ann: ..."). Lines without one belong to the turn above. A line that is nothing but a
date is the context of the turns below it.
It goes by lines alone and knows no program's format; a text that does not look like one throughout is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from pi_rag.text.outline import label
from pi_rag.text.records import TURN_CHARS_MIN, Record, joined

SAMPLE_LINES = 200
"""So many lines with something on them tell whether a text is a chat or a log."""

TURNS_MIN = 3
NAMES_MAX = 12
"""People of one chat, in the sample. A list of terms has more."""

_DATE = (
    r"(?:\d{4}[-/.]?\d{2}[-/.]?\d{2}|\d{1,2}[-/. ](?:\d{1,2}|[A-Za-z]{3,9})[-/., ]{1,2}\d{2,4}"
    r"|(?:[A-Za-z]{3,9},?[ ])?[A-Za-z]{3,9}\.?[ ]{1,2}\d{1,2}(?:,?[ ]\d{4})?)"
)
_TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,9})?(?:\s?[AaPp]\.?[Mm]\b\.?)?(?:Z|[ ]?[+-]\d{2}:?\d{2})?"
_STAMPED = re.compile(
    rf"\u200e?[\[(<]{{0,2}}(?:{_DATE}[,T:_ ]{{1,3}}{_TIME}|{_TIME}(?=[\])>]|[ ]{{1,9}}\S))[\])>]{{0,2}}"
    r"(?P<who>[ \t]*(?:-[ ]{1,2})?(?:<[^<>\n]{1,40}>|[^\W\d_][^:\n\[\]{}]{0,39}:(?=\s)))?"
)
_SIGNED = re.compile(rf"(?P<who>[^\W\d_][^:,\n]{{0,39}}),[ ]?\[{_DATE}[, ]{{1,2}}{_TIME}\]:?")
_NAMED = re.compile(
    r"[ ]{0,3}(?:\*\*|__|<)?(?P<who>[^\W\d_](?:[\w.'’()-]|[ ](?=\S)){0,39})"
    r"(?:\*\*:|__:|:\*\*|:__|>:?|:)(?=[ \t]|\r?$)",
    re.MULTILINE,
)
_DAY = re.compile(rf"\W{{0,12}}(?:[A-Za-z]{{3,12}}[:,]?[ ]){{0,3}}{_DATE}(?:[,T_ ]{{1,3}}{_TIME})?\W{{0,12}}")
_LINE = re.compile(r"[^\n]+")

Begins = Callable[[str, int], "re.Match[str] | None"]


def turns(text: str) -> list[Record]:
    """The turns of a chat, or the entries of a log, ascending; empty when the text is neither.

    What stands above the first is a record too, so that they cover the text.
    """
    sample = list(islice(_lines(text), SAMPLE_LINES))
    if _is_stamped(text, sample):
        return list(joined(_records(text, stamp), TURN_CHARS_MIN))
    if _is_named(text, sample):
        return list(joined(_records(text, _NAMED.match), TURN_CHARS_MIN))
    return []


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each line with something on it."""
    return (line.span() for line in _LINE.finditer(text) if not line[0].isspace())


def stamp(text: str, at: int) -> re.Match[str] | None:
    """The stamp of time that begins there, and who speaks, where that is said."""
    return _STAMPED.match(text, at) or _SIGNED.match(text, at)


def _is_stamped(text: str, sample: Sequence[tuple[int, int]]) -> bool:
    """Whether every third line and the first of them has a stamp: an entry may have some lines more."""
    stamped = sum(stamp(text, start) is not None for start, _ in sample)
    early = any(stamp(text, start) for start, _ in sample[:3])
    return early and stamped >= TURNS_MIN and stamped * 3 >= len(sample)


def _is_named(text: str, sample: Sequence[tuple[int, int]]) -> bool:
    """Whether every second line begins with a name, and there are some that come twice at least."""
    lines = [(start, end) for start, end in sample if not _DAY.fullmatch(text, start, end)]
    found = [_NAMED.match(text, start) for start, _ in lines]
    names = [each["who"] for each in found if each]
    if not found or found[0] is None or len(names) * 2 < len(lines) or len(names) <= TURNS_MIN:
        return False
    return 2 <= len(set(names)) <= min(NAMES_MAX, len(names) // 2)


def _records(text: str, begins: Begins) -> Iterator[Record]:
    """From each beginning to the next one, under the day that was named last."""
    day: tuple[str, ...] = ()
    start, above, who = 0, day, ""
    for line, end in _lines(text):
        is_day = _DAY.fullmatch(text, line, end)
        found = None if is_day else begins(text, line)
        if is_day:
            day = (label(text[line:end].strip()),)
        if not (is_day or found):
            continue
        if line > start:
            yield Record(start, line, above, _inner(above, who))
        # A day that is named on its own line is read there; the turns below need to be told.
        start, above, who = line, () if is_day else day, label(found[0].strip(" *_\t")) if found else ""
    if start < len(text):
        yield Record(start, len(text), above, _inner(above, who))


def _inner(above: tuple[str, ...], who: str) -> tuple[str, ...]:
    return (*above, who) if who else above
