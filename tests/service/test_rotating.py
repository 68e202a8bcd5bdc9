"""A file of lines within its bounds."""

from __future__ import annotations

import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.service.rotating import Rotating


def all_lines(folder: Path) -> list[bytes]:
    """Of every file, the oldest first."""
    files = sorted(folder.glob("m.*.jsonl"), key=lambda path: -int(path.name.split(".")[1]))
    return [line for path in [*files, folder / "m.jsonl"] for line in path.read_bytes().splitlines()]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80))
def test_it_keeps_the_last_lines_within_its_bounds(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    """No file and no number of them is beyond its bound, and what is left are the last lines, in order."""
    folder = tmp_path_factory.mktemp("m")
    file = Rotating(folder, "m", bytes_max=100, files_max=3)
    lines = [b"%d" % number * 1 + b"x" * size for number, size in enumerate(sizes)]
    for line in lines:
        file.append(line + b"\n")

    kept = all_lines(folder)
    assert kept == lines[-len(kept) :]
    assert len(list(folder.iterdir())) <= 3
    assert all(path.stat().st_size <= 100 for path in folder.iterdir())


def test_fewer_files_than_before_leave_none_behind(tmp_path: Path) -> None:
    """Who lowers the bound gets back what the others took, when the next file is begun."""
    for files_max in (5, 2):
        file = Rotating(tmp_path, "m", bytes_max=8, files_max=files_max)
        for number in range(6):
            file.append(b"line %d\n" % number)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.1.jsonl", "m.jsonl"]


def test_threads_take_turns(tmp_path: Path) -> None:
    """Whoever is cancelled leaves a thread behind that writes; the last lines wait for it."""
    file = Rotating(tmp_path, "m", bytes_max=30, files_max=400)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(file.append, [b"line %d\n" % number for number in range(200)]))

    assert sorted(all_lines(tmp_path)) == sorted(b"line %d" % number for number in range(200))


def test_after_half_a_line_the_next_begins_on_its_own(tmp_path: Path) -> None:
    """A power cut costs the line it fell into, and no other."""
    file = Rotating(tmp_path, "m", bytes_max=1000, files_max=2)
    file.append(b"one\n")
    (tmp_path / "m.jsonl").write_bytes(b"one\ntw")
    file.append(b"three\n")
    assert all_lines(tmp_path) == [b"one", b"tw", b"three"]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    """Whoever cleans up takes nothing from the lines to come."""
    file = Rotating(tmp_path / "a", "m", bytes_max=1000, files_max=2)
    file.append(b"one\n")
    (tmp_path / "a" / "m.jsonl").unlink()
    (tmp_path / "a").rmdir()
    file.append(b"two\n")
    assert all_lines(tmp_path / "a") == [b"two"]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """Nobody has the service write elsewhere."""
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "m.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        Rotating(tmp_path, "m", bytes_max=1000, files_max=2).append(b"one\n")
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_what_the_disk_takes_in_part_is_taken_back(tmp_path: Path) -> None:
    """A full disk leaves no half line."""
    file = Rotating(tmp_path, "m", bytes_max=10**6, files_max=2)
    file.append(b"one\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="part of the lines"):
            file.append(b"x" * 5000 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert all_lines(tmp_path) == [b"one"]
