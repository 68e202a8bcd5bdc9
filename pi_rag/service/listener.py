"""The Unix socket that guests come in by: made safely, and removed at the end.

It knows nothing of HTTP. A path that is no socket is never deleted; a socket that answers is never taken
over; a socket left behind by a killed service is replaced.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from pi_rag.errors import SocketInUse, SocketPathInvalid

BACKLOG = 128
"""Connections the kernel keeps while the service is busy accepting; the kernel's own usual bound."""


@contextlib.contextmanager
def listening(path: Path, mode: str) -> Iterator[socket.socket]:
    """A listening socket at `path` with rights `mode` (octal digits); its file is removed afterwards.

    Raises SocketPathInvalid when something else lies there, SocketInUse when a service answers there.
    """
    _make_way(path)
    sock = _bound(path, int(mode, 8))
    inode = path.stat().st_ino
    try:
        yield sock
    finally:
        sock.close()
        # A successor may already have bound the same path: its socket is not ours to remove.
        with contextlib.suppress(OSError):
            if path.stat().st_ino == inode:
                path.unlink()


def _bound(path: Path, mode: int) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    # Rights are given by the umask while binding: chmod afterwards would leave a moment open to everyone.
    umask_before = os.umask(0o777 & ~mode)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sock.bind(str(path))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise SocketPathInvalid(f"The socket {path} cannot be made: {error.strerror}.") from error
    finally:
        os.umask(umask_before)
    sock.setblocking(False)
    return sock


def _make_way(path: Path) -> None:
    """Remove a dead socket; refuse everything else that lies there."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise SocketPathInvalid(f"The socket {path} cannot be made: {error.strerror}.") from error
    if not stat.S_ISSOCK(kind):
        raise SocketPathInvalid(f"{path} exists and is not a socket; it was left as it is.")
    if _answers(path):
        raise SocketInUse(f"A service already answers on {path}.")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            # A full backlog or missing rights: somebody is there.
            return True
    return True
