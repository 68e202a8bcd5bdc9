"""Waiting for a condition, and looking at processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from pi_rag.processes import right_of_way


async def until(condition: Callable[[], bool], within_s: float = 60.0) -> None:
    """Return when the condition holds; fail when it does not within a generous time."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to one process. Pid 0, a place without a worker, would be all of the tests."""
    assert pid > 1
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def runs(pid: int) -> bool:
    """True while a process of this pid runs. A zombie has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def children(pid: int) -> list[int]:
    """Pids of a process's direct children, zombies too."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def threads_of(pid: int) -> int:
    """How many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def sockets_of(pid: int) -> int:
    """How many sockets a process holds, standard streams left out."""
    files = [each for each in Path(f"/proc/{pid}/fd").iterdir() if int(each.name) > 2]
    return sum(str(each.readlink()).startswith("socket:") for each in files)


def zombies() -> list[int]:
    """Children of this process that ended and were not reaped."""
    return [pid for pid in children(os.getpid()) if not runs(pid)]


def marked(mark: str) -> list[int]:
    """Every running process whose environment holds the mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes() and runs(int(path.parent.name)):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def gone(pids: list[int], within_s: float = 20.0) -> bool:
    """True once none of these processes runs any more."""
    until_s = time.monotonic() + within_s
    while any(runs(pid) for pid in pids):
        if time.monotonic() > until_s:
            return False
        time.sleep(0.01)
    return True


def open_files() -> int:
    """How many files this process has open."""
    right_of_way.ours()  # one for each process, as long as it lives
    return len(list(Path("/proc/self/fd").iterdir()))
