"""What a service is started under so that its wall clock can be made to jump.

The machine's clock is left alone. All of the service's wall time comes from Python's `time.time` in the one
process that has a clock, and it is this that is moved, by as much as the file that STRESS_CLOCK names says.
What the kernel stamps, such as the times of files, is not moved: as after a jump, both no longer agree. It is
never imported by what is shipped as the service.
"""

from __future__ import annotations

import mmap
import os
import runpy
import struct
import sys
import time
from pathlib import Path

OFFSET = struct.Struct("<d")
"""Seconds that are added to the wall clock."""
MODULE = "pi_rag.cli.main"
UNDER = (sys.executable, "-m", "pi_rag.stress.jumping")


def jump(file: Path, seconds: float) -> None:
    """Have the wall clock of the service that was started with this file be off by so much, from now on."""
    with file.open("r+b" if file.exists() else "w+b") as clock:
        clock.write(OFFSET.pack(seconds))


def main(argv: list[str]) -> None:
    """Become the service that `argv` names."""
    with Path(os.environ["STRESS_CLOCK"]).open("rb") as file:
        offset = mmap.mmap(file.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    right = time.time

    def moved() -> float:
        return float(right() + OFFSET.unpack_from(offset)[0])

    time.time = moved
    sys.argv = [MODULE, *argv[argv.index(MODULE) + 1 :]]
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
