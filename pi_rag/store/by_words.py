"""The word index of the passages: filled, asked, emptied.

It is FTS5 without a copy of the text. How words are spelled for it is told by `spelling.py`, how a query
becomes its language by `words.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pi_rag.store import Connection, coverage, words
from pi_rag.store.common import CommonWords
from pi_rag.store.rows import all_rows
from pi_rag.store.scope import within
from pi_rag.store.spelling import TOKENIZE, spelled
from pi_rag.types import Match, Scope


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


def create(db: Connection) -> None:
    """Make the index anew and put every stored passage in, one by one, so that memory is bounded."""
    db.execute(f"""
        DROP TABLE IF EXISTS chunks_fts;
        CREATE VIRTUAL TABLE chunks_fts USING fts5 (
            title, heading, body, content = '', contentless_delete = 1, tokenize = "{TOKENIZE}"
        );
    """)
    stored = """
        SELECT chunks.id, documents.title, chunks.heading, chunks.text
        FROM chunks CROSS JOIN documents ON documents.id = chunks.document_id
    """
    db.executemany(_INSERT, (_row(*passage) for passage in db.execute(stored)))


def add(db: Connection, chunk_id: int, title: str, heading: str, text: str) -> None:
    """Put one passage in."""
    db.execute(_INSERT, _row(chunk_id, title, heading, text))


def remove(db: Connection, chunk_ids: Iterable[int]) -> None:
    """Take passages out."""
    db.executemany("DELETE FROM chunks_fts WHERE rowid = ?", ((chunk_id,) for chunk_id in chunk_ids))


def by_words(
    db: Connection,
    query: str,
    k: int,
    scope: Scope,
    title_weight: float,
    heading_weight: float,
    *,
    match: Match = "any",
    ranked_max: int = RANKED_MAX,
) -> list[tuple[int, float]]:
    """What `worded` finds, without what each passage covers."""
    return worded(
        db, query, k, scope, title_weight, heading_weight, match=match, ranked_max=ranked_max
    ).ranked


def worded(
    db: Connection,
    query: str,
    k: int,
    scope: Scope,
    title_weight: float,
    heading_weight: float,
    *,
    match: Match = "any",
    ranked_max: int = RANKED_MAX,
    common: CommonWords | None = None,
) -> Worded:
    """The `k` passages that hold the query's words best.

    No query is an error; what `match` means is said at `words.asked`. About `ranked_max` passages are ranked:
    see `words.narrowed`. `common` remembers counts from one question to the next. Raises FilterInvalid.
    """
    asked = words.asked(query, match)
    if asked is None:
        return Worded([], {})
    weights = f"bm25({title_weight:.6f}, {heading_weight:.6f}, 1.0)"
    if asked.every:
        return replace(_best(db, asked.expression, coverage.WHOLE, weights, k, scope), every=True)
    most = ranked_max * COMMON_TIMES
    counts = (common or CommonWords()).counts(db, [*map(words.plain, asked.terms)], most)
    telling = [(word, count) for word, count in counts if count < most]
    weighed = [(term, count) for term, (_, count) in zip(asked.terms, counts, strict=True)]
    narrow = words.narrowed(weighed, ranked_max, k, ranked_max * WEIGHING_TIMES)
    if narrow:
        shares = coverage.shares(db, narrow.expression, telling)
        found = _best(db, narrow.expression, shares, weights, k, scope, narrow.times)
        if len(found.ranked) == k:
            return found
    shares = coverage.shares(db, asked.expression, telling)
    return _best(db, asked.expression, shares, weights, k, scope)


def _best(
    db: Connection, expression: str, shares: str, weights: str, k: int, scope: Scope, times: int = 1
) -> Worded:
    """The best passages for an expression that says each word so many `times`.

    Equal ones go by id, so that an answer is always the same.
    """
    in_scope, bindings = within(db, scope, "chunks_fts.rowid")
    # The plus keeps FTS5 from sorting every passage with the places of its words, at twice the price; and
    # only those in scope are ranked.
    sql = f"""
        SELECT rowid, -rank, covered(chunks_fts, ?) FROM chunks_fts
        WHERE chunks_fts MATCH ? AND rank MATCH ? AND {in_scope} ORDER BY +rank, rowid LIMIT ?
    """
    rows = all_rows(db, sql, (shares, expression, weights, *bindings, k))
    ranked = [(chunk_id, score / times) for chunk_id, score, _ in rows]
    return Worded(ranked, {chunk_id: covered for chunk_id, _, covered in rows})


_INSERT = "INSERT INTO chunks_fts (rowid, title, heading, body) VALUES (?, ?, ?, ?)"


def _row(chunk_id: int, title: str, heading: str, text: str) -> tuple[int, str, str, str]:
    return chunk_id, spelled(title), spelled(heading), spelled(text)
