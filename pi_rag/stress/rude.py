"""Guests with bad manners, on one socket: they stop in the middle, crawl, never ask, or talk nonsense.

It knows a socket's path and nothing of who listens there. Their number is bounded, each sends little, and all
of them are gone when the block ends.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CONNECT_S_MAX = 5.0
CRAWL_S = 1.0
"""A guest who crawls sends a byte so often."""
ANSWER_S_MAX = 2.0
"""So long it is listened to what is said to nonsense."""

HALF = b'POST /v1/search HTTP/1.1\r\nHost: pi-rag\r\nContent-Length: 60\r\n\r\n{"query": "where is the'
"""A request whose end never comes."""

CRAWL = b"GET /v1/status HTTP/1.1\r\nHost: pi-rag\r\nX-Long: " + b"a" * 200


@contextmanager
def connected(path: Path, count: int) -> Iterator[list[socket.socket]]:
    """So many connections, as far as there is room for them."""
    with contextlib.ExitStack() as open_ones:
        found = []
        for _ in range(count):
            sock = open_ones.enter_context(socket.socket(socket.AF_UNIX))
            sock.settimeout(CONNECT_S_MAX)
            with contextlib.suppress(OSError):
                sock.connect(str(path))
                found.append(sock)
        yield found


@contextmanager
def silent(path: Path, count: int) -> Iterator[int]:
    """Half-open: half of them say nothing, the others say that they will say no more; how many there are."""
    with connected(path, count) as guests:
        for guest in guests[::2]:
            with contextlib.suppress(OSError):
                guest.shutdown(socket.SHUT_WR)
        yield len(guests)


@contextmanager
def halves(path: Path, count: int) -> Iterator[int]:
    """Each sends a part of a request, and stops at another place."""
    with connected(path, count) as guests:
        for number, guest in enumerate(guests):
            with contextlib.suppress(OSError):
                guest.sendall(HALF[: 1 + number % len(HALF)])
        yield len(guests)


@contextmanager
def crawling(path: Path, count: int) -> Iterator[int]:
    """Each sends a byte a second of a request, and reads nothing."""
    done = threading.Event()
    with connected(path, count) as guests:
        thread = threading.Thread(target=_crawl, args=(guests, done), name="crawling")
        thread.start()
        try:
            yield len(guests)
        finally:
            done.set()
            thread.join()


def _crawl(guests: Sequence[socket.socket], done: threading.Event) -> None:
    for byte in CRAWL:
        for guest in guests:
            with contextlib.suppress(OSError):  # the service has had enough of it
                guest.sendall(bytes([byte]))
        if done.wait(CRAWL_S):
            return


def nonsense(path: Path, count: int, dice: random.Random) -> int:
    """One after the other sends nonsense, and hears what is said to it; how many were heard out."""
    heard = 0
    for number in range(count):
        with connected(path, 1) as guests:
            for guest in guests:
                heard += _heard_out(guest, _KINDS[number % len(_KINDS)](dice))
    return heard


def _heard_out(guest: socket.socket, said: bytes) -> bool:
    """Whether it was answered or hung up on within its time."""
    guest.settimeout(ANSWER_S_MAX)
    try:
        guest.sendall(said)
        guest.shutdown(socket.SHUT_WR)
        while guest.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass  # hung up on
    return True


_KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    lambda dice: dice.randbytes(dice.randint(1, 4096)),
    lambda dice: b"\x16\x03\x01" + dice.randbytes(512),  # as TLS begins
    lambda dice: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + dice.randbytes(64),
    lambda dice: b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * dice.randint(1, 1 << 20) + b"\r\n",
    lambda dice: b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" + dice.randbytes(9),
    lambda dice: b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
    lambda dice: b"POST /v1/search HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
    lambda dice: b"\x00" * dice.randint(1, 100),
)
