"""Small documents, passages and vectors, made from a few words."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from pi_rag.store import Connection, documents
from pi_rag.types import Chunk, Fingerprint, NewDocument

DIMENSIONS = 8

FINGERPRINT = Fingerprint(
    model_name="tiny",
    model_sha256="0" * 64,
    pooling="cls",
    query_prefix="query: ",
    dimensions=DIMENSIONS,
    chunker_version=1,
)


def axis(number: int) -> bytes:
    """The unit vector along one of the eight axes."""
    return struct.pack("<8f", *(1.0 if place == number else 0.0 for place in range(DIMENSIONS)))


def tilted(number: int, share: float) -> bytes:
    """A unit vector whose cosine with axis 0 is `share`, the rest along axis `number` (not 0)."""
    rest = (1.0 - share * share) ** 0.5
    return struct.pack("<8f", share, *(rest if place == number else 0.0 for place in range(1, DIMENSIONS)))


def vector_of(text: str) -> bytes:
    """Some unit vector, the same for the same text."""
    numbers = [byte - 127.5 for byte in hashlib.sha256(text.encode()).digest()[:DIMENSIONS]]
    length = sum(number * number for number in numbers) ** 0.5
    return struct.pack("<8f", *(number / length for number in numbers))


def cut(texts: Sequence[str], heading: str = "") -> list[Chunk]:
    """One passage for each text, as they lie in the texts joined by newlines."""
    chunks, start = [], 0
    for seq, text in enumerate(texts):
        chunks.append(Chunk(seq, start, start + len(text), text, heading, None, len(text.split())))
        start += len(text) + 1
    return chunks


def document(
    source: str,
    texts: Sequence[str],
    *,
    collection: str = "default",
    title: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> NewDocument:
    """A document of these passages."""
    text = "\n".join(texts)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return NewDocument(collection, source, title, "text", text, digest, metadata or {})


def add_as_once(db: Connection, chunk_id: int, vector: bytes) -> None:
    """A vector as it lay before schema 8: in sqlite-vec's virtual table."""
    db.execute(
        "CREATE VIRTUAL TABLE IF NOT EXISTS chunks_vec USING vec0 (chunk_id INTEGER PRIMARY KEY, "
        f"embedding float[{DIMENSIONS}] distance_metric=L2, chunk_size=256)"
    )
    db.execute("INSERT INTO chunks_vec (chunk_id, embedding) VALUES (?, ?)", (chunk_id, vector))


def put(
    db: Connection,
    source: str,
    texts: Sequence[str],
    *,
    collection: str = "default",
    title: str = "",
    heading: str = "",
    metadata: Mapping[str, Any] | None = None,
    vectors: bytes | None = None,
    now: float = 1.0,
) -> int:
    """Put a document of these passages and return its id. Vectors are made from the texts unless given."""
    new = document(source, texts, collection=collection, title=title, metadata=metadata)
    rows = b"".join(map(vector_of, texts)) if vectors is None else vectors
    return documents.put(db, new, cut(texts, heading), rows, now)[0]
