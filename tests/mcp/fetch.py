"""Fetches the clients of tests/mcp: the TypeScript SDK, old and new, and MCP Inspector, from npm.

    python -m tests.mcp.fetch

They go to ~/.cache/pi-rag-mcp, or where TEST_MCP points, once for each set of versions: 300 MiB, in half a
minute. Nothing of them comes into the tree, and no script of theirs is run for it. Where npm or the packages
cannot be had, the tests that want them are skipped.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

NODE = "22.23.3"
"""What MCP Inspector wants is newer than Debian's; this one is a package as well."""

PACKAGES = (
    "@modelcontextprotocol/sdk@1.32.2",
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/inspector@2.12.0",
    "undici@6.21.1",
)
MACHINES = {"x86_64": "x64", "aarch64": "arm64"}


def folder() -> Path:
    """Where they are, or will be."""
    kept = os.environ.get("TEST_MCP")
    return Path(kept) if kept else Path.home() / ".cache" / "pi-rag-mcp"


def node() -> Path:
    """The program that runs them."""
    machine = MACHINES.get(platform.machine(), platform.machine())
    return folder() / "node_modules" / f"node-linux-{machine}" / "bin" / "node"


def missing() -> str:
    """Why they cannot be used; empty when they can."""
    if _mark().exists():
        return ""
    return "no TypeScript clients; fetch them with: python -m tests.mcp.fetch"


def fetch() -> None:
    """Get what is not there yet. Raises OSError, CalledProcessError or TimeoutExpired."""
    if not missing():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("there is no npm")
    shutil.rmtree(folder(), ignore_errors=True)
    folder().mkdir(parents=True)
    (folder() / "package.json").write_text('{"private": true}\n')
    engine = f"{node().parents[1].name}@{NODE}"
    flags = ["--ignore-scripts", "--no-fund", "--no-audit", "--no-package-lock", "--loglevel=error"]
    subprocess.run([npm, "install", *flags, engine, *PACKAGES], cwd=folder(), check=True, timeout=300)
    node().chmod(0o755)
    subprocess.run([node(), "--version"], check=True, timeout=20, stdout=subprocess.DEVNULL)
    _mark().write_text("")


def _mark() -> Path:
    """Is there once all of them are, in these versions."""
    versions = "_".join(package.rpartition("@")[2] for package in (f"node@{NODE}", *PACKAGES))
    return folder() / f"whole-{versions}"


if __name__ == "__main__":
    try:
        fetch()
    except (OSError, subprocess.SubprocessError) as error:
        sys.exit(f"The TypeScript clients were not to be had: {error}")
