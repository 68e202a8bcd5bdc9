"""A guest's connections to the service, used again: to make and to accept one costs a twentieth of a search.

Each is one exchange's alone at a time, so several threads may ask. It knows no HTTP but whether a connection
is still good, and no errors but the kernel's.
"""

from __future__ import annotations

import os
import socket
import weakref

from pi_rag.clock import Clock

IDLE_MAX = 4
"""Kept open while nobody asks. The service counts them among its own (`service.connections_max`)."""

IDLE_S_MAX = 2.0
"""Older ones are closed: the service hangs up after five seconds, and then never on a question."""


_Kept = tuple[socket.socket, float, int]
"""When it was given back, and by which process."""


class Connections:
    """To one socket, for as long as a guest lives."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._idle: list[_Kept] = []
        """The last one last. Each look takes one out or puts one in, at once for all threads."""
        weakref.finalize(self, _close_all, self._idle)

    def used(self) -> socket.socket | None:
        """One that was given back and is still good, or None."""
        while (kept := self._taken(-1)) is not None:
            sock, since_s, pid = kept
            # Of two processes that asked on one connection either could get the other's answer.
            if pid == os.getpid() and self._clock.monotonic_s() - since_s < IDLE_S_MAX and _is_quiet(sock):
                return sock
            sock.close()
        return None

    def give_back(self, sock: socket.socket) -> None:
        """It is at the end of an answer, and the service keeps it open."""
        self._idle.append((sock, self._clock.monotonic_s(), os.getpid()))
        if len(self._idle) > IDLE_MAX and (oldest := self._taken(0)) is not None:
            oldest[0].close()

    def _taken(self, place: int) -> _Kept | None:
        try:
            return self._idle.pop(place)
        except IndexError:
            return None


def _is_quiet(sock: socket.socket) -> bool:
    """Whether the other end has neither hung up nor said anything."""
    sock.setblocking(False)
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _close_all(idle: list[_Kept]) -> None:
    while idle:
        idle.pop()[0].close()
