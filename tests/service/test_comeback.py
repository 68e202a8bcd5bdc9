"""Starts that fail in a row wait longer each time, and nothing else does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.clock import SystemClock
from pi_rag.service.comeback import LASTING_S, WAIT_S_MAX, Start, counted, number_of, wait_s


@dataclass
class Time:
    """A clock that a test sets."""

    now_s: float = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        raise AssertionError("Starts are counted by the monotonic clock: a Pi's other one jumps.")


class Waits:
    """Notes how long it was to wait, lets the time pass, and is never told to end."""

    def __init__(self, clock: Time) -> None:
        self.seconds: list[float] = []
        self._clock = clock

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        self._clock.now_s += seconds
        return True


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    return tmp_path


def fail(clock: Time, waits: Waits, *, after_s: float = 1.0) -> None:
    """A start that ends with an error so long after it began."""
    with pytest.raises(RuntimeError), counted(clock, waits):
        clock.now_s += after_s
        raise RuntimeError("the disk is not there")


@given(number=st.integers(1, 10**9))
def test_the_wait_grows_and_has_an_end(number: int) -> None:
    """Each is at least as long as the one before, and none is longer than a minute."""
    assert 0 <= wait_s(number) <= wait_s(number + 1) <= WAIT_S_MAX


@given(number=st.integers(0, 100), at_s=st.floats(0, 1e9), now_s=st.floats(0, 1e9))
def test_only_a_short_run_counts(number: int, at_s: float, now_s: float) -> None:
    """After a run of a minute, or when the clock cannot be right, the start is the first."""
    short = 0 <= now_s - at_s < LASTING_S
    assert number_of(Start(number, at_s), now_s) == (number + 1 if short else 1)


def test_starts_that_fail_in_a_row_wait_longer(folder: Path) -> None:
    """Three at once, then 2, 4, 8 seconds and so on, up to a minute, and so for ever."""
    clock = Time()
    waits = Waits(clock)
    for _ in range(11):
        fail(clock, waits)

    assert waits.seconds == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_a_run_that_lasted_makes_up_for_those_before(folder: Path) -> None:
    """A service that crashes once a day never waits."""
    clock = Time()
    waits = Waits(clock)
    for _ in range(6):
        fail(clock, waits, after_s=LASTING_S)

    assert waits.seconds == []


def test_a_run_that_ends_well_is_forgotten(folder: Path) -> None:
    """Who restarts it by hand, as often as they like, waits for nothing."""
    clock = Time()
    waits = Waits(clock)
    for _ in range(6):
        with counted(clock, waits):
            clock.now_s += 1

    assert (waits.seconds, list(folder.iterdir())) == ([], [])


@pytest.mark.parametrize("text", ["", "x", "7", "7 x", "-7 100.0", "1 2 3", "\0"])
def test_a_file_that_says_nothing_sensible_is_no_start(folder: Path, text: str) -> None:
    """A half-written count never keeps the service from starting."""
    (folder / "starts").write_text(text)
    waits = Waits(Time())
    with counted(Time(), waits):
        pass

    assert waits.seconds == []


def test_without_systemd_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal each start is the first."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    clock = Time()
    waits = Waits(clock)
    for _ in range(6):
        fail(clock, waits)

    assert waits.seconds == []


SERVE = """
import sys
from pi_rag.cli.main import main
sys.exit(main(["serve"]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 2)])
def test_a_wait_is_told_and_can_be_ended(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """systemd is told why nothing happens; SIGTERM ends it at once and well, SIGHUP ends the wait alone."""
    (tmp_path / "starts").write_text(f"50 {SystemClock().monotonic_s()}")
    environ = os.environ | {
        "RUNTIME_DIRECTORY": str(tmp_path),
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "PI_RAG_CONFIG": str(tmp_path / "there-is-none.toml"),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        service = subprocess.Popen([sys.executable, "-c", SERVE], env=environ, stderr=subprocess.PIPE)
        try:
            told = systemd.recv(1000).decode()
            service.send_signal(number)
            service.communicate(timeout=60)
        finally:
            service.kill()

    assert told == (
        "EXTEND_TIMEOUT_USEC=180000000\n"
        "STATUS=waiting 60 s: the last 50 starts ended within a minute; see the log"
    )
    assert service.returncode == code
    assert (tmp_path / "starts").exists() is (code != 0)


def test_of_several_folders_the_first_is_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd names all of RuntimeDirectory=, with colons between them."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"{folder}:{tmp_path / 'other'}")
    clock = Time()
    with counted(clock, Waits(clock)) as goes_on:
        assert goes_on
        assert (folder / "starts").exists()
