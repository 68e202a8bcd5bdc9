"""The two sides of a comparison: this processor, and the emulated one. Both run `tests.arm64.side`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.arm64 import image

CHECKOUT = Path("/checkout")
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".cache", "dist", ".*_cache", ".hypothesis", "__pycache__", ".coverage*"
)
SECONDS_MAX = 3 * 3600.0


class Near:
    """This processor."""

    def __init__(self, folder: Path, model: Path) -> None:
        """`model` is in Q8_0; it is asked for with 8 bits, or with 32."""
        self.folder = folder
        self.models = {8: model, 32: folder / "32.gguf"}
        self.ask("widen", to=str(self.models[32]))

    def ask(self, what: str, *, bits: int = 8, **job: Any) -> dict[str, Any]:
        """What `side` answers. Raises AssertionError with what it said when it fails."""
        (self.folder / "job.json").write_text(json.dumps({"model": str(self.models[bits]), **job}))
        command = [sys.executable, "-m", "tests.arm64.side", what]
        files = [str(self.folder / name) for name in ("job.json", "answer.json")]
        done = subprocess.run(
            [*command, *files], cwd=image.ROOT, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr
        return _read(self.folder / "answer.json")


class Far:
    """The emulated processor, with the checkout as it is now. What it keeps is below `written`."""

    def __init__(self, folder: Path, models: Mapping[int, Path]) -> None:
        """`models` are Near's."""
        self.machine = image.machine(folder)
        self.written = folder / "written"
        for bits, model in models.items():
            shutil.copy(model, self.written / f"{bits}.gguf")
        shutil.copytree(image.ROOT, self.written / CHECKOUT.name, ignore=LEFT_OUT)

    def ask(self, what: str, *, bits: int = 8, **job: Any) -> dict[str, Any]:
        """As Near.ask."""
        (self.written / "job.json").write_text(json.dumps({"model": f"/{bits}.gguf", **job}))
        command = (
            f"cd {CHECKOUT} && {image.VENV}/bin/python -m tests.arm64.side {what} /job.json /answer.json"
        )
        done = self.run(command)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return _read(self.written / "answer.json")

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A shell's command there, with the checkout's own pi_rag."""
        environ = {"PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1", "PI_RAG_CONFIG": "/dev/null"}
        return self.machine.run(command, seconds=SECONDS_MAX, environ=environ)


def _read(path: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(path.read_text())
    return answer
