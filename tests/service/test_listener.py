"""The socket that guests come in by."""

import os
import socket
import stat
from pathlib import Path

import pytest

from pi_rag.errors import SocketInUse, SocketPathInvalid
from pi_rag.service.listener import listening


@pytest.mark.parametrize("mode", ["600", "660"])
def test_only_the_rights_asked_for_are_given(tmp_path: Path, mode: str) -> None:
    """The socket is never open to more users than the setting says, whatever the umask was."""
    path = tmp_path / "s"
    umask_before = os.umask(0)
    try:
        with listening(path, mode):
            assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)
        assert os.umask(0) == 0
    finally:
        os.umask(umask_before)


def test_a_guest_connects_and_the_file_is_gone_afterwards(tmp_path: Path) -> None:
    """A clean stop leaves nothing behind."""
    path = tmp_path / "deep" / "s"
    with listening(path, "600"), socket.socket(socket.AF_UNIX) as guest:
        guest.connect(str(path))

    assert not path.exists()


def test_a_socket_left_by_a_killed_service_is_replaced(tmp_path: Path) -> None:
    """After kill -9 the next start needs no hand."""
    path = tmp_path / "s"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()

    with listening(path, "600"), socket.socket(socket.AF_UNIX) as guest:
        guest.connect(str(path))


def test_a_living_service_is_not_pushed_aside(tmp_path: Path) -> None:
    """Two services on one path would take each other's guests."""
    path = tmp_path / "s"
    with listening(path, "600"):
        with pytest.raises(SocketInUse), listening(path, "600"):
            pass

        assert path.exists()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    """A mistyped path never costs anybody a file."""
    path = tmp_path / "s"
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        (tmp_path / "target").write_text("precious")
        path.symlink_to(tmp_path / "target")

    with pytest.raises(SocketPathInvalid), listening(path, "600"):
        pass

    assert path.exists()
    assert kind != "file" or path.read_text() == "precious"


def test_a_path_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file where a folder should be, or a path too long for the kernel."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "s", tmp_path / ("x" * 120)):
        with pytest.raises(SocketPathInvalid), listening(path, "600"):
            pass


def test_a_successors_socket_is_not_removed(tmp_path: Path) -> None:
    """An old service that ends late must not delete the door of the new one."""
    path = tmp_path / "s"
    with listening(path, "600"):
        path.unlink()
        successor = socket.socket(socket.AF_UNIX)
        successor.bind(str(path))

    assert path.exists()
    successor.close()
