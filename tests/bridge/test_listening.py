"""Standard input, until the client has closed it or is no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.bridge.listening import ClientGone, Listening
from tests.plain import plain_environ

ROOT = Path(__file__).parents[2]


class Pipes:
    """A client's ends of standard input and output."""

    def __init__(self) -> None:
        self.source, self.to = os.pipe()
        self.answers, self.sink = os.pipe()
        self.open = {self.source, self.to, self.answers, self.sink}

    def close(self, *ends: int) -> None:
        for end in ends:
            self.open.discard(end)
            os.close(end)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    pipes = Pipes()
    yield pipes
    pipes.close(*list(pipes.open))


def lines(pipes: Pipes, line_bytes_max: int = 1000) -> Iterator[bytes | None]:
    return Listening(pipes.source, pipes.sink, line_bytes_max).lines()


def test_lines_come_whole(pipes: Pipes) -> None:
    """However they are cut on the way, and the last one without its end."""
    coming = lines(pipes)
    os.write(pipes.to, b"one\ntwo\nth")
    assert [next(coming), next(coming)] == [b"one", b"two"]
    os.write(pipes.to, b"ree\n\nfour")
    assert [next(coming), next(coming)] == [b"three", b""]
    pipes.close(pipes.to)
    assert list(coming) == [b"four"]


def test_a_line_without_an_end_is_dropped_and_the_next_is_read(pipes: Pipes) -> None:
    """It is said once, and holds no memory."""
    coming = lines(pipes, line_bytes_max=10)
    os.write(pipes.to, b"x" * 30)
    assert next(coming) is None
    os.write(pipes.to, b"x" * 30 + b"\nnext\n")
    assert next(coming) == b"next"


def test_a_client_that_reads_no_more_is_gone(pipes: Pipes) -> None:
    """Nobody would read an answer, though somebody still holds the other end of standard input."""
    pipes.close(pipes.answers)
    with pytest.raises(ClientGone):
        next(lines(pipes))


def test_a_client_can_be_looked_for_between_lines(pipes: Pipes) -> None:
    """Whoever takes no lines for a while still learns that the parent has ended."""
    Listening(pipes.source, pipes.sink, 10).expect_client()
    with pytest.raises(ClientGone):
        Listening(pipes.source, pipes.sink, 10, os.getpid()).expect_client()


PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=int(sys.argv[2]), stdout=int(sys.argv[3]),
                         pass_fds=[int(sys.argv[2]), int(sys.argv[3])])
print(child.pid, flush=True)
child.wait()
"""
CHILD = """
import os
from pi_rag.bridge.listening import ClientGone, Listening
# kernel
listening = Listening(0, 1, 1000)
os.write(1, b"listens")
try:
    list(listening.lines())
except ClientGone:
    os.write(1, b" gone")
"""


@pytest.mark.parametrize("kernel", ["", "def no(*a): raise OSError\nos.pidfd_open = no\n"])
def test_a_killed_parent_ends_it_though_the_pipes_stay_open(pipes: Pipes, kernel: str) -> None:
    """Another child of the killed client may still hold its pipes; old kernels are asked once a second."""
    child = CHILD.replace("# kernel\n", kernel)
    command = [sys.executable, "-c", PARENT, child, str(pipes.source), str(pipes.sink)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=plain_environ(),
        stdout=subprocess.PIPE,
        pass_fds=[pipes.source, pipes.sink],
    ) as parent:
        assert os.read(pipes.answers, 7) == b"listens"
        os.kill(parent.pid, signal.SIGKILL)
        assert os.read(pipes.answers, 100) == b" gone"
