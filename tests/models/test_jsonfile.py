"""Promises of models/jsonfile.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pi_rag.errors import ModelCorrupt, ModelUnsupported
from pi_rag.models.jsonfile import object_at, read_object


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]", b"7", b"[" * 100_000])
def test_what_is_no_object_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """Broken, mis-encoded, too deep, or of another kind: one typed error."""
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(ModelCorrupt):
        read_object(tmp_path / "file.json")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Only regular files are opened."""
    os.mkfifo(tmp_path / "file.json")
    with pytest.raises(ModelUnsupported):
        read_object(tmp_path / "file.json")


def test_a_path_through_no_object_is_corrupt(tmp_path: Path) -> None:
    """Each step down must find an object."""
    with pytest.raises(ModelCorrupt, match=r"model\.vocab"):
        object_at(tmp_path / "file.json", {"model": ["vocab"]}, "model", "vocab")
