"""Ten questions about this project are answered from the right page first."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.running import RunningService

pytestmark = pytest.mark.model

QUESTIONS = [
    ("what is lost when the power is cut or the disk is full", "data.md"),
    ("how do I try it on a fresh machine", "start.md"),
    ("which exit code says that the service is not running", "errors.md"),
    ("how many worker processes are there, and how do I change that", "settings.md"),
    ("who may use the socket, and how do I add a person", "operate.md"),
    ("how do I delete a document over HTTP with curl", "api.md"),
    ("which room may import the database library", "architecture.md"),
    ("how do I run the tests", "testing.md"),
    ("why was kreuzberg chosen and what is its licence", "dependencies.md"),
    ("why does the client not use http.client or httpx", "client.md"),
]
"""(question, the page that answers it)"""


@pytest.mark.parametrize(("question", "page"), QUESTIONS, ids=[page for _, page in QUESTIONS])
def test_the_right_page_comes_first(question: str, page: str, service: RunningService) -> None:
    """The first hit of a hybrid search is a passage of the page that has the answer."""
    answer = service.client.search(question, k=3)
    assert answer["degraded"] == []
    assert Path(answer["hits"][0]["source"]).name == page, [hit["heading"] for hit in answer["hits"]]
