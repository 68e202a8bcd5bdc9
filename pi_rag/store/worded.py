"""How a word index is asked: few rows ranked, the best ones told, with how much of the question each covers.

The same for documents and for memories. How a query becomes FTS5's language is told by `words.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pi_rag.store import Connection, coverage, words
from pi_rag.store.common import CommonWords
from pi_rag.store.rows import columns
from pi_rag.store.word_index import WordIndex
from pi_rag.types import Match


@dataclass(frozen=True, slots=True)
class Worded:
    """What the words have found."""

    ranked: list[tuple[int, float]]
    """(chunk_id, BM25 as a positive number), best first."""
    covered: dict[int, float]
    """How much of the query each holds, from 0 to 1: see `coverage.py`."""
    every: bool = False
    """Whether the person asked for certain words, so that a passage without them is no answer."""


RANKED_MAX = 1400
"""What `query.words_ranked_max` says where nobody set it."""

COMMON_TIMES = 8
"""The passages of a word are counted up to so many times as many as are ranked, to bound the counting. A word
of more says little, and to hold it covers nothing of a question."""

WEIGHING_TIMES = 3
"""Words that only weigh are in so many times as many passages, together, as are ranked. Without this bound
they took twice as long, and nDCG@10 changed by 0.001."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of a word index may be found, and how they are ranked."""

    index: WordIndex
    weights: str
    """The bm25() of FTS5 with the weight of each column."""
    within: str
    """A condition on the index's rowid."""
    bindings: Sequence[Any]


def best(
    db: Connection,
    rows: Rows,
    query: str,
    k: int,
    *,
    match: Match = "any",
    ranked_max: int = RANKED_MAX,
    common: CommonWords | None = None,
) -> Worded:
    """The `k` rows that hold the query's words best.

    No query is an error; what `match` means is said at `words.asked`. About `ranked_max` rows are ranked:
    see `words.narrowed`. `common` remembers counts from one question to the next.
    """
    asked = words.asked(query, match)
    if asked is None:
        return Worded([], {})
    if asked.every:
        ranked = _ranked(db, rows, asked.expression, k)
        return Worded(ranked, dict.fromkeys(dict(ranked), 1.0), every=True)
    most = ranked_max * COMMON_TIMES
    counts = (common or CommonWords(rows.index)).counts(db, [*map(words.plain, asked.terms)], most)
    telling = [(word, count) for word, count in counts if count < most]
    weighed = [(term, count) for term, (_, count) in zip(asked.terms, counts, strict=True)]
    narrow = words.narrowed(weighed, ranked_max, k, ranked_max * WEIGHING_TIMES)
    if narrow:
        found = _ranked(db, rows, narrow.expression, k)
        if len(found) == k:
            ranked = [(number, score / narrow.times) for number, score in found]
            return _covering(db, rows, narrow.expression, telling, ranked)
    return _covering(db, rows, asked.expression, telling, _ranked(db, rows, asked.expression, k))


def _covering(
    db: Connection,
    rows: Rows,
    expression: str,
    telling: Sequence[tuple[str, int]],
    ranked: list[tuple[int, float]],
) -> Worded:
    parts = coverage.shares(db, expression, telling, rows.index)
    return Worded(ranked, coverage.held(db, parts, [number for number, _ in ranked], rows.index))


def _ranked(db: Connection, rows: Rows, expression: str, k: int) -> list[tuple[int, float]]:
    """The best rows for an expression, with their BM25. Equal ones go by id, the same every time."""
    index = rows.index.words
    # The plus keeps FTS5 from sorting every row with the places of its words, at twice the price; and only
    # those in scope are ranked.
    sql = f"""
        SELECT rowid AS number, -rank AS score FROM {index}
        WHERE {index} MATCH ? AND rank MATCH ? AND {rows.within} ORDER BY +rank, rowid LIMIT ?
    """
    found = columns(db, ("number", "score"), sql, (expression, rows.weights, *rows.bindings, k))
    return [*zip(*found, strict=True)]
