"""Processor time of a process and all below it, from /proc: the work, where a busy machine tells no time."""

from __future__ import annotations

import os
from pathlib import Path

TICKS_S = os.sysconf("SC_CLK_TCK")


def processor_s(pid: int) -> float:
    """Seconds of the process, of its descendants, and of those that they have buried."""
    children = _children()
    below, found = [pid], 0.0
    while below:
        each = below.pop()
        fields = _fields(each)
        found += sum(map(int, fields[11:15])) / TICKS_S  # utime, stime, cutime, cstime: proc_pid_stat(5)
        below += children.get(each, [])
    return found


def _children() -> dict[int, list[int]]:
    """Every process by its parent."""
    found: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (fields := _fields(int(path.name))):
            found.setdefault(int(fields[1]), []).append(int(path.name))
    return found


def _fields(pid: int) -> list[str]:
    """What stands behind the name in its stat: state, parent, and so on; nothing when it is gone."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
