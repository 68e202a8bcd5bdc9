"""A small process that tidies up after a harness that was killed: `python -m pi_rag.stress.keeper`.

It reads names of folders, each with a NUL behind it, until its standard input ends, and then takes those away
that still exist. A harness that ends by itself has done so already. It is Python's own library alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

END = b"\0"
"""Of a name: the one byte that none can hold."""
TRIES, TRY_S = 50, 0.2
"""A service that is just being killed may still write into its folder: it is taken away for so long."""


class Keeper:
    """The harness's end of it, while the block lasts."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Keeper:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pi_rag.stress.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def keep(self, folder: Path) -> None:
        """From now on this folder goes when the harness does."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(os.fsencode(folder.absolute()) + END)
        self._process.stdin.flush()


def main() -> int:
    """Until the harness has gone."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    folders = named(sys.stdin.buffer.read())
    for _ in range(TRIES):
        for folder in folders:
            unmount_below(folder)
            shutil.rmtree(folder, ignore_errors=True)
        if not any(folder.exists() for folder in folders):
            return 0
        time.sleep(TRY_S)
    return 1


def named(told: bytes) -> list[Path]:
    """The folders that are to go. What is no whole name is none.

    Who was killed at telling one may have meant another folder; an empty name would be the folder it runs in.
    """
    names = told.split(END)[:-1]
    return [Path(os.fsdecode(name)) for name in names if name.startswith(b"/")]


def unmount_below(folder: Path) -> None:
    """Take away what a fault has mounted in this folder. What cannot be read or unmounted is left."""
    try:
        lines = Path("/proc/self/mounts").read_bytes().splitlines()
    except OSError:
        return
    for line in reversed(lines):
        # Blanks and the like are written as three octal digits (proc_pid_mounts(5)).
        name = re.sub(rb"\\([0-7]{3})", lambda digits: bytes([int(digits[1], 8)]), line.split()[1])
        if Path(os.fsdecode(name)).is_relative_to(folder.resolve()):
            subprocess.run(["umount", "-l", name], check=False, capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
