"""What a Markdown file says about itself in the block of YAML that it may begin with.

It reads the few fields that one would search or sort by, in the few ways that people write them, and is no
parser of YAML: what it does not understand is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pi_rag.text.headings import front_matter_end
from pi_rag.text.outline import label

VALUES_MAX = 64
"""Tags of one document; more are a mistake."""

_FIELD = re.compile(r"([A-Za-z_]{1,40})[ \t]*:(?:[ \t]+([^\n]{0,2000}))?")
_ITEM = re.compile(r"[ \t]*-[ \t]+([^\n]{1,400})")
_NAMES = {
    "title": "title",
    "date": "date",
    "created": "created",
    "modified": "modified",
    "updated": "modified",
    "lastmod": "modified",
    "published": "published",
    "author": "author",
    "tags": "tags",
    "keywords": "tags",
}
"""Other names of the same are given one name, so that one filter finds them all."""

_LISTS = frozenset({"tags"})


def front_matter(text: str) -> Mapping[str, str | list[str]]:
    """Title, author, dates as they are written, and `tags` as a list: those of them that are there."""
    found: dict[str, str | list[str]] = {}
    key, items = "", list[str]()
    for line in text[: front_matter_end(text)].splitlines()[1:-1]:
        if item := _ITEM.fullmatch(line):
            items.append(_plain(item[1]))
        elif field := _FIELD.fullmatch(line):
            _keep(found, key, items)
            key, items = _NAMES.get(field[1].lower(), ""), _values(field[2] or "")
    _keep(found, key, items)
    return found


def _keep(found: dict[str, str | list[str]], key: str, items: list[str]) -> None:
    """Put a field in its place, unless another one of the same meaning came before."""
    items = [item for item in items if item][:VALUES_MAX]
    if key and items and key not in found:
        if key in _LISTS:
            items = items if len(items) > 1 else [part.strip() for part in items[0].split(",")]
        found[key] = items if key in _LISTS else ", ".join(items)


def _values(written: str) -> list[str]:
    """One value, or those of a list in brackets."""
    written = written.strip()
    if written.startswith("[") and written.endswith("]"):
        return [_plain(part) for part in written[1:-1].split(",")]
    return [_plain(written)]


def _plain(written: str) -> str:
    """Without quotes, or the comment behind it."""
    written = written.strip()
    if written[:1] in {'"', "'"} and len(written) > 1:
        return label(written[1:].partition(written[0])[0])
    return label(written.partition(" #")[0])
