"""Promises of pi_rag/ingest/exported.py."""

from __future__ import annotations

import json

from pi_rag.ingest import exported
from pi_rag.store.export import Stored, StoredPassage
from pi_rag.types import Chunk, DocumentRow
from tests.store.making import FINGERPRINT, axis

ROW = DocumentRow(
    3, "default", "a.pdf", "Ä", "pdf", "c0ffee", {"year": 2024}, 10, 1, 1.5, 2.5, "green\ntea\u2028!"
)
STORED = Stored(ROW, ((0, 4),), (StoredPassage(Chunk(0, 0, 5, "green", "Tea", 4, 1), b"\x01" * 16, axis(0)),))


def test_a_document_is_one_line() -> None:
    """All fields, and nothing that another program would take for the end of a line."""
    line = exported.line(STORED, vectors=False)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line) == {
        "collection": "default",
        "source": "a.pdf",
        "title": "Ä",
        "kind": "pdf",
        "metadata": {"year": 2024},
        "created_at": 1.5,
        "updated_at": 2.5,
        "content_hash": "c0ffee",
        "text": "green\ntea\u2028!",
        "pages": [[0, 4]],
    }


def test_passages_come_along_when_vectors_do() -> None:
    """Their place, headings, page and tokens, what they were made of, and little-endian float32 in base64."""
    (passage,) = json.loads(exported.line(STORED, vectors=True))["passages"]
    assert passage == {
        "start": 0,
        "end": 5,
        "heading": "Tea",
        "page": 4,
        "tokens": 1,
        "hash": "01" * 16,
        "vector": "AACAPwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    }


def test_half_characters_in_metadata_are_written_as_escapes() -> None:
    """They can be kept, so they can leave; a line is UTF-8 all the same."""
    row = DocumentRow(3, "c", "a", "é", "text", "h", {"odd": "\ud800"}, 1, 0, 1.0, 1.0, "é")
    line = exported.line(Stored(row, ()), vectors=False)
    assert json.loads(line.decode())["metadata"] == {"odd": "\ud800"}
    assert json.loads(line)["text"] == "é"


def test_lines_that_are_no_documents_are_told_by_their_mark() -> None:
    """The first says what made the vectors, the last where to go on."""
    assert json.loads(exported.head(FINGERPRINT)) == {
        "pi_rag_export": 1,
        "made_by": {
            "model_name": "tiny",
            "model_sha256": "0" * 64,
            "pooling": "cls",
            "query_prefix": "query: ",
            "dimensions": 8,
            "chunker_version": 1,
        },
    }
    assert exported.end(None) == b'{"pi_rag_export":1,"next":null}\n'
