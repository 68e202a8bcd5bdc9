"""Whatever stands in the files of a machine, nobody who reads them fails."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.host import (
    board,
    board_watchdog,
    disk_health,
    firmware,
    heat,
    journal,
    kernel,
    kernel_log,
    memory,
    processor,
    storage,
    swap,
    sysfs,
    wall_clock,
)
from tests.host import machines
from tests.host.boards import BOARDS

READERS: tuple[Callable[[Path], Any], ...] = (
    board.board,
    board.revision,
    board_watchdog.state,
    firmware.throttling,
    heat.condition,
    journal.kept,
    kernel.has_memory_cgroup,
    memory.available_mib,
    memory.pressure_percent,
    lambda root: memory.size(machines.PID, root),
    memory.told,
    memory.total_mib,
    kernel.inotify_instances_max,
    kernel.inotify_watches_max,
    kernel_log.recent,
    lambda root: processor.features(root / "proc/cpuinfo"),
    swap.swap,
    wall_clock.known,
    lambda root: disk_health.health(storage.storage(Path("/var/lib/pi-rag"), root), root),
)

WORDS = st.sampled_from(
    [
        b"",
        b"\n",
        b"\0",
        b"0",
        b"-1",
        b"9" * 400,
        b"0x",
        b"\xff\xfe",
        b"\xb2",
        b":",
        b"MemTotal:",
        b" - ",
        b"a:b",
    ]
)
BYTES = st.one_of(
    st.binary(max_size=80), st.lists(WORDS, max_size=12).map(b" ".join), st.lists(WORDS).map(b"\n".join)
)


@given(st.sampled_from(BOARDS), st.data())
@settings(max_examples=40)
def test_any_bytes_in_any_file_are_no_error(made: Callable[[Path], Path], data: st.DataObject) -> None:
    """Of every board, with any of its files holding anything, or replaced by a folder, or gone."""
    folder = Path(tempfile.mkdtemp())
    try:
        root = machines.measured(made(folder))
        files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
        for path in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=5, unique=True)):
            spoil(path, data.draw(st.one_of(BYTES, st.sampled_from(["folder", "gone"]))))
        for read in READERS:
            read(root)
    finally:
        shutil.rmtree(folder)


def spoil(path: Path, how: bytes | str) -> None:
    if isinstance(how, bytes):
        path.write_bytes(how)
        return
    path.unlink()
    if how == "folder":
        path.mkdir()


def test_a_machine_without_any_of_these_files_is_no_error(tmp_path: Path) -> None:
    """All of it is not known, and said so."""
    for read in READERS:
        read(tmp_path)
    assert heat.condition(tmp_path) == {"temperature_c": None, "undervoltage": None, "throttled": None}


@given(BYTES)
@settings(max_examples=200)
def test_a_number_is_one_that_the_kernel_could_have_written_or_none(told: bytes) -> None:
    """No digits of other scripts, no blanks inside, nothing that does not fit a machine's word."""
    word = told.decode("utf-8", "replace")
    for base in (10, 16):
        found = sysfs.as_number(word, base)
        assert found is None or (abs(found) < 2**63 and int(word, base) == found)
