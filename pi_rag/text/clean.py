"""What every later step may rely on: a text that can be encoded and stored.

It changes single characters and never how many there are, so that offsets found before it hold after it.
It does not know where a text came from.
"""

from __future__ import annotations

import re
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""SQLite ends a text at NUL in some of its functions; a lone surrogate cannot be written as UTF-8 at all."""

_VISIBLE = re.compile(r"[^\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""All but spaces and what has no shape: joiners, marks of order, byte order marks within a text."""


def is_blank(text: str) -> bool:
    """Whether there is nothing in a text that anybody could see."""
    return _VISIBLE.search(text) is None


def clean(text: str) -> str:
    """The text with each NUL and lone surrogate replaced by U+FFFD; as long as before."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def clean_tree(value: Any, depth_max: int) -> Any:
    """Every text in a JSON value, its keys included. Raises ValueError for what is nested deeper."""
    if isinstance(value, str):
        return clean(value)
    if not isinstance(value, (dict, list)):
        return value
    if depth_max < 0:
        raise ValueError("nested too deep")
    if isinstance(value, list):
        return [clean_tree(each, depth_max - 1) for each in value]
    return {clean(key): clean_tree(each, depth_max - 1) for key, each in value.items()}
