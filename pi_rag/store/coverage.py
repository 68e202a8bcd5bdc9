"""How much of a query a passage covers: the weight of its words that the passage holds, from 0 to 1.

A word weighs what BM25 gives it (its inverse document frequency), and one that no passage holds weighs most:
a query that is half unknown cannot be covered. FTS5 tells which words a row holds only to a function of ours;
it is called for the rows that are kept, a microsecond each.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from pi_rag.store import Connection
from pi_rag.store.word_index import PASSAGES, WordIndex

if TYPE_CHECKING:
    import apsw

_PHRASE = re.compile(r'"[^"]*"(?: \*)?')
"""What FTS5 numbers as a phrase, in the order in which they stand."""

WHOLE = "[1.0]"
"""The argument of `covered` where every row that is found holds all that was asked."""

IDF_MIN = 1e-6
"""What FTS5's own bm25() gives a word of more than half of all passages."""


def teach(db: Connection) -> None:
    """Make `covered(index, shares)` known to a connection."""
    db.register_fts5_function("covered", _covered)


def shares(
    db: Connection, expression: str, counts: Sequence[tuple[str, int]], index: WordIndex = PASSAGES
) -> str:
    """The argument of `covered` for an expression: the share of each of its phrases, as JSON.

    `counts` has each word of the query with the number of its passages. What the expression leaves out is no
    part of the question; what no passage has is. A word that stands there twice counts once.
    """
    passages = index.reach(db)
    phrases = _PHRASE.findall(expression)
    idf = {word: _idf(passages, count) for word, count in counts if not count or word in phrases}
    whole = sum(idf.values()) or 1.0
    return json.dumps([idf.pop(phrase, 0.0) / whole for phrase in phrases])


def _idf(passages: int, count: int) -> float:
    return max(IDF_MIN, math.log((max(passages, count) - count + 0.5) / (count + 0.5)))


def _covered(row: apsw.FTS5ExtensionApi, /, *arguments: apsw.SQLiteValue) -> float:
    held = 0.0
    for phrase, share in _parts(str(arguments[0])):
        if row.phrase_columns(phrase):
            held += share
    return min(1.0, held)


@lru_cache(maxsize=64)
def _parts(argument: str) -> tuple[tuple[int, float], ...]:
    """Which phrases count, and how much. Read once for each query, not for each row."""
    return tuple((phrase, share) for phrase, share in enumerate(json.loads(argument)) if share)
