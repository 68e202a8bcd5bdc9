"""What a guest notes of what it was told: what was sent must be there in the end."""

from __future__ import annotations

from typing import Any

import pytest

from pi_rag.memory_client import MemoryClient
from pi_rag.stress import workload
from pi_rag.stress.guest import Guest, Order


class Mangling(MemoryClient):
    """Of a service that keeps half of each text, and says so."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def remember(self, text: str, **fact: Any) -> dict[str, Any]:
        assert fact.keys() == {"scope", "topic"}
        return self._kept(text)

    def log_event(self, text: str, **event: Any) -> dict[str, Any]:
        assert event.keys() == {"scope"}
        return self._kept(text)

    def _kept(self, text: str) -> dict[str, Any]:
        self.sent.append(text)
        return {"memory": {"id": 7, "text": text[: len(text) // 2]}}


@pytest.mark.parametrize("operation", ["remember", "event"])
def test_a_memory_must_be_there_as_it_was_sent(operation: str) -> None:
    """A service that keeps something else, and answers with that, is found out."""
    client = Mangling()
    guest = Guest(3, Order("/nowhere", 1, [3], {operation: 1.0}, 0.0, 0.0, 1.0), client)
    guest.doing[operation]()

    [(what, _, digest)] = guest.entries
    assert what == "added"
    assert digest == workload.digest(client.sent[0])
    assert client.sent[0] == client.sent[0].strip(), "the service takes space around a text away"
