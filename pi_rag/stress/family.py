"""The processes of one service as the kernel tells of them: who is the supervisor, who works, who reads.

It asks /proc alone, so that it also tells of a service that stands still. By role: supervisor, nursery,
worker, reader, other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from pi_rag.host import memory

NURSERIES = {"pi_rag.embedder.nursery", "pi_rag.stress.injecting_nursery"}
READER = "pi_rag.ingest.reader_child"
"""The programs of these children. Workers are forked by the nursery and have its command line; the second
nursery is the first one with a leak that a run calls for."""
BEGUN = 19
"""The place of a process's beginning in what /proc/PID/stat tells from the state on: ticks since the boot."""


def family(supervisor: int) -> dict[str, list[int]]:
    """Living processes by role, the supervisor included; empty when it is gone."""
    found: dict[str, list[int]] = {}
    if not lives(supervisor):
        return found
    found["supervisor"] = [supervisor]
    for child in memory.children(supervisor):
        role = _role(child)
        found.setdefault(role, []).append(child)
        for grandchild in memory.children(child):
            found.setdefault("worker" if role == "nursery" else "other", []).append(grandchild)
    return {role: [pid for pid in pids if lives(pid)] for role, pids in found.items()}


def all_of(supervisor: int) -> set[int]:
    """Every process of a service."""
    return {pid for pids in family(supervisor).values() for pid in pids}


def lives(pid: int) -> bool:
    """Whether it runs or could. A zombie has ended: only its parent has not yet looked."""
    return state(pid) not in ("", "Z", "X")


def state(pid: int) -> str:
    """The kernel's letter for what it does, such as R, S, T; empty when it is gone (proc_pid_stat(5))."""
    told = _stat(pid)
    return told[0] if told else ""


def begun(pids: Iterable[int]) -> dict[int, str]:
    """When each of them began, by the kernel's count; who is gone is not in it.

    A number is given to another process in time: only with its beginning it says who is meant.
    """
    told = {pid: _stat(pid) for pid in pids}
    return {pid: fields[BEGUN] for pid, fields in told.items() if len(fields) > BEGUN}


def left_after(pids: Iterable[int], seconds: float) -> set[int]:
    """Those still alive after at most `seconds`; returns as soon as there are none."""
    end_s = time.monotonic() + seconds
    wanted = set(pids)
    while True:
        alive = {pid for pid in wanted if lives(pid)}
        if not alive or time.monotonic() > end_s:
            return alive
        time.sleep(0.01)


def processor_s(pid: int) -> float | None:
    """Processor time that a process has had so far; None when it is gone."""
    fields = _stat(pid)
    try:
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (IndexError, ValueError):
        return None


def descriptors(pid: int) -> int:
    """Open files, sockets and pipes; 0 when it is gone or hidden."""
    return _entries(Path(f"/proc/{pid}/fd"))


def threads(pid: int) -> int:
    """Threads; 0 when it is gone."""
    return _entries(Path(f"/proc/{pid}/task"))


def services() -> list[int]:
    """Every `pi-rag serve` on this machine, whoever runs it, as far as /proc shows it."""
    return [int(each.name) for each in Path("/proc").glob("[0-9]*") if _is_service(_command(int(each.name)))]


def _is_service(command: list[str]) -> bool:
    programs = [
        word for word in command[:4] if word.endswith(("/pi-rag", "pi_rag.cli.main")) or word == "pi-rag"
    ]
    return bool(programs) and "serve" in command


def _stat(pid: int) -> list[str]:
    """What the kernel tells of it from its state on (proc_pid_stat(5)); empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    # A program's name stands before, and may hold anything.
    return text.rpartition(")")[2].split()


def _role(pid: int) -> str:
    command = _command(pid)
    return "nursery" if NURSERIES & {*command} else "reader" if READER in command else "other"


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _entries(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return 0
