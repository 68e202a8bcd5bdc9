"""The client of memory: what it sends that no command does."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag import errors
from pi_rag.memory_client import MemoryClient
from tests.standin import standing_in


def test_what_is_none_is_left_to_the_service_and_zero_is_not(tmp_path: Path) -> None:
    """In a body and behind a question mark; false is said in a body alone."""
    with standing_in(tmp_path / "s") as service:
        client = MemoryClient(tmp_path / "s")
        service.on("GET", "/v1/memories", {"memories": [], "next": None})
        service.on("POST", "/v1/memories", {"outcome": "created"})
        client.memories(scope=None, gone=False, expired=True, after=0)
        client.remember("a", importance=0, pinned=False, topic=None)

        assert service.asked[0].params == {"expired": "true", "after": "0"}
        assert service.asked[1].body == {"text": "a", "importance": 0, "pinned": False}


def test_one_memory_is_asked_for_by_its_number(tmp_path: Path) -> None:
    """And the service's error has its own class here."""
    with standing_in(tmp_path / "s") as service:
        client = MemoryClient(tmp_path / "s")
        service.on("GET", "/v1/memories/12", {"id": 12})
        service.refuse("GET", "/v1/memories/13", 404, "memory_not_found")
        assert client.memory(12) == {"id": 12}
        with pytest.raises(errors.MemoryNotFound):
            client.memory(13)
