"""A service for tests has the settings of its starter alone, and its log is told in bounds."""

from __future__ import annotations

import json
import os
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.stress import running
from pi_rag.stress.running import RunningService

ENDS = (sys.executable, "-c", "print('these were the last words')")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """It ends as soon as it is started."""
    found = RunningService(tmp_path, {}, under=ENDS)
    yield found
    found.__exit__()


def asked(folder: Path, environ: dict[str, str]) -> str:
    """Why a command against a service that is not there has failed."""
    service = RunningService(folder, environ)
    told = json.loads(service.run("status", "--json").stdout)
    service.__exit__()
    return str(told["error"]["code"])


def test_a_persons_settings_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the one that lies at its place nor the one that was named; who names one to it has it read."""
    file = tmp_path / "pi-rag" / "pi-rag.toml"
    file.parent.mkdir()
    file.write_text("[nonsense]\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert asked(tmp_path, {}) == "service_down"
    monkeypatch.setenv("PI_RAG_CONFIG", str(file))
    assert asked(tmp_path, {}) == "service_down"

    assert asked(tmp_path, {"PI_RAG_CONFIG": str(file)}) == "settings_invalid"


def test_a_failed_start_tells_the_end_of_the_log_alone(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it said last is in it, however much it has said before."""
    monkeypatch.setattr(running, "LOG_BYTES_MAX", 100)
    service.log.write_text("long ago\n" * 1000)
    with pytest.raises(RuntimeError, match="the last words") as failed:
        service.start()

    assert len(str(failed.value)) < 200


def test_of_a_long_log_only_the_end_is_read(service: RunningService) -> None:
    """A night's log may be larger than the memory that is left."""
    assert service.log_end() == b""
    service.log.touch()
    os.truncate(service.log, 32 * running.LOG_BYTES_MAX)
    with service.log.open("ab") as log:
        log.write(b"the end")
    tracemalloc.start()
    try:
        told = service.log_end()
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(told) == running.LOG_BYTES_MAX
    assert told.endswith(b"\0the end")
    assert most_bytes < 4 * running.LOG_BYTES_MAX


def test_what_is_said_from_now_on_is_told_apart(service: RunningService) -> None:
    """In bytes, whatever letters were said before."""
    assert (service.log_bytes(), service.log_text()) == (0, "")
    service.log.write_text("früher\n", encoding="utf-8")
    said_bytes = service.log_bytes()
    with service.log.open("a", encoding="utf-8") as log:
        log.write("später\n")

    assert service.log_text(said_bytes) == "später\n"
    assert service.log_text() == "früher\nspäter\n"
