"""A document as one line of JSON, as it leaves this memory and comes into another.

    {"pi_rag_export": 1, "made_by": {...}}      first, where vectors come along: what made them
    {"collection": ..., "source": ..., ...}     one line for each document
    {"pi_rag_export": 1, "next": 812}           last, over HTTP only: where to go on; null when that was all

docs/export.md has every field. Nothing is read or written here but bytes in RAM.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Any

from pi_rag.store.export import Stored, StoredPassage
from pi_rag.types import Fingerprint

VERSION = 1
"""Fields may be added under the same number. One that changes its meaning needs another."""

MARK = "pi_rag_export"
"""A line with this key is no document."""


def head(made_by: Fingerprint | None) -> bytes:
    """The line that says which model made the vectors."""
    return _line({MARK: VERSION, "made_by": asdict(made_by) if made_by else None})


def end(next_id: int | None) -> bytes:
    """The line that says after which document to go on; None: there is no more."""
    return _line({MARK: VERSION, "next": next_id})


def line(stored: Stored, *, vectors: bool) -> bytes:
    """A document, with its passages where `vectors` come along."""
    row = stored.document
    fields: dict[str, Any] = {
        "collection": row.collection,
        "source": row.source,
        "title": row.title,
        "kind": row.kind,
        "metadata": dict(row.metadata),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "content_hash": row.content_hash,
        "text": row.text,
    }
    if stored.pages:
        fields["pages"] = stored.pages
    if vectors:
        fields["passages"] = [_passage(each) for each in stored.passages]
    return _line(fields)


def _passage(stored: StoredPassage) -> dict[str, Any]:
    """Without its text, which is what stands from `start` to `end` in the document's."""
    chunk = stored.chunk
    return {
        "start": chunk.start,
        "end": chunk.end,
        "heading": chunk.heading,
        "page": chunk.page,
        "tokens": chunk.token_count,
        "hash": stored.text_hash.hex() if stored.text_hash else None,
        "vector": base64.b64encode(stored.vector).decode("ascii"),
    }


def _line(fields: dict[str, Any]) -> bytes:
    # Metadata may hold half characters, which only an escape can write.
    try:
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
