"""Wheels that carry a model, and a pip that finds nothing but them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest


def write_wheel(folder: Path, project: str, model: Path) -> Path:
    """A wheel of version 1.0.0 with the files of `model` inside. Returns its path."""
    module = project.replace("-", "_")
    path = folder / f"{module}-1.0.0-py3-none-any.whl"
    about = f"{module}-1.0.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
        for file in sorted(model.rglob("*")):
            if file.is_file():
                archive.write(file, f"{module}/model/{file.relative_to(model)}")
    return path


def serve_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip look into `folder` alone: what pip reads from its environment, it reads for us too."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
