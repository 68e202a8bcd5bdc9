"""What keeps the emulated machine from being made is said before anything is fetched. It needs no qemu."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.arm64 import image

MOUNT = "mount binfmt_misc -t binfmt_misc"
ENABLE = "update-binfmts --enable"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system of root's with every tool, a kernel that runs arm64's programs, and a bundle."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: tool)
    monkeypatch.setattr(image, "BINFMT", tmp_path)
    monkeypatch.setattr(image, "BUNDLES", tmp_path)
    for name in ("register", "qemu-aarch64", "pi-rag-1-aarch64.tar"):
        (tmp_path / name).write_text("enabled\n")
    return tmp_path


def test_nothing_is_said_where_all_is_there(root: Path) -> None:
    """Then it is made."""
    assert image.unmakeable() == ""


def test_a_kernel_that_was_told_nothing_is_said(root: Path) -> None:
    """With the command for what is lacking: the formats, or their folder too, also where they are off."""
    (root / "qemu-aarch64").write_text("disabled\n")
    assert image.unmakeable().endswith(f": {ENABLE}")
    (root / "qemu-aarch64").unlink()
    assert image.unmakeable().endswith(f": {ENABLE}")
    (root / "register").unlink()
    assert image.unmakeable().endswith(f": {MOUNT} {root} && {ENABLE}")
    assert image.missing() == image.unmakeable()


def test_the_compiler_is_needed_where_there_is_no_bundle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package is named at once, and not after the Debian was fetched."""
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == image.COMPILER else tool)
    assert image.unmakeable() == ""
    (root / "pi-rag-1-aarch64.tar").unlink()
    assert image.unmakeable() == f"needs {image.COMPILER}: apt-get install {image.PACKAGES}"
    assert "g++-aarch64-linux-gnu" in image.PACKAGES and image.PACKAGES in str(image.__doc__)
