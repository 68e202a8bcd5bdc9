"""What a confined child tries, and what became of it: for the tests of confinement."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path

SECRETS = ("/etc/shadow", "/etc/passwd", "/root", "/home", "/var", "/proc/1/environ")


def made(what: str, path: str) -> str:
    """'done', or the name of the error that came instead."""
    try:
        ATTEMPTS[what](path)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def _by_number(number_x86: int, number_arm: int, *arguments: int) -> Callable[[str], object]:
    def call(_: str) -> None:
        number = number_arm if os.uname().machine == "aarch64" else number_x86
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
            raise OSError(ctypes.get_errno(), "")

    return call


def _fork(_: str) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _thread(_: str) -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def _datagram(path: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.sendto(b"from the child", path)


def _set_attribute(path: str) -> None:
    value = ctypes.create_string_buffer(b"x")
    given = (ctypes.c_uint64 * 2)(ctypes.addressof(value), 1)  # struct xattr_args: value, size and flags
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(463), -100, path.encode(), 0, b"user.x", given, ctypes.c_long(16)) < 0:
        raise OSError(ctypes.get_errno(), "")


ATTEMPTS: dict[str, Callable[[str], object]] = {
    "read": lambda path: Path(path).read_bytes(),
    "list": lambda path: list(Path(path).iterdir()),
    "write": lambda path: Path(path).write_bytes(b"x"),
    "append": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_APPEND)),
    "make folder": os.mkdir,
    "remove": os.unlink,
    "remove folder": os.rmdir,
    "rename": lambda path: Path(path).rename(f"{path}-2"),
    "link": lambda path: Path(path).symlink_to("/"),
    "pipe file": os.mkfifo,
    "truncate": lambda path: os.truncate(path, 0),
    "chmod": lambda path: Path(path).chmod(0o777),
    "touch": os.utime,
    "import": lambda _: __import__("zoneinfo").ZoneInfo("Europe/Berlin"),
    "tcp": lambda _: socket.socket(socket.AF_INET).close(),
    "udp": lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "unix": lambda _: socket.socket(socket.AF_UNIX).close(),
    "netlink": lambda _: socket.socket(socket.AF_NETLINK).close(),
    "datagram": _datagram,
    "attribute": _set_attribute,
    "type": lambda _: fcntl.ioctl(0, termios.TIOCSTI, b"x"),
    "exec": lambda _: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "run": lambda _: subprocess.run([sys.executable, "-c", ""], check=True),
    "fork": _fork,
    "thread": _thread,
    "share memory": lambda _: mmap.mmap(-1, 1 << 20).close(),
    "signal parent": lambda _: os.kill(os.getppid(), 0),
    "signal itself": lambda _: os.kill(os.getpid(), 0),
    "limit parent": lambda _: resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3)),
    "limit itself": lambda _: resource.prlimit(0, resource.RLIMIT_CORE, (0, 0)),
    "slow parent": lambda _: os.setpriority(os.PRIO_PROCESS, os.getppid(), 19),
    "ptrace": _by_number(101, 117, 0, 0, 0, 0),
    "mount": _by_number(165, 40, 0, 0, 0, 0, 0),
    "bpf": _by_number(321, 280, 0, 0, 0),
    "keyctl": _by_number(250, 219, 0, -3, 0),
    "io_uring": _by_number(425, 425, 1, 0),
    "unshare": _by_number(272, 97, 0x10000000),
    "clone3": _by_number(435, 435, 0, 0),
    "abort": lambda _: signal.raise_signal(signal.SIGABRT),
}
