"""The kernel's small files, sound and broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pi_rag.host import sysfs


@pytest.mark.parametrize(
    ("content", "base", "number"),
    [
        (b"42\n", 10, 42),
        (b"0x1f\n", 16, 31),
        (b"-5", 10, -5),
        (b"", 10, None),
        (b"hot", 10, None),
        (b"1_000", 10, None),
        ("٣".encode(), 10, None),
        (b"9" * 400, 10, None),
        (b"\xff", 10, None),
    ],
)
def test_a_number_is_what_the_kernel_would_write(
    tmp_path: Path, content: bytes, base: int, number: int | None
) -> None:
    """Python takes more for a number than the kernel writes; that is none here."""
    (tmp_path / "file").write_bytes(content)
    assert sysfs.number(tmp_path / "file", base) == number


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    """Missing, a folder, a pipe without a writer, a name that cannot be: nobody waits, nobody fails."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none", tmp_path, tmp_path / "pipe", tmp_path / "a\0b"):
        assert sysfs.text(path) == ""
        assert sysfs.lines(path) == []
        assert sysfs.facts(path) == {}
        assert list(sysfs.below(path / "x\0", "*")) == []
    assert not sysfs.exists(tmp_path / "a\0b")


def test_a_long_file_is_cut(tmp_path: Path) -> None:
    """A wrong path cannot fill the memory."""
    (tmp_path / "file").write_bytes(b"x" * (sysfs.BYTES_MAX + 1))
    assert len(sysfs.text(tmp_path / "file")) == sysfs.BYTES_MAX


def test_a_file_of_the_kernel_is_read_to_its_end() -> None:
    """One reading of /proc gives no more than a page; the last mount stands on the last one."""
    for path in (Path("/proc/self/smaps"), Path("/proc/self/maps")):
        found = sysfs.text(path)
        assert len(found) > os.sysconf("SC_PAGE_SIZE")
        assert found.splitlines()[-1].split()[0] == path.read_text().splitlines()[-1].split()[0]


def test_the_first_value_of_a_key_counts(tmp_path: Path) -> None:
    """/proc/cpuinfo repeats its keys for every core."""
    (tmp_path / "file").write_text("a : 1\n\nb\na : 2\n")
    assert sysfs.facts(tmp_path / "file") == {"a": "1", "": "", "b": ""}
