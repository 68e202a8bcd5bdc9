"""Promises of pi_rag/processes/scratch.py."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pi_rag.processes.scratch import scratch


def test_it_is_for_us_alone_and_goes_away() -> None:
    """Nobody else can put a library there; what was put there goes with it."""
    with scratch(1) as folder:
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        (Path(folder) / "library.so").touch()
    assert not Path(folder).exists()


def test_where_there_is_no_room_it_is_made_all_the_same() -> None:
    """A library that cannot be written is one format that is not read; the others are."""
    with scratch(1 << 60) as folder:
        assert Path(folder).parent == Path(tempfile.gettempdir())
