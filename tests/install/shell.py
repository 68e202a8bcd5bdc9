"""Runs pieces of install.sh in a shell where every outside command is a strict fake.

The script is sourced, which runs nothing; then a test sets the places it writes to and calls one function.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "install.sh"


class Shell:
    """A shell whose PATH begins with a folder of fakes, each of which notes how it was called."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.calls_path = tmp_path / "calls"
        self.fakes = tmp_path / "fakes"
        self.fakes.mkdir()

    def fake(self, name: str, script: str = "true") -> None:
        """Make a command that notes its name and arguments, then runs `script`."""
        path = self.fakes / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.calls_path}"\n{script}\n')
        path.chmod(0o755)

    def places(self) -> str:
        """The script's own variables, all below the test's folder."""
        names = {"CACHE": "cache", "LOG": "log", "OPT": "opt", "ETC": "etc", "DATA": "data"}
        names |= {
            "UNITS": "units",
            "SYSUSERS": "sysusers.d/pi-rag.conf",
            "TMPFILES": "tmpfiles.d/pi-rag.conf",
            "STAMPS": "stamps",
            "DOOR": "door",
            "SYSTEMD": "systemd-runs",
            "ENGINE": "ready-wheels",
            "COMMAND": "pi-rag-command",
            "VENV": "venv",
            "BUILDS": "builds",
            "INSTALL_LOG": "install.log",
        }
        places = " ".join(f'{name}="{self.folder / path}"' for name, path in names.items())
        return f'{places} OFFERED=("{self.folder}"/offered/{{a,b}}/99-pi-rag.conf)'

    def run(self, commands: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Source the script, then run `commands` as `main` would: stopping at the first failure."""
        text = f'source "{SCRIPT}"; {self.places()}; set -euo pipefail; {commands}'
        return self.start(text, **environ)

    def start(self, text: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a shell to its end, with the fakes first in its PATH."""
        path = f"{self.fakes}:{os.environ['PATH']}"
        env = {"PATH": path, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"} | environ
        return subprocess.run(
            ["bash", "-c", text],
            env=env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        """How the fakes were called, in order."""
        return self.calls_path.read_text().splitlines() if self.calls_path.exists() else []
