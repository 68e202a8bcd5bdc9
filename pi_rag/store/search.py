"""Searching by meaning, and the passages that were found."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pi_rag.store import Connection, identity, vectors
from pi_rag.store.metadata import read_at
from pi_rag.store.rows import all_rows
from pi_rag.store.scope import chunk_ids
from pi_rag.types import Passage, Scope

Scored = list[tuple[int, float]]


def by_vector(db: Connection, vector: bytes, k: int, scope: Scope) -> Scored:
    """The `k` passages nearest in meaning to a unit vector (float32 little-endian), with cosine similarity.

    All are compared, so the answer is exact, and a scope is applied before the k are chosen. Raises
    VectorInvalid for a vector of another width, FilterInvalid.
    """
    among, bindings = ("", []) if scope.everything else chunk_ids(scope)
    model = identity.fingerprint(db)
    if model is None:
        return []
    vectors.check_size(vector, 1, model.dimensions)
    rows = vectors.nearest(db, vector, k, among, bindings)
    return [(chunk_id, cosine(distance)) for chunk_id, distance in rows]


def passages(db: Connection, wanted: Sequence[int]) -> list[Passage]:
    """The passages of these chunk ids, in this order. Those that are gone by now are left out."""
    sql = """
        SELECT chunks.id, documents.id, collections.name, documents.source, documents.title, chunks.heading,
               chunks.page, chunks.start, chunks.end, chunks.text, documents.metadata, documents.updated_at,
               chunks.seq
        FROM json_each(?) AS wanted
        CROSS JOIN chunks ON chunks.id = wanted.value
        CROSS JOIN documents ON documents.id = chunks.document_id
        CROSS JOIN collections ON collections.id = documents.collection_id
        ORDER BY wanted.key
    """
    rows = all_rows(db, sql, (json.dumps(list(wanted)),))
    return [Passage(*read_at(row, 10)) for row in rows]


def documents_of(db: Connection, wanted: Sequence[int]) -> dict[int, int]:
    """The document of each of these passages, by chunk id. Those that are gone by now are left out."""
    sql = """
        SELECT chunks.id, document_id FROM json_each(?) AS wanted
        CROSS JOIN chunks ON chunks.id = wanted.value
    """
    return {row[0]: row[1] for row in all_rows(db, sql, (json.dumps(list(wanted)),))}


def around(db: Connection, first: int, last: int, count: int) -> tuple[int, int]:
    """From where to where `count` passages before `first` and after `last` reach, both of one document.

    Offsets into its text, in characters. Where it has fewer passages, to its first or last one.
    """
    sql = """
        SELECT min(chunks.start), max(chunks.end) FROM chunks AS first
        CROSS JOIN chunks AS last ON last.id = ?
        CROSS JOIN chunks ON chunks.document_id = first.document_id
            AND chunks.seq BETWEEN first.seq - ? AND last.seq + ?
        WHERE first.id = ?
    """
    start, end = all_rows(db, sql, (last, count, count, first))[0]
    return int(start), int(end)


def cosine(distance: float) -> float:
    """Cosine similarity of two unit vectors from the length of their difference."""
    return 1.0 - distance * distance / 2.0
