"""Promises of pi_rag/processes/child.py."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pi_rag.errors import InternalError
from pi_rag.processes import frames
from pi_rag.processes.child import Child

from .echo import BYTES_MAX

ECHO = "tests.processes.echo"
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def child() -> Iterator[Child]:
    """A running echo child."""
    child = Child.spawn(ECHO, ["one", "two"], environ={"PYTHONPATH": ROOT, "COLOUR": "red"})
    yield child
    child.kill()


def ask(child: Child, do: str, **more: Any) -> Any:
    """One question and its answer."""
    frames.send_frame(child.sock, json.dumps({"do": do, **more}).encode(), BYTES_MAX)
    answer = frames.recv_frame(child.sock, BYTES_MAX)
    return None if answer is None else json.loads(answer)


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_child_gets_its_arguments_and_environment(child: Child) -> None:
    """What is passed to spawn arrives on the other side."""
    assert ask(child, "arguments") == ["one", "two"]
    assert ask(child, "environ", name="COLOUR") == "red"
    assert ask(child, "parent") == os.getpid()


def test_a_child_inherits_no_more_than_it_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be tokens in our own environment."""
    for name in ("COLOUR", "TOKEN"):
        monkeypatch.setenv(name, "red")
    child = Child.spawn(ECHO, environ={"PYTHONPATH": ROOT}, inherits={"COLOUR"})
    assert [ask(child, "environ", name=name) for name in ("COLOUR", "TOKEN")] == ["red", None]
    child.kill()


def test_a_child_has_no_terminal(child: Child) -> None:
    """Its session is its own, so that it can neither type into ours nor is ended with it by Ctrl-C."""
    assert os.getsid(child.pid) == child.pid


def test_a_child_steps_back_as_far_as_it_is_told() -> None:
    """From its first moment; who is told nothing is as nice as its parent."""
    children = {nice: Child.spawn(ECHO, environ={"PYTHONPATH": ROOT}, nice=nice) for nice in (0, 19)}
    found = {nice: os.getpriority(os.PRIO_PROCESS, child.pid) for nice, child in children.items()}
    for child in children.values():
        child.kill()

    assert found == {0: os.getpriority(os.PRIO_PROCESS, 0), 19: 19}


async def test_closing_the_socket_ends_a_child(child: Child) -> None:
    """A child that listens ends by itself with code 0, and is reaped."""
    ask(child, "arguments")
    assert await child.end(grace_s=20) == 0
    assert not child.alive


async def test_a_child_that_hangs_is_killed_after_its_grace(child: Child) -> None:
    """`end` never waits longer than it was told to, and leaves no process."""
    frames.send_frame(child.sock, b'{"do": "hang"}', BYTES_MAX)
    assert await child.end(grace_s=0.05) == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


async def test_waiting_has_a_bound(child: Child) -> None:
    """`wait` answers None while the child still runs, its code once it has ended."""
    assert await child.wait(timeout_s=0.01) is None
    os.kill(child.pid, signal.SIGKILL)
    assert await child.wait(timeout_s=20) == -signal.SIGKILL
    assert await child.wait(timeout_s=20) == -signal.SIGKILL


def test_a_child_leaves_no_descriptor_behind() -> None:
    """As many files are open after twenty children as before."""
    before = open_files()
    for _ in range(20):
        Child.spawn(ECHO, environ={"PYTHONPATH": ROOT}).kill()
    assert open_files() <= before


def test_a_program_that_cannot_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed spawn raises OSError and closes both ends."""
    before = open_files()
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(FileNotFoundError):
        Child.spawn(ECHO)
    assert open_files() <= before


def test_only_the_main_thread_may_spawn() -> None:
    """Another thread's end would kill the child: it is refused."""
    caught: list[Exception] = []

    def spawn() -> None:
        try:
            Child.spawn(ECHO)
        except InternalError as error:
            caught.append(error)

    thread = threading.Thread(target=spawn)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_a_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """kill -9 of the parent ends even a child that does not listen."""
    script = tmp_path / "parent.py"
    script.write_text(
        "from pi_rag.processes.child import Child\n"
        "from pi_rag.processes.frames import recv_frame, send_frame\n"
        f"child = Child.spawn({ECHO!r})\n"
        'send_frame(child.sock, b\'{"do": "parent"}\', 100)\n'
        "recv_frame(child.sock, 100)\n"
        'send_frame(child.sock, b\'{"do": "hang"}\', 100)\n'
        "print(child.pid, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ROOT},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert _gone(pid, within_s=20)


def test_a_child_whose_parent_was_gone_already_ends_at_once() -> None:
    """Between spawn and attach there is a gap; the parent's pid passed in closes it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        code = "import sys; from pi_rag.processes.child import attach; attach(sys.argv[1:]); print('alive')"
        stranger_pid = "1" if os.getpid() != 1 else "2"
        done = subprocess.run(
            [sys.executable, "-c", code, str(theirs.fileno()), stranger_pid],
            pass_fds=(theirs.fileno(),),
            stdout=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, b"")


def _gone(pid: int, within_s: float) -> bool:
    """True once no such process runs; a zombie that nobody reaps has ended too."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.01)
    return False
