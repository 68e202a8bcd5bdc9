"""How much RAM a process really costs: its proportional set size.

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
