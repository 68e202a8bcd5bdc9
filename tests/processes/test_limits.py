"""Promises of pi_rag/processes/limits.py. Every limit is put on a child, never on the test."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.processes import frames
from pi_rag.processes.child import Child
from pi_rag.processes.limits import CLONE_NEWNET, CLONE_NEWUSER

from .test_child import ECHO, ROOT, ask

MIB = 1024 * 1024


@pytest.fixture
def child() -> Iterator[Child]:
    """A running echo child."""
    child = Child.spawn(ECHO, environ={"PYTHONPATH": ROOT})
    yield child
    child.kill()


def test_each_limit_is_put_in_force(child: Child) -> None:
    """The kernel reports the values asked for, and no core file whatever was asked."""
    limits = {"memory_mib_max": 512, "data_mib_max": 300, "file_mib_max": 0, "files_open_max": 20}
    assert ask(child, "limit", limits=limits) == {
        "RLIMIT_AS": 512 * MIB,
        "RLIMIT_DATA": 300 * MIB,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 20,
        "RLIMIT_CORE": 0,
    }


def test_a_limit_is_never_raised(child: Child) -> None:
    """A second, wider limit leaves the first in force."""
    ask(child, "limit", limits={"files_open_max": 20})
    assert ask(child, "limit", limits={"files_open_max": 1000})["RLIMIT_NOFILE"] == 20


@pytest.mark.parametrize("which", ["memory_mib_max", "data_mib_max"])
def test_memory_over_the_limit_is_a_memory_error(child: Child, which: str) -> None:
    """A bomb fails in the child alone, and the child can say so."""
    ask(child, "limit", limits={which: 400})
    assert ask(child, "allocate", mib=1024) == "MemoryError"


async def test_processor_time_over_the_limit_ends_the_child(child: Child) -> None:
    """An endless loop is ended by the kernel, with the signal that says why."""
    ask(child, "allow_cpu", more_s=0)
    frames.send_frame(child.sock, b'{"do": "burn"}', 100)
    assert await child.wait(timeout_s=60) == -signal.SIGXCPU


def test_processor_time_is_allowed_anew_for_each_piece_of_work(child: Child) -> None:
    """What was used before does not count, and the allowance may grow again."""
    for more_s in (1000, 10, 100):
        allowed = ask(child, "allow_cpu", more_s=more_s)
        assert more_s <= allowed["left_s"] <= more_s + 1
        assert allowed["hard"] == resource.getrlimit(resource.RLIMIT_CPU)[1]


def test_the_network_is_given_up_where_the_kernel_permits(child: Child) -> None:
    """After apply the child is in a network namespace of its own, and stays in it; or this is forbidden."""
    ours = Path("/proc/self/ns/net").readlink()
    ask(child, "limit", limits={"network": True})
    assert Path(f"/proc/{child.pid}/ns/net").readlink() == ours
    ask(child, "limit", limits={})
    theirs = Path(f"/proc/{child.pid}/ns/net").readlink()
    assert (theirs != ours) == _may_leave_the_network()


def _may_leave_the_network() -> bool:
    """Whether the kernel lets a process of ours into a namespace of its own, by either way."""
    pid = os.fork()
    if pid == 0:
        unshare = ctypes.CDLL(None).unshare
        os._exit(unshare(CLONE_NEWNET) != 0 and unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
    return os.waitpid(pid, 0)[1] == 0
