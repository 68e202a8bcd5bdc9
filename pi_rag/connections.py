"""A guest's connections to the service, used again: to make and to accept one costs a twentieth of a search.

Each is one exchange's alone at a time, so several threads may ask. It knows no HTTP but whether a connection
is still good, and no errors but the kernel's.
"""

from __future__ import annotations

import socket
import threading
import weakref

from pi_rag.clock import Clock

IDLE_MAX = 4
"""Kept open while nobody asks. The service counts them among its own (`service.connections_max`)."""

IDLE_S_MAX = 2.0
"""Older ones are closed: the service hangs up after five seconds, and then never on a question."""


class Connections:
    """To one socket, for as long as a guest lives."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._idle: list[tuple[socket.socket, float]] = []
        """With the time when each was given back, the last one last."""
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def used(self) -> socket.socket | None:
        """One that was given back and is still good, or None."""
        while (last := self._last()) is not None:
            sock, since_s = last
            if self._clock.monotonic_s() - since_s < IDLE_S_MAX and _is_quiet(sock):
                return sock
            sock.close()
        return None

    def give_back(self, sock: socket.socket) -> None:
        """It is at the end of an answer, and the service keeps it open."""
        with self._lock:
            self._idle.append((sock, self._clock.monotonic_s()))
            oldest = self._idle.pop(0)[0] if len(self._idle) > IDLE_MAX else None
        if oldest is not None:
            oldest.close()

    def _last(self) -> tuple[socket.socket, float] | None:
        with self._lock:
            return self._idle.pop() if self._idle else None


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


def _close_all(idle: list[tuple[socket.socket, float]]) -> None:
    while idle:
        idle.pop()[0].close()
