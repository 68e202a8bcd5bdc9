"""A real service with the project's own pages in it, for the tests that do what the pages say."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.cli.follow import follow
from pi_rag.clock import SystemClock
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def service(minilm: ModelCard) -> Iterator[RunningService]:
    """A service that has read README.md and docs. One for each file: the examples of one forget pages."""
    environ = {"PI_RAG_MODEL": minilm.path, "PI_RAG_CONFIG": "/dev/null"}
    with tempfile.TemporaryDirectory() as folder, RunningService(Path(folder), environ) as running:
        job = running.client.add_paths([str(ROOT / "README.md"), str(ROOT / "docs")])["job"]
        # Not with one request, whose wait is bounded: on a busy machine half of the pages would be in.
        job = follow(running.client, job, clock=SystemClock(), pause=time.sleep, quiet=True)
        assert (job["state"], job["items_refused"], job["items_failed"]) == ("done", 0, 0)
        yield running
