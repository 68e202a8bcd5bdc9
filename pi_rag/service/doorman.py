"""A guest is looked at where they stand at the socket, and turned away there while the house is full.

The gate hears of a guest who is let in some rounds of the event loop later, and in an overload each round is
long. Whoever has sent a whole request by the time they are looked at is told at once, before a transport, a
task or the web framework knows of them. All others are let in, and the gate decides as always. It knows not
when the house is full; the gate says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import httptools

from pi_rag import log
from pi_rag.errors import PiRagError
from pi_rag.service.answers import error_bytes

LOOKED_AT_MAX: Final = 256
"""Guests in one round of the event loop; the others wait for the next, so that it does all else meanwhile."""

PEEK_BYTES: Final = 16384
"""A larger request is let in: the gate refuses it in its own time."""

REST_S: Final = 1.0
"""Until the next look when nobody can come in, because the process or the system has no descriptor left."""

_log = log.logger("service")


@dataclass(frozen=True)
class Asked:
    """A request that is there from its head to the end of its body."""

    method: str
    path: str
    query: bytes


Refuses = Callable[[Asked], PiRagError | None]
"""Why a request is refused; None: come in."""


def all_are_welcome(_: Asked) -> None:
    """Nobody is turned away at the door."""


class Doorman:
    """Accepts what comes in by a listening socket. One for as long as it is served."""

    def __init__(
        self, sock: socket.socket, refuses: Refuses, make_protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._sock = sock
        self._refuses = refuses
        self._make_protocol = make_protocol
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Look at the door whenever somebody comes."""
        self._loop.add_reader(self._sock, self._look)

    async def end(self) -> None:
        """Take nobody more; those who are on their way in come in."""
        self._loop.remove_reader(self._sock)
        if self._rest is not None:
            self._rest.cancel()
        self._sock.close()
        await asyncio.gather(*self._entering, return_exceptions=True)

    def _look(self) -> None:
        for _ in range(LOOKED_AT_MAX):
            try:
                guest, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._take_a_rest(error)
                return
            guest.setblocking(False)
            if not self._is_turned_away(guest):
                self._let_in(guest)

    def _take_a_rest(self, error: OSError) -> None:
        """The socket would be ready again and again, and nobody could come in."""
        _log.warning("nobody_can_come_in", reason=str(error))
        self._loop.remove_reader(self._sock)
        self._rest = self._loop.call_later(REST_S, self.begin)

    def _is_turned_away(self, guest: socket.socket) -> bool:
        """With a whole answer, if their whole request is there and is refused."""
        try:
            sent = guest.recv(PEEK_BYTES, socket.MSG_PEEK)
        except OSError:  # nothing yet
            return False
        asked = _asked(sent)
        if asked is None or (error := self._refuses(asked)) is None:
            return False
        # What is left unread when a socket is closed would tell the guest of a fault.
        with contextlib.suppress(OSError), guest:
            guest.recv(len(sent))
            guest.send(error_bytes(error))
        return True

    def _let_in(self, guest: socket.socket) -> None:
        task = self._loop.create_task(self._handed_over(guest))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _handed_over(self, guest: socket.socket) -> None:
        # Who has gone by then need not be told.
        with contextlib.suppress(OSError):
            await self._loop.connect_accepted_socket(self._make_protocol, guest)


class _Reader:
    """What httptools tells of what was sent; of several requests, of the first."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.method, self.url = b"", b""
        self.is_whole = False

    def on_url(self, url: bytes) -> None:
        if not self.is_whole:
            self.url += url

    def on_message_complete(self) -> None:
        if not self.is_whole:
            self.method, self.is_whole = self.parser.get_method(), True


def _asked(sent: bytes) -> Asked | None:
    """The request, if it is whole and can be read; its address is read as uvicorn reads it."""
    reader = _Reader()
    try:
        reader.parser.feed_data(sent)
        address = httptools.parse_url(reader.url)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if not reader.is_whole:
        return None
    path = unquote((address.path or b"").decode("latin-1"))
    return Asked(reader.method.decode("latin-1"), path, address.query or b"")
