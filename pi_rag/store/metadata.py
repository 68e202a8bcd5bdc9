"""Metadata as the database keeps it: one JSON object, in ASCII.

ASCII, because then even half of a character (a lone surrogate) can be kept and given back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pi_rag.errors import RequestInvalid


def to_json(metadata: Mapping[str, Any]) -> str:
    """The text that is stored. Raises RequestInvalid for what JSON cannot say, such as NaN."""
    try:
        return json.dumps(dict(metadata), allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestInvalid(f"The metadata cannot be kept as JSON: {error}.") from error


def read_at(row: Sequence[Any], place: int) -> list[Any]:
    """A row with the stored text at `place` turned back into the object that `to_json` was given."""
    return [*row[:place], json.loads(row[place]), *row[place + 1 :]]
