"""Facts as a list in Markdown, for a person to read and to edit; and facts from such a list. Pure.

    ## project:garden
    - [decision] **beds/north**: Beans follow the potatoes. <!-- {"tags": ["beans"]} -->

Each item of a list is a fact: its kind, its topic and its text, and in a comment what Markdown has no place
for: its tags, from when on and until when it is true, when it expires, whether it is pinned. A heading that
is a scope says where the items after it belong; one that was meant to be a scope, and is none, belongs to
whoever wrote the list, and so does a comment that says what cannot be. All else is read over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, get_args

from pi_rag.memory_types import FactKind, Memory, NewFact
from pi_rag.text import moment

_SCOPE = re.compile(r"#{1,6} (user|(?:project|agent):\S+)\s*")
_MEANT = re.compile(r"#{1,6} ((?:user|project|agent)s?\s*:.*)", re.IGNORECASE)
"""A heading like a scope: "## Project: garden"."""
_ITEM = re.compile(r"((?:[-*+]|\d{1,9}[.)]) )(.*)")
_KIND = re.compile(rf"\[({'|'.join(get_args(FactKind))})\] ")
_TOPIC = re.compile(r"\*\*([^*\n]+)\*\*: ")
_MARRED = re.compile(
    r"<!--[^>]{0,200}?\b(topic|tags|pinned|importance|confidence|valid_from|valid_to|expires_at)\b"
)
"""A comment that names what ours name, and cannot be read."""
_TIMES: Final = ("valid_from", "valid_to", "expires_at")
_SHARES: Final = {"importance": 0.5, "confidence": 1.0}


@dataclass(frozen=True, slots=True)
class Section:
    """What is written of a scope."""

    scope: str
    facts: Sequence[Memory]
    summaries: Sequence[Memory] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A fact, and the line on which it began, from 1."""

    line: int
    fact: NewFact
    wrong: str = ""
    """What it says that cannot be; then it is not to be taken."""


def written(sections: Sequence[Section]) -> str:
    """All of it, scope by scope, each fact on its own line or lines."""
    lines = ["# What is remembered", ""]
    for section in sections:
        lines += [f"## {section.scope}", "", *map(_item, map(as_told, section.facts)), ""]
        for summary in section.summaries:
            day = datetime.fromtimestamp(summary.at, UTC).date().isoformat()
            lines += [f"### Session of {day}", "", *(f"> {line}" for line in summary.text.split("\n")), ""]
    return "\n".join(lines)


def items(text: str, scope: str) -> Iterator[Item]:
    """The facts of a list. Those before the first heading that is a scope are of `scope`."""
    begun = indent = 0
    astray = ""
    item: list[str] = []
    for number, line in enumerate([*map(_indented, text.replace("\r\n", "\n").split("\n")), "#"], 1):
        if item and (line.startswith("  ") or not line.strip()):
            item.append(line[min(indent, len(line) - len(line.lstrip(" "))) :])
            continue
        if item:
            yield from _read(begun, "\n".join(item), scope, astray)
            item = []
        if match := _SCOPE.fullmatch(line):
            scope, astray = match[1], ""
        elif match := _MEANT.fullmatch(line):
            astray = f"The heading above it, {match[1]!r}, is no scope."
        elif match := _ITEM.fullmatch(line.lstrip()):
            begun, indent, item = number, len(match[1]), [match[2]]


def _indented(line: str) -> str:
    """With spaces for the tabs before its text."""
    text = line.lstrip(" \t")
    return line[: len(line) - len(text)].expandtabs(4) + text


def as_told(fact: Memory) -> NewFact:
    """What a list says of a fact, and all that is read of it again.

    When it was stored is not said. That it began then goes without saying, unless it ends: by the time the
    list is read it may be over.
    """
    kind: Any = fact.kind
    begins = fact.at != fact.created_at or fact.valid_to is not None
    return NewFact(
        fact.text.replace("\r\n", "\n"),
        fact.scope,
        fact.topic,
        kind,
        fact.importance,
        fact.confidence,
        fact.tags,
        fact.at if begins else None,
        fact.valid_to,
        fact.expires_at,
        fact.pinned,
    )


def _item(fact: NewFact) -> str:
    more: dict[str, Any] = {"tags": list(fact.tags)} if fact.tags else {}
    more |= {name: getattr(fact, name) for name, usual in _SHARES.items() if getattr(fact, name) != usual}
    more |= {name: _date(at) for name in _TIMES if (at := getattr(fact, name)) is not None}
    if fact.pinned:
        more["pinned"] = True
    topic = fact.topic or ""
    if "*" in topic or (not topic and _TOPIC.match(fact.text)):
        more["topic"], topic = fact.topic, ""
    body = f"**{topic}**: {fact.text}" if topic else fact.text
    if more or "<!--" in fact.text:
        body += f" <!-- {json.dumps(more, ensure_ascii=False).replace('>', chr(92) + 'u003e')} -->"
    first, *others = f"- [{fact.kind}] {body}".split("\n")
    return "\n".join([first, *(f"  {line}" for line in others)])


def _read(line: int, item: str, scope: str, astray: str) -> Iterator[Item]:
    kind, item = _taken(_KIND, item)
    item, more, strange = _more(item.rstrip())
    if "topic" in more:
        topic = more.pop("topic")
    else:
        topic, item = _taken(_TOPIC, item)
    if item.strip():
        fact_kind: Any = kind or "note"
        wrong = astray or (f"Its comment says what cannot be: {', '.join(strange)}." if strange else "")
        yield Item(line, NewFact(item.strip(), scope, topic, fact_kind, **more), wrong)


def _taken(pattern: re.Pattern[str], item: str) -> tuple[str | None, str]:
    match = pattern.match(item)
    return (None, item) if match is None else (match[1], item[match.end() :])


def _more(item: str) -> tuple[str, dict[str, Any], list[str]]:
    """The item without the comment at its end, what that says, and the names in it that are strange or hold
    what cannot be. A comment that is no object of JSON, and names nothing of ours, is text.
    """
    start = item.rfind("<!-- {")
    if start < 0 or not item.endswith("} -->"):
        return item, {}, _MARRED.findall(item)
    try:
        told = json.loads(item[start + 5 : -4])
    except (ValueError, RecursionError):
        return item, {}, _MARRED.findall(item)
    for name in told.keys() & set(_TIMES):
        told[name] = _moment(told[name], days_later=0 if name == "valid_from" else 1)
    more = {name: value for name, value in told.items() if _fits(name, value)}
    if "tags" in more:
        more["tags"] = tuple(more["tags"])
    return item[:start].rstrip(), more, [name for name in told if name not in more]


def _fits(name: str, value: object) -> bool:
    if name == "topic":
        return value is None or isinstance(value, str)
    if name == "tags":
        return isinstance(value, list) and all(isinstance(tag, str) for tag in value)
    if name == "pinned":
        return isinstance(value, bool)
    return name in (*_TIMES, *_SHARES) and isinstance(value, (int, float)) and not isinstance(value, bool)


def _date(at: float) -> str | float:
    """A time as a person reads it; seconds, where that would say less."""
    date = datetime.fromtimestamp(at, UTC).isoformat()
    return date if _moment(date) == at else at


def _moment(value: object, *, days_later: int = 0) -> object:
    """A date as seconds, as everywhere: until a day is until its end. All else as it is."""
    try:
        return moment.seconds_of(value, days_later=days_later) if isinstance(value, str) else value
    except ValueError:
        return value
