"""The peers' own Python environments, made once beside the checkout and never mixed with the project's."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"


def peers_python(name: str) -> Path:
    """The interpreter of the peers in `requirements-NAME.txt`; the first call installs them.

    A wheel that install.sh built is taken before another one, so that both sides run the same library.
    Raises subprocess.CalledProcessError when pip cannot get them.
    """
    requirements, folder = ROOT / "benchmarks" / f"requirements-{name}.txt", CACHE / f"{name}-venv"
    python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return python
    print(f"Installing the peers into {folder} (once, some minutes)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    wheels = ["--find-links", str(CACHE / "wheels")] if (CACHE / "wheels").is_dir() else []
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *wheels, "--requirement", str(requirements)], check=True)
    stamp.write_text(wanted, encoding="ascii")
    return python
