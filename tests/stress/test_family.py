"""Processes are told by the kernel: who lives, who has ended, and who is whose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.stress import family

IDLE = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(IDLE) as process:
        yield process
        process.kill()


def test_a_stopped_process_lives_and_a_zombie_does_not(child: subprocess.Popen[bytes]) -> None:
    """A fault may stop a process; one that has ended lives no more, even before its parent has looked."""
    os.kill(child.pid, signal.SIGSTOP)
    assert family.lives(child.pid)
    os.kill(child.pid, signal.SIGKILL)

    assert family.left_after({child.pid}, 10.0) == set()
    assert not family.lives(child.pid)
    assert family.state(child.pid) == "Z"
    child.wait()
    assert family.state(child.pid) == ""


def test_who_does_not_end_is_named_after_the_time(child: subprocess.Popen[bytes]) -> None:
    """The wait has a bound."""
    assert family.left_after({child.pid}, 0.05) == {child.pid}


def test_a_family_is_the_supervisor_and_all_beneath(child: subprocess.Popen[bytes]) -> None:
    """A child that is none of the known programs is told as another."""
    found = family.family(os.getpid())

    assert found["supervisor"] == [os.getpid()]
    assert child.pid in found["other"]
    assert child.pid in family.all_of(os.getpid())


def test_a_number_and_its_beginning_are_one_process(child: subprocess.Popen[bytes]) -> None:
    """A beginning stays as it is, and is later for who began later; of who is gone there is none."""
    begun = family.begun([os.getpid(), child.pid])
    assert int(begun[os.getpid()]) < int(begun[child.pid])
    assert family.begun([child.pid]) == {child.pid: begun[child.pid]}
    child.kill()
    child.wait()
    assert family.begun([child.pid]) == {}


def test_of_what_is_gone_nothing_is_told(child: subprocess.Popen[bytes]) -> None:
    """No family, no time, no files, and no error."""
    child.kill()
    child.wait()

    assert family.family(child.pid) == {}
    assert family.processor_s(child.pid) is None
    assert family.descriptors(child.pid) == family.threads(child.pid) == 0


def test_files_threads_and_time_are_counted() -> None:
    """One more of each is one more."""
    pid = os.getpid()
    files, threads = family.descriptors(pid), family.threads(pid)
    is_over = threading.Event()
    thread = threading.Thread(target=is_over.wait)
    thread.start()
    with Path(os.devnull).open():
        assert family.descriptors(pid) == files + 1
    assert family.threads(pid) == threads + 1
    is_over.set()
    thread.join()
    used_s = family.processor_s(pid)
    assert used_s is not None
    assert used_s > 0


@pytest.mark.parametrize(
    ("command", "is_one"),
    [
        (["/usr/bin/python3", "-m", "pi_rag.cli.main", "serve"], True),
        (["/usr/bin/python3", "/opt/pi-rag/bin/pi-rag", "serve"], True),
        (["pi-rag", "serve"], True),
        (["/usr/bin/python3", "-m", "pi_rag.cli.main", "status"], False),
        (["grep", "serve", "pi-rag.toml"], False),
        (["vim", "/home/x/serve"], False),
        ([""], False),
    ],
)
def test_a_service_is_known_by_its_command_line(command: list[str], is_one: bool) -> None:
    """However it was started; no other command of ours is taken for one."""
    assert family._is_service(command) is is_one
