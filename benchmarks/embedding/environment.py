"""The peers' own Python environment, made once beside the checkout and never mixed with the project's."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
REQUIREMENTS = ROOT / "benchmarks" / "requirements-peers.txt"


def peers_python() -> Path:
    """The interpreter of the peers; the first call installs them, some 6 GiB with PyTorch on x86_64.

    llama-cpp-python comes from the wheel that install.sh built, so that both sides run the same library.
    Raises subprocess.CalledProcessError when pip cannot get them.
    """
    folder = CACHE / "peers-venv"
    python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return python
    print(f"Installing the peers into {folder} (once, some minutes)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    wheels = ["--find-links", str(CACHE / "wheels")] if (CACHE / "wheels").is_dir() else []
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *wheels, "--requirement", str(REQUIREMENTS)], check=True)
    stamp.write_text(wanted, encoding="ascii")
    return python
