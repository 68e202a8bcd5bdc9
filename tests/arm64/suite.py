"""The project's own tests on the emulated processor: `python -m tests.arm64.suite [FOLDER...]`.

A folder of tests at a time, each with its line: what passed, and how long it took. It is slow. LEFT_OUT says
what is not run there, and why.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from pi_rag.models.shelf import Shelf
from tests.arm64 import image
from tests.arm64.far import CHECKOUT, Far

FOLDERS = ["index", "text", "rank", "models", "store", "query", "memory", "host", "embedder", "ingest"]
"""From what an other processor is most likely to break to what it hardly can."""

LEFT_OUT = {
    "arm64": "would emulate itself",
    "appliance": "systemd in a container is not this machine's to start",
    "install": "looks at the scripts, which no processor changes",
    "docs": "looks at the pages, which no processor changes",
    "benchmarks": "measures, and an emulated time means nothing",
    "stress": "kills by the second; one start takes half a minute here",
    "processes": "needs ptrace, seccomp and Landlock, which qemu's user mode does not have",
    "cli": "a process a command: seconds each, and what they say is not the processor's",
    "service": "as cli; `try` and the comparison run the service whole",
    "bridge": "as cli: lines between pipes and a socket",
    "mcp": "fetches other programs, and there is no network",
    "durability": "as stress: hundreds of starts, of damaged files and of a disk that fails",
    "fuzz": "as stress: 20,000 inputs, some of them at a service",
}
"""Folders of tests that are not run there, with the reason."""


def main(folders: list[str]) -> int:
    """How many folders failed. The last lines of each are printed, with its time."""
    card = Shelf(image.ROOT / ".cache" / "models").card("all-MiniLM-L6-v2")
    failed = 0
    with tempfile.TemporaryDirectory(dir=image.KEPT) as above:
        far = Far(Path(above), {8: Path(card.path)})
        # The tests look for their models in the checkout, and make them where there are none.
        shutil.copytree(Path(card.path).parent, far.written / CHECKOUT.name / ".cache" / "models")
        for folder in folders:
            began = time.monotonic()
            done = far.run(f"cd /checkout && {image.VENV}/bin/python -m pytest -q tests/{folder} 2>&1")
            failed += bool(done.returncode)
            tail = done.stdout.splitlines()[-12:] if done.returncode else done.stdout.splitlines()[-1:]
            print(f"{folder}: {time.monotonic() - began:.0f} s", *tail, sep="\n  ", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or FOLDERS))
