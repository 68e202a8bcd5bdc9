"""One spawned program and the socket that leads to it.

A child is always `python -m MODULE`, started afresh: the supervisor holds threads and a database, and a
fork of it would inherit both in an unknown state. Every child gets one end of a socketpair and dies with
its parent, whatever kills that. It does not know what the two say to each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping, Sequence

from pi_rag.errors import InternalError

PR_SET_PDEATHSIG = 1

ONE_THREAD_ENVIRON = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""Number libraries open a thread for each core when they are imported, unless told otherwise."""


class Child:
    """A running program, the parent's end of its socket, and its end."""

    def __init__(self, process: subprocess.Popen[bytes], sock: socket.socket) -> None:
        self.pid = process.pid
        self.sock = sock
        self.process = process

    @classmethod
    def spawn(
        cls,
        module: str,
        arguments: Sequence[str] = (),
        *,
        environ: Mapping[str, str] | None = None,
        inherits: Collection[str] | None = None,
        nice: int = 0,
    ) -> Child:
        """Start `python -m module`; the child side begins with `attach`. `environ` is added to what it
        inherits of our own: these names, or (None) all. `nice` says how far it steps back behind other
        processes from its first moment.

        Only from the main thread: the kernel sends "your parent died" when the *thread* that spawned ends.
        Raises InternalError from another thread, OSError when the machine has no process left to give.
        """
        if threading.current_thread() is not threading.main_thread():
            raise InternalError(f"{module} may only be spawned from the main thread.")
        ours, theirs = socket.socketpair()
        command = [*_python(module), str(theirs.fileno()), str(os.getpid()), *arguments]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                # A Ctrl-C in a terminal is for the parent, which then ends its children; and who has no
                # terminal cannot type into it.
                start_new_session=True,
                env={**_left(inherits), **(environ or {})},
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        if nice:  # it cannot be gone: even when it has ended, it is not reaped yet
            os.setpriority(os.PRIO_PROCESS, process.pid, nice)
        return cls(process, ours)

    @property
    def alive(self) -> bool:
        """False once it has ended; it is reaped then."""
        return self.process.poll() is None

    @property
    def returncode(self) -> int | None:
        """None while it runs, negative when a signal ended it."""
        return self.process.poll()

    async def wait(self, timeout_s: float) -> int | None:
        """Its return code, or None when it still runs after `timeout_s`."""
        if self.alive:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_ended(self.pid), timeout_s)
        return self.returncode

    def kill(self) -> None:
        """SIGKILL, close the socket, reap. A killed process ends as soon as the kernel gets to it."""
        self.sock.close()
        if self.alive:
            self.process.kill()
        self.process.wait()

    async def end(self, grace_s: float) -> int:
        """Close the socket, which asks it to end; SIGKILL after `grace_s`. Returns its return code."""
        self.sock.close()
        try:
            await self.wait(grace_s)
        finally:
            self.kill()
        return self.process.returncode


def attach(argv: Sequence[str]) -> tuple[socket.socket, list[str]]:
    """The child's side: its end of the socket and its own arguments. Call it first of all in `main`.

    From here on it dies with its parent.
    """
    fd, parent_pid, *arguments = argv
    die_with_parent(int(parent_pid))
    sock = socket.socket(fileno=int(fd))
    sock.set_inheritable(False)
    return sock, arguments


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent ends; exit now when it already has.

    The parent's pid is passed in, since asking for it here would be too late in just that case.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        os._exit(1)


def _left(names: Collection[str] | None) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if names is None or name in names}


def _python(module: str) -> list[str]:
    """The interpreter we run on. -P: a stray `numpy.py` in the folder we were started in is not ours."""
    return [sys.executable, "-P", "-m", module]


async def _ended(pid: int) -> None:
    """Wait without a thread until a child of ours has ended; it is not reaped here."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    pidfd = os.pidfd_open(pid)
    try:
        loop.add_reader(pidfd, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
