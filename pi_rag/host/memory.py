"""How much RAM a process really costs, its proportional set size, and how much the machine has left.

The resident size counts the shared model once for every worker; the proportional size divides shared pages
by their users, so that the sum over all processes is the truth. Only /proc is read.
"""

from __future__ import annotations

from pathlib import Path


def pss_mib(pid: int) -> float | None:
    """Proportional set size of a process in MiB; None when it is gone or hidden."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return round(int(line.split()[1]) / 1024, 1)
    return None


def available_mib() -> float | None:
    """What the kernel could give to programs without swapping, in MiB; None where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = (int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return next((round(kib / 1024, 1) for kib in found), None)


def private_mib(pid: int) -> float | None:
    """What would be free again if a process ended, in MiB; None when it is gone or hidden."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    lines = [line for line in rollup.splitlines() if line.startswith("Private_")]
    return round(sum(int(line.split()[1]) for line in lines) / 1024, 1)
