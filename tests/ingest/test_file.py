"""Promises of pi_rag/ingest/file.py."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pi_rag.errors import (
    DocumentLinkLoop,
    DocumentTooLarge,
    DocumentUnreadable,
    DocumentUnsupported,
    PathNotFound,
)
from pi_rag.ingest.beneath import EVERYWHERE, Roots
from pi_rag.ingest.file import MIB, read_file


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """Up to the bound, to the byte."""
    path = tmp_path / "a"
    path.write_bytes(os.urandom(MIB))
    assert read_file(path, 1) == path.read_bytes()
    (tmp_path / "empty").touch()
    assert read_file(tmp_path / "empty", 1) == b""


def test_one_byte_too_many_is_too_large(tmp_path: Path) -> None:
    """The bound is a bound."""
    path = tmp_path / "a"
    path.write_bytes(bytes(MIB + 1))
    with pytest.raises(DocumentTooLarge):
        read_file(path, 1)


def test_a_huge_sparse_file_costs_nothing(tmp_path: Path) -> None:
    """A terabyte of holes is refused by its size, before it is read."""
    path = tmp_path / "a"
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(DocumentTooLarge):
        read_file(path, 64)


def test_a_file_that_says_it_is_empty_is_still_bounded() -> None:
    """Files of /proc have no size; what they give is cut off like any other."""
    assert read_file(Path("/proc/self/status"), 1).startswith(b"Name:")


def test_a_file_that_grows_while_it_is_read_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read is counted, not what was promised."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * 1000)
    read = os.read

    def read_and_grow(fd: int, count: int) -> bytes:
        with path.open("ab") as growing:
            growing.write(bytes(MIB))
        return read(fd, count)

    monkeypatch.setattr(os, "read", read_and_grow)
    with pytest.raises(DocumentTooLarge):
        read_file(path, 1)


def test_a_link_that_was_named_is_followed(tmp_path: Path) -> None:
    """A person may name a file by its link."""
    (tmp_path / "real").write_text("here")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_file(tmp_path / "link", 1) == b"here"


def test_a_file_that_shrinks_while_it_is_read_gives_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends where the file ends by then, and nobody waits for the rest."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * (2 * MIB))
    read = os.read

    def read_and_cut(fd: int, count: int) -> bytes:
        part = read(fd, count)
        os.truncate(path, 10)
        return part

    monkeypatch.setattr(os, "read", read_and_cut)
    assert len(read_file(path, 8)) == MIB


def test_a_file_that_was_found_is_read_and_a_link_in_its_place_is_not(tmp_path: Path) -> None:
    """Wherever in the path it was put since the folder was listed, and wherever it leads."""
    path = tmp_path / "folder" / "a.md"
    path.parent.mkdir()
    path.write_text("here")
    assert read_file(path, 1, links=False) == b"here"

    path.rename(tmp_path / "real.md")
    path.symlink_to(tmp_path / "real.md")
    with pytest.raises(DocumentUnsupported, match="link was put in its way"):
        read_file(path, 1, links=False)
    assert read_file(path, 1) == b"here"

    path.unlink()
    path.write_text("here")
    path.parent.rename(tmp_path / "elsewhere")
    path.parent.symlink_to(tmp_path / "elsewhere")
    for roots in (EVERYWHERE, Roots([str(tmp_path)])):
        with pytest.raises(DocumentUnsupported, match="link was put in its way"):
            read_file(path, 1, roots, links=False)


def test_a_link_that_leads_to_itself_is_named(tmp_path: Path) -> None:
    """A loop is not followed."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DocumentLinkLoop):
        read_file(tmp_path / "loop", 1)


@pytest.mark.parametrize("name", ["none", "none/below", "file/below", "x" * 300, "zero\0byte"])
def test_what_is_not_there_is_not_found(tmp_path: Path, name: str) -> None:
    """Whatever makes a path name nothing, it is one error."""
    (tmp_path / "file").touch()
    with pytest.raises(PathNotFound):
        read_file(tmp_path / name, 1)


def test_a_link_that_leads_nowhere_is_called_so(tmp_path: Path) -> None:
    """Whoever looks into the folder sees that there is such a name; it is not found all the same."""
    (tmp_path / "link").symlink_to("none")
    with pytest.raises(PathNotFound, match="It is a link that leads nowhere"):
        read_file(tmp_path / "link", 1)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    """A pipe that nobody writes to would wait forever; a device may do anything."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "pipe", tmp_path / "socket", Path("/dev/zero"), tmp_path):
            with pytest.raises(DocumentUnsupported):
                read_file(path, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_rights_is_unreadable(tmp_path: Path) -> None:
    """The operating system's own word is in the message."""
    path = tmp_path / "a"
    path.touch(mode=0)
    with pytest.raises(DocumentUnreadable, match="Permission denied"):
        read_file(path, 1)


def test_a_disk_that_fails_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worn card gives input errors in the middle of a file."""

    def fail(_fd: int, _count: int) -> bytes:
        raise OSError(5, "Input/output error")

    (tmp_path / "a").write_text("x")
    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(DocumentUnreadable, match="Input/output error"):
        read_file(tmp_path / "a", 1)


def test_no_file_is_left_open(tmp_path: Path) -> None:
    """Neither after success nor after a refusal."""
    (tmp_path / "a").write_bytes(bytes(MIB + 1))
    before = len(list(Path("/proc/self/fd").iterdir()))
    read_file(tmp_path / "a", 2)
    with pytest.raises(DocumentTooLarge):
        read_file(tmp_path / "a", 1)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
