"""Promises of pi_rag/cli/serve.py: what a person hears who starts the service in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pi_rag.config import Settings
from pi_rag.service import run as service
from tests.cli.conftest import Run


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """What would have been served."""
    begun: list[Settings] = []

    def serve(settings: Settings, _: Callable[[], Settings]) -> int:
        begun.append(settings)
        return 0

    monkeypatch.setattr(service, "serve", serve)
    return begun


def test_without_a_model_a_person_hears_what_to_type(
    served: list[Settings], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it answers, what it lacks, and the command that gets it; then it serves all the same."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    ran = run("serve", "--data", str(tmp_path / "data"), "--socket", str(tmp_path / "s"))
    assert (ran.code, len(served)) == (0, 1)
    assert f"pi-rag answers at {tmp_path / 's'} until Ctrl-C." in ran.err
    assert "Searches go by words alone. Get one with: pi-rag model pull" in ran.err


def test_the_journal_gets_nothing_that_is_no_line_of_the_log(served: list[Settings], run: Run) -> None:
    """It has a form that programs read."""
    assert run("serve").code == 0
    assert served and run("serve").err == ""
