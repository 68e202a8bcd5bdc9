"""Whatever stands in the files of a machine, the doctor has its lines."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.cli.checks.board import machine_board
from pi_rag.cli.checks.disk import disk
from pi_rag.cli.checks.service import engine, watches
from pi_rag.cli.checks.system import system
from pi_rag.config import load
from tests.host.boards import BOARDS
from tests.host.test_any_bytes import BYTES, spoil

STATUS = {"embedder": {"engine": {"features": "DOTPROD = 1"}}}
SOUND = {"storage", "kernel log", "swap", "board", "memory limits", "memory pressure", "journal", "clock"}
"""What has a line on every machine."""


@given(st.sampled_from(BOARDS), st.data())
@settings(max_examples=25)
def test_a_spoiled_machine_has_its_lines(made: Callable[[Path], Path], data: st.DataObject) -> None:
    """Unknown boards, files that are empty, text, folders or missing: a line each, what is amiss with a
    command, and only a disk is ever called wrong."""
    folder = Path(tempfile.mkdtemp())
    try:
        root = made(folder)
        files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        for path in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=5, unique=True)):
            spoil(path, data.draw(st.one_of(BYTES, st.sampled_from(["folder", "gone"]))))
        lines = [
            *disk(Path("/var/lib/pi-rag"), root),
            *machine_board(root),
            *system([], root),
            *engine(STATUS, root),
            *watches(load(), {}, root),
        ]
    finally:
        shutil.rmtree(folder)
    assert {line.what for line in lines} >= SOUND
    assert all(line.mend for line in lines if line.verdict != "ok")
    assert {line.what for line in lines if line.verdict == "wrong"} <= {"storage", "disk health"}
