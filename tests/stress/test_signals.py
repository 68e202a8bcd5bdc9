"""Signals reach those that they are meant for, and leave no one standing still."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pi_rag.stress import family
from pi_rag.stress.signals import kill, kill_one, stopped
from tests.stress.truth import until

WAITING = "import sys; sys.stdin.read()"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """One that waits for its end."""
    with subprocess.Popen([sys.executable, "-c", WAITING], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


def test_who_is_stopped_goes_on_afterwards(process: subprocess.Popen[bytes]) -> None:
    """Also when what was done meanwhile has failed, and another one has ended meanwhile."""
    with pytest.raises(ValueError, match="failed"), stopped([process.pid]):
        until(lambda: family.state(process.pid) == "T")
        raise ValueError("failed")
    until(lambda: family.state(process.pid) == "S")


def test_a_kill_tells_whether_somebody_was_met(process: subprocess.Popen[bytes]) -> None:
    """One who is gone already is nobody."""
    assert kill(process.pid) == process.pid
    process.wait()
    assert kill(process.pid) is None


def test_a_role_that_nobody_has_is_left_alone(process: subprocess.Popen[bytes]) -> None:
    """The process itself is the supervisor of its family, and lives."""
    assert kill_one(process.pid, "reader", random.Random(1)) is None
    assert family.lives(process.pid)
    assert kill_one(process.pid, "supervisor", random.Random(1)) == process.pid
