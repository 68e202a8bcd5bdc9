"""Metadata as the database keeps it: one JSON object, in ASCII.

ASCII, because then even half of a character (a lone surrogate) can be kept. It is given back as U+FFFD: no
answer can hold it, since it cannot be written in UTF-8.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pi_rag.errors import RequestInvalid, StoreDamaged
from pi_rag.text.clean import clean_tree

DEPTH_MAX = 64
"""Deeper objects than this are no description of a document, and SQLite has a bound of its own."""

# Made once: a folder's files come by the hundred thousand, and json.dumps makes one each time.
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


_WHOLE = json.JSONEncoder(ensure_ascii=False)

HALF = r"\ud"
"""How each half of a character is written: most stand in pairs, for one beyond the first 65,536."""


def to_json(metadata: Mapping[str, Any]) -> str:
    """The text that is stored. Raises RequestInvalid for what JSON cannot say, and for bottomless nesting."""
    _refuse_deep(metadata, DEPTH_MAX)
    try:
        return _ENCODER.encode(dict(metadata))
    except (TypeError, ValueError) as error:
        raise RequestInvalid(f"The metadata cannot be kept as JSON: {error}.") from error


def read_at(row: Sequence[Any], place: int) -> list[Any]:
    """A row with the stored text at `place` turned back into the object that `to_json` was given, whole
    characters in it.

    Raises StoreDamaged when it is none any more.
    """
    try:
        return [*row[:place], _read(row[place]), *row[place + 1 :]]
    except ValueError as error:
        raise StoreDamaged("The database is damaged: metadata in it are no JSON any more.") from error


def _read(stored: str) -> Any:
    value = json.loads(stored)
    if HALF in stored:
        try:
            _WHOLE.encode(value).encode()
        except UnicodeEncodeError:
            return clean_tree(value, DEPTH_MAX)
    return value


def _refuse_deep(value: Any, levels_left: int) -> None:
    inner = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    )
    if inner and levels_left == 0:
        raise RequestInvalid(f"The metadata is nested more than {DEPTH_MAX} deep.")
    for each in inner:
        _refuse_deep(each, levels_left - 1)
