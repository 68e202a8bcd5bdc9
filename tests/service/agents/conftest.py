"""What all tests of the door for agents share."""

from __future__ import annotations

import pytest

from pi_rag.errors import EmbedderUnavailable
from pi_rag.ingest import runner
from pi_rag.service.agents import documents


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that waits for the embedder looks again at once."""
    monkeypatch.setattr(runner, "REST_S", 0.01)
    monkeypatch.setattr(documents, "LOOK_S_BETWEEN", 0.02)
    monkeypatch.setattr(EmbedderUnavailable, "retry_after_ms_default", 10)
