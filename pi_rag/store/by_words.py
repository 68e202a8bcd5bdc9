"""The word index of the passages: filled, asked, emptied.

It is FTS5 without a copy of the text. How words are spelled for it is told by `spelling.py`, how a query
becomes its language by `words.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from pi_rag.store import Connection
from pi_rag.store.common import CommonWords
from pi_rag.store.scope import within
from pi_rag.store.spelling import TOKENIZE, spelled
from pi_rag.store.word_index import PASSAGES
from pi_rag.store.worded import RANKED_MAX, Rows, Worded, best
from pi_rag.types import Match, Scope


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
    """The `k` passages that hold the query's words best: see `worded.best`. Raises FilterInvalid."""
    in_scope, bindings = within(db, scope, "chunks_fts.rowid")
    weights = f"bm25({title_weight:.6f}, {heading_weight:.6f}, 1.0)"
    rows = Rows(PASSAGES, weights, in_scope, bindings)
    return best(db, rows, query, k, match=match, ranked_max=ranked_max, common=common)


_INSERT = "INSERT INTO chunks_fts (rowid, title, heading, body) VALUES (?, ?, ?, ?)"


def _row(chunk_id: int, title: str, heading: str, text: str) -> tuple[int, str, str, str]:
    return chunk_id, spelled(title), spelled(heading), spelled(text)
