"""How much the processes of the service have had written to the disk, by the kernel's own books.

What a file in RAM or a socket takes does not count, and what is written twice to a file before the kernel
gets to it counts once: it is what a card wears from, but for the file system's own notes. Only /proc is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")


class Written:
    """The sum over processes, those that have ended included, as far as they were seen."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._seen: dict[int, int] = {}
        self._ended = 0

    def bytes(self, pids: Iterable[int]) -> int | None:
        """What they and those before them have written; None where the kernel does not tell."""
        now = {pid: found for pid in pids if (found := self._of(pid)) is not None}
        for pid, before in self._seen.items():
            # A number that comes again for another process begins anew.
            if pid not in now or now[pid] < before:
                self._ended += before
        self._seen = now
        return self._ended + sum(now.values()) if now else None

    def _of(self, pid: int) -> int | None:
        try:
            lines = (self._proc / str(pid) / "io").read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeError):
            return None
        found = (line.partition(":")[2].strip() for line in lines if line.startswith("write_bytes:"))
        return next((int(number) for number in found if number.isdigit()), None)
