"""The headings of Markdown: `# so`, and lines underlined with `===` or `---`.

It skips fenced code, comments and front matter, where `# so` means something else. It is no Markdown parser:
an underlined heading must be a paragraph of one line, and headings within lists and quotes are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pi_rag.text.outline import Heading, Section, end_of_line, label, sections_of

FRONT_MATTER_CHARS_MAX = 50_000
"""A front matter that is not closed by then is none."""

_CANDIDATE = re.compile(
    r"^ {0,3}(?:(?P<comment><!--)|(?P<fence>`{3,}+|~{3,}+)|(?P<atx>\#{1,6}+)(?=[ \t]|$)"
    r"|(?P<under>={2,}+|-{3,}+)[ \t\r]*+$)",
    re.MULTILINE,
)
_FRONT_MATTER_BEGIN = re.compile(r"---[ \t]*\r?\n(?=[\"'\w-]+[ \t]*:)")
_FRONT_MATTER_END = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
_NO_PARAGRAPH = re.compile(r" {4}|\t|\s*(?:[#>|<]|[-*+][ \t]|\d{1,9}[.)][ \t])")
_LINK = re.compile(r"!?\[([^\[\]]{0,200})\]\([^()\s]{0,500}(?:\s[^()]{0,200})?\)")
_ANCHOR = re.compile(r"\s*\{#[^{}]{0,100}\}\s*$")
_CLOSING = re.compile(r"(?:^|[ \t]+)#+[ \t]*$")
_EMPHASIS = re.compile(r"(?<!\\)(?:\*{1,3}|`+)")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def markdown_sections(text: str) -> list[Section]:
    """Sections of a Markdown text by its headings; they cover it from 0."""
    above: list[tuple[int, str]] = []
    headings: list[Heading] = []
    for start, body, level, title in _headings(text):
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, title))
        headings.append(Heading(start, body, tuple(name for _, name in above if name)))
    return sections_of(text, headings)


def first_heading(text: str, level_max: int = 1) -> str:
    """The title of the first heading of at most this level; empty when there is none."""
    return next((title for _, _, level, title in _headings(text) if level <= level_max and title), "")


def front_matter_end(text: str) -> int:
    """Offset behind the YAML block that a Markdown file may begin with; 0 when there is none."""
    if not _FRONT_MATTER_BEGIN.match(text):
        return 0
    end = _FRONT_MATTER_END.search(text, 4, FRONT_MATTER_CHARS_MAX)
    return end.end() if end else 0


def _headings(text: str) -> Iterator[tuple[int, int, int, str]]:
    """(start, offset behind it, level from 1, title) of each heading."""
    begin = front_matter_end(text)
    fence, unseen = "", 0
    for found in _CANDIDATE.finditer(text, begin):
        if found.start() < unseen:
            continue
        line_end = end_of_line(text, found.end())
        if found["comment"]:
            unseen = 0 if fence else text.find("-->", found.end())
        elif found["fence"]:
            fence = _fence_after(fence, found["fence"], text[found.end() : line_end])
        elif fence:
            continue
        elif found["atx"]:
            yield found.start(), line_end, len(found["atx"]), _title(text[found.end() : line_end])
        elif paragraph := _paragraph_above(text, begin, found.start()):
            start, title = paragraph
            yield start, line_end, 1 if found["under"].startswith("=") else 2, _title(title)


def _fence_after(fence: str, mark: str, rest: str) -> str:
    """The fence that is open behind this line; empty when none is.

    A fence is closed by one at least as long of the same character. One that never is reaches to the end.
    """
    if not fence:
        return "" if mark[0] == "`" and "`" in rest else mark
    closes = mark.startswith(fence) and not rest.strip()
    return "" if closes else fence


def _paragraph_above(text: str, begin: int, line: int) -> tuple[int, str] | None:
    """Start and text of the line above, when it is a paragraph by itself."""
    if line <= begin:
        return None
    start = max(text.rfind("\n", begin, line - 1) + 1, begin)
    above = text[start : min(line - 1, start + 400)]
    before = text[max(text.rfind("\n", begin, max(begin, start - 1)) + 1, begin, start - 400) : start]
    if not above.strip() or before.strip() or _NO_PARAGRAPH.match(above):
        return None
    return start, above


def _title(raw: str) -> str:
    """A heading as it reads: no links, no emphasis, no closing marks, no anchor."""
    title = _CLOSING.sub("", raw[:1000].strip())
    title = _LINK.sub(r"\1", _ANCHOR.sub("", title))
    title = _EMPHASIS.sub("", title.replace("\N{ZERO WIDTH SPACE}", ""))
    return label(_ESCAPE.sub(r"\1", title))
