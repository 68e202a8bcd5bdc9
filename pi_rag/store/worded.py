"""How a word index is asked: few rows ranked, the best ones told, with how much of the question each covers.

The same for documents and for memories. How a query becomes FTS5's language is told by `words.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pi_rag.store import Connection, coverage, words
from pi_rag.store.common import CommonWords
from pi_rag.store.rows import all_rows
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


RANKED_MAX = 2000
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
        return replace(_best(db, rows, asked.expression, coverage.WHOLE, k), every=True)
    most = ranked_max * COMMON_TIMES
    counts = (common or CommonWords(rows.index)).counts(db, [*map(words.plain, asked.terms)], most)
    telling = [(word, count) for word, count in counts if count < most]
    weighed = [(term, count) for term, (_, count) in zip(asked.terms, counts, strict=True)]
    narrow = words.narrowed(weighed, ranked_max, k, ranked_max * WEIGHING_TIMES)
    if narrow:
        shares = coverage.shares(db, narrow.expression, telling, rows.index)
        found = _best(db, rows, narrow.expression, shares, k, narrow.times)
        if len(found.ranked) == k:
            return found
    shares = coverage.shares(db, asked.expression, telling, rows.index)
    return _best(db, rows, asked.expression, shares, k)


def _best(db: Connection, rows: Rows, expression: str, shares: str, k: int, times: int = 1) -> Worded:
    """The best rows for an expression that says each word so many `times`.

    Equal ones go by id, so that an answer is always the same.
    """
    index = rows.index.words
    # The plus keeps FTS5 from sorting every row with the places of its words, at twice the price; and only
    # those in scope are ranked.
    sql = f"""
        SELECT rowid, -rank, covered({index}, ?) FROM {index}
        WHERE {index} MATCH ? AND rank MATCH ? AND {rows.within} ORDER BY +rank, rowid LIMIT ?
    """
    found = all_rows(db, sql, (shares, expression, rows.weights, *rows.bindings, k))
    ranked = [(number, score / times) for number, score, _ in found]
    return Worded(ranked, {number: covered for number, _, covered in found})
