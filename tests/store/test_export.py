"""A document leaves the store whole, with what was made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pi_rag.errors import ModelMismatch
from pi_rag.store import Connection, documents, export
from pi_rag.types import Chunk
from tests.store.making import FINGERPRINT, axis, cut, document, put


def test_documents_come_by_number_and_end(db: Connection) -> None:
    """One collection, or all; what was removed is not there; after the last there is none."""
    first = put(db, "a", ["tea"], collection="one")
    gone = put(db, "b", ["milk"])
    last = put(db, "c", ["lemon"])
    documents.remove(db, gone)

    def numbers(collection: str | None) -> list[int]:
        after, found = 0, []
        while (stored := export.following(db, collection, after)) is not None:
            after = stored.document.id
            found.append(after)
        return found

    assert numbers(None) == [first, last]
    assert numbers("one") == [first]
    assert numbers("none") == []


def test_passages_come_with_their_vectors_when_the_model_is_named(db: Connection) -> None:
    """Bit by bit, in their order; pages begin where their first passage does."""
    texts = ["green tea", "black tea"]
    chunks = [replace(each, page=5 + each.seq) for each in cut(texts, heading="Tea")]
    hashes = [b"h" * 16, b"i" * 16]
    documents.put(db, document("a", texts), chunks, axis(0) + axis(1), 1.0, hashes)

    bare = export.following(db, None, 0)
    whole = export.following(db, None, 0, made_by=FINGERPRINT)

    assert bare is not None and whole is not None
    assert bare.document == whole.document == documents.get(db, whole.document.id)
    assert bare.pages == whole.pages == ((0, 5), (10, 6))
    assert bare.passages == ()
    assert [each.chunk for each in whole.passages] == chunks
    assert all(isinstance(each.chunk, Chunk) for each in whole.passages)
    assert [(each.vector, each.text_hash) for each in whole.passages] == [
        (axis(0), hashes[0]),
        (axis(1), hashes[1]),
    ]


def test_vectors_of_another_model_are_not_given_as_this_ones(db: Connection) -> None:
    """When the index was replaced between two documents, the export ends instead of mixing them."""
    put(db, "a", ["tea"])
    with pytest.raises(ModelMismatch):
        export.following(db, None, 0, made_by=replace(FINGERPRINT, model_sha256="1" * 64))
