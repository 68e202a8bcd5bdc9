"""The few lines of a passage that are worth showing for a query. Pure; it knows no terminal."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from itertools import islice

from pi_rag.cli.printing import one_line, plain

LINES_MAX = 4
"""Lines of one passage: eight hits then fit two screens."""

WIDTH = 96
"""Columns of a line, so that it fits an 80 to 100 column terminal with its margin."""

CHARS_MAX = LINES_MAX * WIDTH
SHOWN_CHARS = CHARS_MAX - 24
"""So many of them are shown, about: lines end with words, and the last with what stands for the rest."""
FOUND_MAX = 2000
"""Places of wanted words that count; a passage seldom has as many."""
BEGINS_MAX = 20
"""Places that are weighed against one another: those of the words that are rarest in the passage."""


def words(query: str) -> list[str]:
    """The words of a query that are worth marking: two letters or more, in the order given, each once."""
    found = re.findall(r"\w[\w'-]*\w", query)
    return list(dict.fromkeys(word.casefold() for word in found))


def snippet(text: str, wanted: list[str]) -> list[str]:
    """At most LINES_MAX lines of the passage, from near the first of the wanted words."""
    flat = one_line(text)
    begin = _begin(flat, wanted)
    cut = flat[begin : begin + CHARS_MAX]
    if begin + CHARS_MAX < len(flat):
        cut = cut.rsplit(" ", 1)[0] + " …"
    if begin:
        cut = "… " + cut
    # A command such as pi-rag must not be parted at its hyphen.
    return textwrap.wrap(cut, WIDTH, max_lines=LINES_MAX, placeholder=" …", break_on_hyphens=False)


def ending(text: str) -> list[str]:
    """At most LINES_MAX lines, the text's last: what stands before a passage is read for where it leads."""
    lines = textwrap.wrap(one_line(text), WIDTH - len("… "), break_on_hyphens=False)
    last = lines[-LINES_MAX:]
    return last if last == lines else ["… " + last[0], *last[1:]]


def whole(text: str) -> list[str]:
    """All lines as they stand, so that code and tables keep their shape."""
    return plain(text).strip("\n").split("\n")


def _begin(flat: str, wanted: list[str]) -> int:
    """Where to begin: at the start, or where more of the wanted words are shown, the rare ones of them."""
    if len(flat) <= CHARS_MAX or not wanted:
        return 0
    pattern = rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, wanted))})(?!\w)"
    places = islice(re.finditer(pattern, flat), FOUND_MAX)
    found = [(each.start(), each.end(), each[0].casefold()) for each in places]
    counts = Counter(word for _, _, word in found)

    def worth(begin: int) -> float:
        shown = {word for at, end, word in found if begin <= at and end <= begin + SHOWN_CHARS}
        return sum(1 / counts[word] for word in shown)

    # A little of what stands before a word, from the beginning of another one.
    rarest = sorted(found, key=lambda each: counts[each[2]])[:BEGINS_MAX]
    begins = (flat.rfind(" ", 0, at - WIDTH) + 1 for at, end, _ in rarest if end > SHOWN_CHARS)
    return max((0, *begins), key=worth)
