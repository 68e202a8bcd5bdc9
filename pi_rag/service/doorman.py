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


@dataclass
class Asked:
    """The head of a request, as httptools reads it."""

    url: bytes = b""
    is_whole: bool = False
    method: str = ""

    def on_url(self, url: bytes) -> None:
        """A piece of its address."""
        self.url += url

    def on_message_complete(self) -> None:
        """Its body is there too."""
        self.is_whole = True


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
        await asyncio.gather(*self._entering)

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
        with contextlib.suppress(OSError):
            sent = guest.recv(PEEK_BYTES, socket.MSG_PEEK)
            asked = _asked(sent)
            if asked is not None and (error := self._refuses(asked)) is not None:
                # What is left unread when a socket is closed would tell the guest of a fault.
                guest.recv(len(sent))
                guest.send(error_bytes(error))
                guest.close()
                return True
        return False

    def _let_in(self, guest: socket.socket) -> None:
        task = self._loop.create_task(self._handed_over(guest))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _handed_over(self, guest: socket.socket) -> None:
        # Who has gone by then need not be told.
        with contextlib.suppress(OSError):
            await self._loop.connect_accepted_socket(self._make_protocol, guest)


def _asked(sent: bytes) -> Asked | None:
    """The request, if it is whole and can be read."""
    asked = Asked()
    parser = httptools.HttpRequestParser(asked)
    try:
        parser.feed_data(sent)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if not asked.is_whole:
        return None
    asked.method = parser.get_method().decode("latin-1")
    return asked
