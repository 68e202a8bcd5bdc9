"""Promises of pi_rag/cli/serve.py: what a person hears who starts the service in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pi_rag.config import Settings
from pi_rag.errors import StoreDamaged
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


def test_settings_are_looked_at_and_nothing_is_served(
    served: list[Settings], run: Run, tmp_path: Path
) -> None:
    """As before a reload, which would else take nothing over and say so in the journal alone."""
    path = tmp_path / "pi-rag.toml"
    path.write_text("[gpio]\nled_pin = 17\n")
    good = run("serve", "--check", "--config", str(path))
    path.write_text("[gpio]\nled_pin = 40\n")
    bad = run("serve", "--check", "--config", str(path))

    assert (good.code, good.out, good.err, served) == (0, "", "", [])
    assert bad.code == 2 and "gpio.led_pin is 40" in bad.err


def _refused(monkeypatch: pytest.MonkeyPatch, error: StoreDamaged) -> None:
    def serve(*_: object) -> int:
        raise error

    monkeypatch.setattr(service, "serve", serve)


def test_what_mends_a_damaged_database_names_its_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed as it stands it acts on this folder and on no other; nothing runs that is to be stopped."""
    _refused(monkeypatch, StoreDamaged("It is damaged."))
    data = str(tmp_path / "my data")

    ran = run("serve", "--data", data)

    assert ran.code == StoreDamaged.exit_code
    assert f"Put a backup back: pi-rag restore --data '{data}' BACKUP" in ran.err
    assert f"(without one: pi-rag recover --data '{data}')" in ran.err
    assert "Stop the service" not in ran.err


def test_a_start_by_systemd_is_to_be_stopped_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be tried again and again."""
    _refused(monkeypatch, StoreDamaged("It is damaged."))
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    assert "Stop the service, then put a backup back: pi-rag restore BACKUP" in run("serve").err


def test_a_hint_of_its_own_is_left(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who raised it knows more."""
    _refused(monkeypatch, StoreDamaged("It is damaged.", hint="Do that."))
    assert "hint: Do that." in run("serve").err
