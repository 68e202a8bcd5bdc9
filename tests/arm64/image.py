"""What the emulated machine is made of, made once: an arm64 Debian, and pi_rag installed on it from a bundle.

    apt-get install debootstrap qemu-user-static binfmt-support iproute2 g++-aarch64-linux-gnu python3-venv
    python -m tests.arm64.image

It keeps both in ~/.cache/pi-rag-arm64, or where TEST_ARM64 points: 1 GiB, and half an hour the first time,
since packaging/wheel builds the engine. The bundle is installed as a person would, with no network, by what
`install.sh --offline` does. The tests' own packages are laid beside it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.arm64.machine import Machine

ROOT = Path(__file__).parents[2]
KEPT = Path(os.environ.get("TEST_ARM64") or Path.home() / ".cache" / "pi-rag-arm64")
COMMAND = "python -m tests.arm64.image"

SUITE, PYTHON = "bookworm", "3.11"
DEBIAN, PROGRAM = KEPT / SUITE, KEPT / "program"
VENV = "/srv/pi-rag/.venv"
TOOLS = ["debootstrap", "qemu-aarch64-static", "unshare", "ip"]
COMPILER = "aarch64-linux-gnu-g++"
"""Needed by packaging/wheel, where there is no bundle yet."""
PACKAGES = "debootstrap qemu-user-static binfmt-support iproute2 g++-aarch64-linux-gnu python3-venv"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
BUNDLES = ROOT / "dist"
INSTALL_S_MAX = 3600.0

PATIENCE = {
    "PI_RAG_EMBEDDER_BOOT_S_MAX": "600",
    "PI_RAG_EMBEDDER_SILENCE_S_MAX": "600",
    "PI_RAG_HEALTH_EMBEDDER_SILENCE_S_MAX": "3600",
    "PI_RAG_EMBEDDER_QUERY_S_MAX": "60",
    "PI_RAG_EMBEDDER_INGEST_S_MAX": "3600",
    "PI_RAG_EMBEDDER_INGEST_WAIT_S_MAX": "600",
    "PI_RAG_EMBEDDER_INGEST_NICE": "0",
    "PI_RAG_SERVICE_REQUEST_S_MAX": "7200",
    "PI_RAG_CLIENT_ANSWER_S_MAX": "3600",
}
"""Settings for a processor that takes seconds for a passage: else one that computes would be taken for one
that hangs, and be replaced."""

INSTALL = """
cd /srv/pi-rag
. ./install.sh
set -euo pipefail
go_offline
prepare_folders
need_packages
make_venv "$VENV" "$ROOT/requirements.lock" -e "$ROOT"
"$VENV/bin/pip" install --no-index --find-links /wheels --requirement /wheels/wanted
"""
"""What `install.sh --offline try` does before it takes the model, and the packages of the tests."""


def missing() -> str:
    """What keeps a machine from being made here, with what to type; empty when nothing does."""
    lacking = unready(TOOLS)
    if lacking:
        return lacking
    if not (PROGRAM / "stamp").exists():
        return f"needs an arm64 Debian with pi_rag on it, which is kept in {KEPT}: {COMMAND}"
    if (PROGRAM / "stamp").read_text() != stamp():
        return f"needs what the locks name now: {COMMAND}"
    return ""


def unmakeable() -> str:
    """The same for making it, which takes long enough to know before."""
    return unready(TOOLS if bundles() else [*TOOLS, COMPILER])


def unready(tools: list[str]) -> str:
    """What this system lacks to run what is of another processor."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [tool for tool in tools if not shutil.which(tool)]
    if absent:
        return f"needs {', '.join(absent)}: apt-get install {PACKAGES}"
    if not runs_arm64():
        mount = "" if (BINFMT / "register").exists() else f"mount binfmt_misc -t binfmt_misc {BINFMT} && "
        return f"needs a kernel that gives arm64's programs to qemu: {mount}update-binfmts --enable"
    return ""


def runs_arm64() -> bool:
    """Whether the kernel was told so. Without, debootstrap says only that it cannot execute them."""
    try:
        return (BINFMT / "qemu-aarch64").read_text().startswith("enabled")
    except OSError:
        return False


def stamp() -> str:
    """What is installed, but for the source, which the tests bring: the program needs it, and the tests."""
    return "".join((ROOT / name).read_text() for name in ("requirements.lock", "requirements-test.lock"))


def machine(above: Path) -> Machine:
    """A machine with pi_rag on it, which writes to `above`, and sees the tests' own source."""
    return Machine([PROGRAM / "written", DEBIAN], above)


def build_debian() -> None:
    """Fetch the Debian, unless it is there. It gets its name when all of it is there."""
    if DEBIAN.is_dir():
        return
    KEPT.mkdir(parents=True, exist_ok=True)
    partial = DEBIAN.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    include = "--include=python3,python3-venv"
    debootstrap = ["debootstrap", "--arch=arm64", "--variant=minbase", include, SUITE, str(partial)]
    subprocess.run(debootstrap, check=True, stdout=sys.stderr)
    partial.rename(DEBIAN)


def install(bundle: Path) -> None:
    """Unpack a bundle in the Debian and install it there, with no network."""
    shutil.rmtree(PROGRAM, ignore_errors=True)
    made = Machine([DEBIAN], PROGRAM)
    unpack(bundle, made)
    _fetch_wheels(PROGRAM / "written" / "wheels")
    done = made.run(f"bash -c {shlex.quote(INSTALL)} 2>&1", seconds=INSTALL_S_MAX)
    (PROGRAM / "install.log").write_text(done.stdout)
    if done.returncode:
        raise SystemExit(
            f"{done.stdout[-2000:]}\nThe bundle could not be installed: {PROGRAM / 'install.log'}"
        )
    (PROGRAM / "stamp").write_text(stamp())


def unpack(bundle: Path, machine: Machine) -> None:
    """Lay a bundle where a machine has its program; over an older one, as an upgrade does."""
    source = machine.above / "written" / "srv" / "pi-rag"
    source.mkdir(parents=True, exist_ok=True)
    tar = ["tar", "--extract", "--file", str(bundle), "--strip-components", "1", "--directory", str(source)]
    subprocess.run(tar, check=True)


def _fetch_wheels(folder: Path) -> None:
    """The wheels of the tests' lock, for the Debian's Python and an arm64 processor."""
    folder.mkdir(parents=True)
    locked = [sys.executable, str(ROOT / "packaging" / "locked.py"), "aarch64", PYTHON]
    pins = subprocess.run(
        [*locked, str(ROOT / "requirements-test.lock")], check=True, capture_output=True, text=True
    ).stdout
    (folder / "wanted").write_text(pins)
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, 37)]
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version", PYTHON, *platforms]
    pip = [sys.executable, "-m", "pip", "download", *options, "--platform=manylinux2014_aarch64"]
    subprocess.run([*pip, "--dest", str(folder), "--requirement", str(folder / "wanted")], check=True)


def bundles() -> list[Path]:
    """The archives that packaging/bundle made."""
    return list(BUNDLES.glob("pi-rag-*-aarch64.tar"))


def newest_bundle() -> Path:
    """The latest of them, made where there is none."""
    if not bundles():
        subprocess.run([ROOT / "packaging" / "bundle", "aarch64"], check=True)
    return max(bundles(), key=lambda path: path.stat().st_mtime)


if __name__ == "__main__":
    if told := unmakeable():
        raise SystemExit(told)
    build_debian()
    install(newest_bundle())
