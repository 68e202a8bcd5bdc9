"""The few lines of a passage that are worth showing for a query. Pure; it knows no terminal."""

from __future__ import annotations

import re
import textwrap

from pi_rag.cli.printing import one_line, plain

LINES_MAX = 4
"""Lines of one passage: eight hits then fit two screens."""

WIDTH = 96
"""Columns of a line, so that it fits an 80 to 100 column terminal with its margin."""

CHARS_MAX = LINES_MAX * WIDTH


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
    """Where to begin: at the start if that shows a wanted word, else a little before the first one."""
    if len(flat) <= CHARS_MAX or not wanted:
        return 0
    pattern = rf"(?i)(?<!\w)(?:{'|'.join(map(re.escape, wanted))})(?!\w)"
    found = re.search(pattern, flat)
    if found is None or found.end() < CHARS_MAX:
        return 0
    # A little of what stands before it, from the beginning of a word.
    return flat.rfind(" ", 0, found.start() - WIDTH) + 1
