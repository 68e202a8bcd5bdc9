"""Promises of pi_rag/models/wholefile.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pi_rag.models.wholefile import write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    """The new content, under the old name, and no file beside it."""
    path = tmp_path / "small.json"
    path.write_bytes(b"old and longer")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_before_the_end_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that cannot take the new content keeps the old."""

    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "small.json"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]  # what was begun lies in nobody's way
