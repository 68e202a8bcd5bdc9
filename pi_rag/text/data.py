"""Data written as text: JSON and lines of JSON by their elements, YAML, TOML and INI by their top-level keys.

It goes by brackets, quotes and the beginnings of lines. It checks no syntax: what is no valid JSON may still
be cut at its commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice

from pi_rag.text.outline import Heading, Section, label, sections_of
from pi_rag.text.records import ROW_CHARS_MIN, Record, joined

ELEMENT_CHARS = 600
"""About a passage. Elements that are longer on the mean are parted into what they hold."""

DEPTH_MAX = 6
"""Deeper elements are not looked for: their names would say nothing any more."""

SAMPLE_LINES = 200

_TOKEN = re.compile(r'(?P<string>"(?:[^"\\\n]|\\.)*+"(?P<key>\s{0,40}:)?)|[\[\]{},]')
_TABLE_HEAD = re.compile(
    r"(?P<open>\[{1,2})(?P<name>[^\[\]\n]{1,100})\]{1,2}[ \t]*+(?:[#;][^\n]*)?\r?$", re.M
)
_TOP_KEY = re.compile(r"(?P<name>[A-Za-z_\"'][\w.\"'/ -]{0,60}):(?=[ \t]|\r?$)", re.M)
_SETTING = re.compile(r"[ \t]{0,20}[\w.\"'@/-][\w.\"'@/ -]{0,60}[ \t]?=")
_ASIDE = re.compile(r"[ \t]*(?:#|;|\r?$|---|\.\.\.)", re.M)
_WITHIN = re.compile(r"[ \t\]})]|- ")
_LINE = re.compile(r"[^\n]+")
_WHOLE_LINE = re.compile(r"[^\n]+\n?")


def json_records(text: str) -> list[Record]:
    """The elements of JSON, or its lines where each is a JSON text; empty when it looks like neither."""
    lines = [line.strip() for line in text.split("\n", SAMPLE_LINES)[:SAMPLE_LINES] if line.strip()]
    if len(lines) > 1 and all(_looks_like_json(line) for line in lines):
        whole = (Record(*line.span()) for line in _WHOLE_LINE.finditer(text) if not line[0].isspace())
        return list(joined(whole, ROW_CHARS_MIN))
    if not lines or not _looks_like_json(text.strip()):
        return []
    found = list(joined(_elements(text, _depth(text)), ROW_CHARS_MIN))
    return found if len(found) > 1 else []


def settings_sections(text: str) -> list[Section]:
    """Sections by the keys or tables at the top level of YAML, TOML or INI; else empty."""
    sample = [text[line.start() : line.end()] for line in islice(_LINE.finditer(text), SAMPLE_LINES)]
    lines = [line for line in sample if not _ASIDE.match(line)]
    if any(map(_TABLE_HEAD.match, lines)):
        outer = [line for line in lines if not _WITHIN.match(line)]
        usual = sum(bool(_SETTING.match(line) or _TABLE_HEAD.match(line)) for line in outer)
        pattern = _TABLE_HEAD if usual * 10 >= len(outer) * 8 else None
    else:
        usual = sum(_TOP_KEY.match(line) is not None for line in lines)
        pattern = _TOP_KEY if usual > 1 and all(map(_is_yaml, lines)) else None
    return sections_of(text, list(_headings(text, pattern))) if pattern else []


def _looks_like_json(text: str) -> bool:
    return text[:1] + text[-1:] in ("{}", "[]")


def _is_yaml(line: str) -> bool:
    return bool(_TOP_KEY.match(line) or _WITHIN.match(line))


def _headings(text: str, pattern: re.Pattern[str]) -> Iterator[Heading]:
    """The lines that begin at the margin and match, with the comments right above them."""
    above: int | None = None
    expected = 0
    for line in _WHOLE_LINE.finditer(text):
        if line.start() != expected:  # a blank line parts a comment from what is below it
            above = None
        expected = line.end()
        if found := pattern.match(text, line.start()):
            start = line.start() if above is None else above
            yield Heading(start, found.end(), (label(found["name"].strip("\"' ")),))
        above = (line.start() if above is None else above) if line[0].startswith("#") else None


def _depth(text: str) -> int:
    """The first depth down to which the elements are short enough."""
    commas = [0] * (DEPTH_MAX + 1)
    now = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        now = max(0, now + (mark in "[{") - (mark in "]}"))
        if mark == "," and now <= DEPTH_MAX:
            commas[now] += 1
    sums = accumulate(commas)
    return next((depth for depth, found in enumerate(sums) if found * ELEMENT_CHARS >= len(text)), DEPTH_MAX)


def _elements(text: str, depth: int) -> Iterator[Record]:
    """The elements at `depth` and above, under the keys that hold them; they cover the text."""
    keys: list[str] = []
    context: tuple[str, ...] = ()
    now, start, key = 0, 0, ""
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if token["string"]:
            key = mark if token["key"] and now <= depth else key
        elif mark in "[{":
            now += 1
            keys += [_name(key)] if now <= depth else []
            key = "" if now <= depth else key
        elif mark in "]}":
            now = max(0, now - 1)  # one that was never opened closes nothing
            del keys[now:]
        elif now <= depth:
            yield Record(start, token.end(), *_named(context, _name(key)))
            start, key, context = token.end(), "", tuple(each for each in keys if each)
    if start < len(text):
        yield Record(start, len(text), *_named(context, _name(key)))


def _named(context: Sequence[str], name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The context of an element, and that of a part of it: its own key too."""
    above = tuple(context)
    return above, (*above, name) if name else above


def _name(key: str) -> str:
    return label(key.rstrip(": \t\r\n").strip('"'))
