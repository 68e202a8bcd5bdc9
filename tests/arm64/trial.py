"""`install.sh --offline try` on the emulated processor: `python -m tests.arm64.trial`.

The installed bundle is looked over, its model imported, the service started, pages added and searched, and
the service stopped, with no network. One step is made shorter: all but a few of the pages in docs/ are left
out, since each passage takes this processor some seconds. It prints what a person would see.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
import time
from pathlib import Path

from tests.arm64 import image

PAGES = ["index.md", "watch.md"]
"""The pages of docs/ that are added, beside the README."""

TRIAL = f"""
cd /srv/pi-rag
. ./install.sh
set -euo pipefail
go_offline
mkdir kept && mv {" ".join(f"docs/{page}" for page in PAGES)} kept && rm -r docs && mv kept docs
try_it
"""


def main() -> int:
    """The trial's own exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=image.KEPT) as above:
        machine = image.machine(Path(above))
        image.unpack(image.newest_bundle(), machine)
        done = machine.run(f"bash -c {shlex.quote(TRIAL)} 2>&1", seconds=3600, environ=image.PATIENCE)
    print(done.stdout)
    print(f"{time.monotonic() - began:.0f} s, exit code {done.returncode}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(image.missing() or main())
