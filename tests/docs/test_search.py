"""The project's own documents answer the questions people have about it, the right page first."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.stress.running import RunningService
from tests.docs.pages import ROOT

pytestmark = pytest.mark.model

QUESTIONS = {
    "what survives a power cut": "docs/data.md",
    "which files lie on the disk": "docs/data.md",
    "how do I send a search request with curl": "docs/api.md",
    "what does the exit code of a command mean": "docs/errors.md",
    "how many worker processes are there and how do I change it": "docs/settings.md",
    "how do I run the tests": "docs/testing.md",
    "which room may import from which": "docs/architecture.md",
    "why was http.client not used": "docs/decisions/client.md",
    "which libraries does it need and what was passed over": "docs/decisions/dependencies.md",
    "how do I stop and restart the service": "docs/operate.md",
}


@pytest.mark.parametrize(("question", "page"), QUESTIONS.items(), ids=list(QUESTIONS.values()))
def test_the_right_page_comes_first(service: RunningService, question: str, page: str) -> None:
    """Asked as a person asks, the first hit is from the page that holds the answer."""
    hits = service.client.search(question)["hits"]

    assert str(Path(hits[0]["source"]).relative_to(ROOT)) == page
