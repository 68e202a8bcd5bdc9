"""The Unix socket that guests come in by: systemd's, or else made safely and removed at the end.

Systemd's socket outlives the service: whoever comes during a restart waits in it. Its file is systemd's own,
and is left alone. Where the service makes the file, what is no socket is never deleted; a socket that answers
is never taken over; a socket left behind by a killed service is replaced. It knows nothing of HTTP.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from pi_rag import log
from pi_rag.errors import SocketInUse, SocketPathInvalid
from pi_rag.host.systemd import handed_over

BACKLOG = 1024
"""Connections the kernel keeps while the service is busy, or starts again. One more waits as long as its
program does, or is told by the kernel to try again. systemd/pi-rag.socket has the same."""

_log = log.logger("service")


@contextlib.contextmanager
def listening(path: Path, mode: str) -> Iterator[socket.socket]:
    """The socket that systemd gives, or one at `path` with rights `mode` (octal digits).

    Only a file that was made here is removed afterwards. Raises SocketPathInvalid when something else lies
    there, SocketInUse when a service answers there.
    """
    given = _given(path, mode)
    with _own(path, mode) if given is None else given as sock:
        yield sock


def _given(path: Path, mode: str) -> socket.socket | None:
    """The listening Unix socket that systemd holds for this service; of several, the one at `path`.

    One that lies elsewhere, or has other rights, is used all the same, since its guests would wait for ever,
    and its file is systemd's; all else is closed.
    """
    found = [sock for fd in handed_over() if (sock := _listener(fd)) is not None]
    if not found:
        return None
    chosen = next((sock for sock in found if sock.getsockname() == str(path)), found[0])
    for other in found:
        if other is not chosen:
            other.close()
    name, rights = chosen.getsockname(), _rights(chosen.getsockname())
    if name != str(path) or rights not in {mode, ""}:
        _log.warning("socket_elsewhere", wanted=f"{path} {mode}", given=f"{name} {rights}")
    chosen.setblocking(False)
    return chosen


def _rights(name: str | bytes) -> str:
    """Of a socket's file, in octal digits; "" where it has none, or none that can be seen from here."""
    try:
        return f"{stat.S_IMODE(Path(os.fsdecode(name)).stat().st_mode):o}"
    except (OSError, ValueError):  # an abstract name begins with a zero byte
        return ""


def _listener(fd: int) -> socket.socket | None:
    """The descriptor as a socket if it is a Unix stream socket that listens; else it is closed."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError:  # a file, or a pipe
        os.close(fd)
        return None
    kind = (sock.family, sock.type, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    if kind == (socket.AF_UNIX, socket.SOCK_STREAM, 1):
        return sock
    _log.warning("socket_of_no_use", fd=fd, given=str(sock.getsockname()))
    sock.close()
    return None


@contextlib.contextmanager
def _own(path: Path, mode: str) -> Iterator[socket.socket]:
    """A socket of our own making, whose file is removed afterwards."""
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
    try:
        _make_folders(path.parent)
    except OSError as error:
        sock.close()
        raise SocketPathInvalid(f"The folder of the socket {path} cannot be made: {error}.") from error
    # Rights are given by the umask while binding: chmod afterwards would leave a moment open to everyone.
    umask_before = os.umask(0o777 & ~mode)
    try:
        sock.bind(str(path))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise SocketPathInvalid(f"The socket {path} cannot be made: {error.strerror}.") from error
    finally:
        os.umask(umask_before)
    sock.setblocking(False)
    return sock


def _make_folders(folder: Path) -> None:
    """Each that is missing, for its owner alone: `mkdir` with `parents` gives the upper ones the umask's."""
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


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
