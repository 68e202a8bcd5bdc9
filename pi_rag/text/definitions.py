"""The definitions of source code, in any language that looks like one: what is named, and how deep it stands.

It goes by the words at the beginning of a line and by indentation, as a reader does who skims. It parses no
language. A wrong guess costs a heading, never a character of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pi_rag.text.outline import Heading, Section, end_of_line, label, sections_of

DEPTH_MAX = 6
"""Definitions nested deeper than this are part of the one above: no one reads a longer path."""

_LINE = re.compile(r"^([ \t]{0,200}+)(?=\S)", re.MULTILINE)
_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|fileprivate|static|final|abstract|async|"
    r"unsafe|pub(?:\([\w: ]{1,40}\))?|inline|virtual|override|open|data|sealed|const|"
    r"constexpr|partial|declare|local|suspend|extern(?:[ ]\"\w{1,9}\")?)[ \t]+){0,6}"
)
_BEHIND_NAME = (
    r"(?=[ \t]{0,20}(?:[(\[{:<=;]|\r?$|->|(?:extends|implements|where|for|do|is|as|with|struct)\b))"
)
_CONTAINER = re.compile(
    _MODIFIERS
    + r"(?P<word>class|struct|interface|trait|impl|module|defmodule|namespace|enum|object|extension|protocol|"
    + r"mod)"
    + r"(?:<[^\n<>]{0,80}>)?[ \t]+(?P<name>[A-Za-z_$][\w$.:]{0,100}(?:[ ]for[ ][\w:]{1,100})?)"
    + r"(?:<[^\n<>]{0,80}>)?" + _BEHIND_NAME,
    re.MULTILINE,
)  # fmt: skip
_FUNCTION = re.compile(
    _MODIFIERS
    + r"(?P<word>def|defp|defn|defmacro|function|func|fn|fun|sub|proc|procedure|macro_rules!|type)\*?[ \t]+"
    + r"(?:\([^()\n]{0,80}\)[ \t]*)?(?P<name>[A-Za-z_$][\w$.:?!-]{0,100})" + _BEHIND_NAME,
    re.MULTILINE,
)  # fmt: skip
_ASSIGNED = re.compile(
    r"(?:export[ ])?(?:const|let|var)[ ](?P<name>[\w$]{1,100})[ ]?=[ ]?(?:async[ ]?)?"
    r"(?:function\b|\([^()\n]{0,160}\)[^\n=;]{0,60}=>|\w{1,60}[ ]?=>)"
)
_BRACED = re.compile(
    r"(?!(?:return|else|await|new|throw|yield|case|do|try)\b)"
    r"(?:[\w:<>,*&\[\].~]{1,80}+[ \t]+){0,6}[*&]{0,2}(?P<name>[A-Za-z_~$][\w:~$-]{0,100}+)[ \t]?"
    r"\([^;{}]{0,300}?\)[^;{}()\n]{0,80}\s{0,40}\{"
)
_TABLE = re.compile(
    r"create[ ](?:or[ ]replace[ ])?(?:unique[ ]|temp[ ]|temporary[ ]|virtual[ ]|materialized[ ])?"
    r"(?P<word>table|view|function|procedure|trigger|index)[ ](?:if[ ]not[ ]exists[ ])?"
    r"(?P<name>[\w.\"`]{1,100})",
    re.IGNORECASE,
)
_NO_NAME = frozenset(
    {
        "if",
        "for",
        "while",
        "switch",
        "catch",
        "else",
        "elif",
        "foreach",
        "when",
        "match",
        "return",
        "do",
        "try",
        "with",
        "using",
    }
)
_LEADING = re.compile(r"@|#|//|/\*|\*|--|;;|%%|\[\[?\w")
_NEUTRAL = re.compile(
    r"[#{]|//|/\*|\*|--|(?:public|private|protected|signals|slots)[\w ]{0,20}:\r?$", re.MULTILINE
)
_CLOSING = re.compile(r"[})\]]|end\b|\"\"\"|'''")


@dataclass(frozen=True, slots=True)
class _Open:
    """A definition that the current line may stand in."""

    indent: int
    label: str
    holds_others: bool


def code_sections(text: str) -> list[Section]:
    """Sections of source code by its definitions; they cover it from 0.

    A function within a function is a part of it. Comments and decorators right above one are its own.
    """
    return sections_of(text, list(_headings(text)))


def _headings(text: str) -> Iterator[Heading]:
    opened: list[_Open] = []
    leading: int | None = None
    expected = -1
    for line in _LINE.finditer(text):
        at, end = line.end(), end_of_line(text, line.end())
        if line.start() != expected:  # a blank line parts a comment from what is below it
            leading = None
        expected = end + 1
        indent = len(line[1].expandtabs(4))
        closed = _close(opened, indent, text, at)
        found = _definition(text, at) if _may_hold(opened) else None
        if found:
            opened.append(_Open(indent, found[0], found[1]))
            start = line.start() if leading is None else leading
            yield Heading(start, start, tuple(each.label for each in opened))
        elif closed and not _LEADING.match(text, at):
            yield Heading(line.start(), line.start(), tuple(each.label for each in opened))
        leading = (line.start() if leading is None else leading) if _LEADING.match(text, at) else None


def _may_hold(opened: list[_Open]) -> bool:
    return not opened or (opened[-1].holds_others and len(opened) < DEPTH_MAX)


def _close(opened: list[_Open], indent: int, text: str, at: int) -> bool:
    """Leave the definitions that the line at `at` does not stand in. True when one was left."""
    if _NEUTRAL.match(text, at) or _CLOSING.match(text, at):
        return False
    before = len(opened)
    while opened and opened[-1].indent >= indent:
        opened.pop()
    return len(opened) < before


def _definition(text: str, at: int) -> tuple[str, bool] | None:
    """Label of the definition that begins at `at`, and whether it may hold others."""
    found = _CONTAINER.match(text, at)
    if found:
        return label(f"{found['word']} {found['name'].rstrip(':')}"), True
    found = _FUNCTION.match(text, at) or _TABLE.match(text, at)
    if found:
        return label(f"{found['word']} {found['name']}"), False
    found = _ASSIGNED.match(text, at) or _BRACED.match(text, at)
    if found and found["name"] not in _NO_NAME:
        return label(f"{found['name']}()"), False
    return None
