"""Memories, guests and facts known, made with as few words as a test needs."""

from __future__ import annotations

from typing import Any

from pi_rag.memory.judging import Known
from pi_rag.memory_types import Caller, Memory, Trust

NOW = 1_800_000_000.0
AGENT = Caller("agent", 1000, "claude/1.0")
OTHER_AGENT = Caller("agent", 1000, "codex/2.0")
PERSON = Caller("person", 1000, "pi-rag/1.0")


def fact_of(id_: int, text: str, **given: Any) -> Memory:
    """A fact in force, by an agent, but for what is given."""
    values: dict[str, Any] = {
        "type": "fact",
        "scope": "user",
        "kind": "note",
        "topic": None,
        "importance": 0.5,
        "confidence": 1.0,
        "tags": (),
        "pinned": False,
        "trust": "agent",
        "at": NOW - 100,
        "valid_to": None,
        "expires_at": None,
        "created_at": NOW - 100,
        "gone_at": None,
        "gone": None,
        "supersedes": None,
        "superseded_by": None,
        "revision": 1,
        "session_id": None,
        "seq": None,
        "door": "agent",
        "uid": 1000,
        "client": "claude/1.0",
        "document_id": None,
        "source": None,
        "repeats": 0,
        "last_said_at": NOW - 100,
        "uses": 0,
        "used_at": None,
    }
    return Memory(id=id_, text=text, **(values | given))


def known(
    id_: int, text: str, similarity: float = 0.0, pinned_by: Trust | None = None, **given: Any
) -> Known:
    """The same, as something that a new fact is held against."""
    return Known(fact_of(id_, text, pinned=pinned_by is not None, **given), pinned_by, similarity)
