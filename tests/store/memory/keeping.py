"""Memories for the store's tests."""

from __future__ import annotations

from pi_rag.memory_types import Memory
from pi_rag.store import Connection
from pi_rag.store.memory import memories, vectors
from tests.store.making import FINGERPRINT


def fact(text: str, topic: str | None = None) -> Memory:
    """A fact of the scope "user", true and stored at 1000."""
    return Memory(
        id=0,
        type="fact",
        scope="user",
        kind="note",
        text=text,
        topic=topic,
        importance=0.5,
        confidence=1.0,
        tags=(),
        pinned=False,
        trust="person",
        at=1000.0,
        valid_to=None,
        expires_at=None,
        created_at=1000.0,
        gone_at=None,
        gone=None,
        supersedes=None,
        superseded_by=None,
        revision=1,
        session_id=None,
        seq=None,
        door="person",
        uid=1000,
        client="test",
        document_id=None,
        source=None,
        repeats=0,
        last_said_at=1000.0,
        uses=0,
        used_at=None,
    )


def keep(db: Connection, memory: Memory, *rows: bytes) -> int:
    """Store it, with a vector for each of its parts if any are given; its number."""
    memory_id = memories.add(db, memory).id
    if rows:
        vectors.add(db, memory_id, b"".join(rows), FINGERPRINT)
    return memory_id
