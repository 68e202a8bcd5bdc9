"""What the processes have had written, by the kernel's books."""

from __future__ import annotations

import os
from pathlib import Path

from pi_rag.service.written import Written


def has_written(proc: Path, pid: int, count: int) -> None:
    (proc / str(pid)).mkdir(parents=True, exist_ok=True)
    (proc / str(pid) / "io").write_text(f"rchar: 1\nwrite_bytes: {count}\ncancelled_write_bytes: 9\n")


def test_what_has_ended_still_counts(tmp_path: Path) -> None:
    """A worker that was replaced takes nothing back, nor does another process with its number."""
    written = Written(tmp_path)
    has_written(tmp_path, 1, 100)
    has_written(tmp_path, 2, 50)
    assert written.bytes([1, 2]) == 150
    assert written.bytes([1]) == 150
    has_written(tmp_path, 2, 7)
    assert written.bytes([1, 2]) == 157
    has_written(tmp_path, 2, 3)
    assert written.bytes([1, 2]) == 160


def test_what_the_kernel_does_not_tell_is_not_known(tmp_path: Path) -> None:
    """A file that is missing, empty or nonsense is no zero."""
    for pid, text in ((3, ""), (4, "write_bytes: much"), (5, "\xff")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "io").write_text(text, encoding="latin-1")
    assert Written(tmp_path).bytes([2, 3, 4, 5]) is None


def test_this_process_is_read_as_it_is() -> None:
    """The kernel's own file has the shape that is looked for."""
    assert (Written().bytes([os.getpid()]) or 0) >= 0
    assert Written().bytes([os.getpid()]) is not None
