"""How much of a query a passage covers: the weight of its words that the passage holds, from 0 to 1.

A word weighs what BM25 gives it (its inverse document frequency), and one that no passage holds weighs most:
a query that is half unknown cannot be covered. FTS5 does not tell which words a row holds, so the passages of
each word are read, and those that were found picked out. That is as fast as a function of ours that FTS5
would call for each row it keeps, and nobody waits for Python's lock meanwhile.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

from pi_rag.store import Connection
from pi_rag.store.rows import columns
from pi_rag.store.word_index import PASSAGES, WordIndex

_PHRASE = re.compile(r'"[^"]*"(?: \*)?')
"""A word or a phrase of an expression."""

IDF_MIN = 1e-6
"""What FTS5's own bm25() gives a word of more than half of all passages."""


def shares(
    db: Connection, expression: str, counts: Sequence[tuple[str, int]], index: WordIndex = PASSAGES
) -> dict[str, float]:
    """The part of the question that each phrase of an expression is.

    `counts` has each word of the query with the number of its passages. What the expression leaves out is no
    part of the question; what no passage has is. A word that stands there twice counts once.
    """
    passages = index.reach(db)
    phrases = set(_PHRASE.findall(expression))
    idf = {word: _idf(passages, count) for word, count in counts if not count or word in phrases}
    whole = sum(idf.values()) or 1.0
    return {phrase: weight / whole for phrase, weight in idf.items() if phrase in phrases}


def held(
    db: Connection, parts: Mapping[str, float], numbers: Sequence[int], index: WordIndex = PASSAGES
) -> dict[int, float]:
    """The sum of the `parts` that each of these rows of the index holds, at most 1; 0 for one without any."""
    # The plus keeps SQLite from asking FTS5 for each row by itself.
    sql = f"""
        SELECT {index.words}.rowid AS number, sum(part.value ->> 1) AS part FROM json_each(?) AS part
        CROSS JOIN {index.words} ON {index.words} MATCH (part.value ->> 0)
        WHERE +{index.words}.rowid IN (SELECT value FROM json_each(?)) GROUP BY 1
    """
    asked = (json.dumps([*parts.items()]), json.dumps(numbers))
    sums = zip(*columns(db, ("number", "part"), sql, asked), strict=True)
    return dict.fromkeys(numbers, 0.0) | {number: min(1.0, part) for number, part in sums}


def _idf(passages: int, count: int) -> float:
    return max(IDF_MIN, math.log((max(passages, count) - count + 0.5) / (count + 0.5)))
