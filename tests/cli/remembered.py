"""Answers of the service about memory, in its own shapes, for a stand-in to give."""

from __future__ import annotations

from typing import Any

from pi_rag.memory_types import Change, Memory, Session
from pi_rag.service.memory_schemas import ChangeAnswer, MemoryAnswer, SessionAnswer

AT = 1_700_000_000.0


def memory(number: int = 12, text: str = "The key is under the stone", **more: Any) -> dict[str, Any]:
    """A memory as it goes over the wire."""
    values: dict[str, Any] = {
        "id": number, "type": "fact", "scope": "user", "kind": "note", "text": text, "topic": None,
        "importance": 0.5, "confidence": 1.0, "tags": (), "pinned": False, "trust": "person", "at": AT,
        "valid_to": None, "expires_at": None, "created_at": AT, "gone_at": None, "gone": None,
        "supersedes": None, "superseded_by": None, "revision": 1, "session_id": None, "seq": None,
        "door": "person", "uid": 1000, "client": "pi-rag/1", "document_id": None, "source": None,
        "repeats": 0, "last_said_at": AT, "uses": 0, "used_at": None,
    }  # fmt: skip
    return MemoryAnswer.model_validate(Memory(**values | more)).model_dump()


def change(number: int = 41, operation: Any = "remember", **more: Any) -> dict[str, Any]:
    """A line of the audit log."""
    values: dict[str, Any] = {
        "memory_ids": (12,),
        "scope": "user",
        "door": "person",
        "uid": 1000,
        "client": "x",
    }
    return ChangeAnswer.model_validate(Change(number, AT, operation, **values | more)).model_dump()


def session(number: int = 7, **more: Any) -> dict[str, Any]:
    """A session."""
    values: dict[str, Any] = {
        "scope": "project:garden", "title": "Pruning", "state": "open", "started_at": AT, "ended_at": None,
        "last_at": AT, "events": 3, "summary": None, "door": "agent", "uid": 1000, "client": "claude-code/2",
    }  # fmt: skip
    return SessionAnswer.model_validate(Session(number, **values | more)).model_dump()


def remembered(outcome: str = "created", **more: Any) -> dict[str, Any]:
    """What became of a fact."""
    answer: dict[str, Any] = {
        "outcome": outcome,
        "memory": memory(),
        "previous": None,
        "candidates": [],
        "change_id": 41,
    }
    return answer | {"warnings": [], "degraded": []} | more
