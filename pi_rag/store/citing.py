"""Passages with all that it takes to cite them. It does not know how they were found."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pi_rag.store import Connection
from pi_rag.store.metadata import read_at
from pi_rag.store.rows import all_rows
from pi_rag.types import Passage


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
