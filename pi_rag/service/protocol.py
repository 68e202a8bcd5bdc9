"""HTTP/1.1 with bounds that uvicorn itself does not set: connections, and the time and size of a head.

A client that connects and then says nothing, or sends its head a byte at a time, would otherwise hold its
place for ever, and one that never ends its head would fill the RAM. Bodies are bounded in `gate.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pi_rag.config import ServiceSettings
from pi_rag.errors import Busy, PiRagError, RequestInvalid, RequestTooLarge
from pi_rag.service.answers import error_bytes
from pi_rag.service.peers import peer_of

LATE_S = 0.2
"""While the service stops, who is connected and has not asked gets so long to do so: it may be on its way."""


def bounded(settings: ServiceSettings) -> type[asyncio.Protocol]:
    """The protocol class for uvicorn's `http=` with the bounds of these settings."""
    return type("BoundedProtocol", (_BoundedProtocol,), {"settings": settings})


class _BoundedProtocol(HttpToolsProtocol):
    settings: ServiceSettings
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _stopping = False
    _asked: Sequence[Any] = ()
    """Requests of this connection that have no answer yet: uvicorn reads on while one is in progress."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # Every request finds it in its state.
        self.app_state = {**self.app_state, "peer": peer_of(transport), "unasked": [True]}
        if len(self.connections) > self.settings.connections_max:
            self._refuse(Busy("Too many connections are open."))
            return
        self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._start_head_timer()
        # What is no whole head and no body counts: a head that waits its turn, or lines after a body, too.
        self._head_bytes += len(data)
        super().data_received(data)
        head_kib_max = self.settings.head_kib_max
        if self._head_bytes > head_kib_max * 1024:
            self._refuse(RequestTooLarge(f"The head of the request is larger than {head_kib_max} KiB."))

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        self._head_bytes = 0
        super().on_headers_complete()
        if self._stopping:
            self.cycle.keep_alive = False
        self._asked = [each for each in self._asked if not each.response_complete] + [self.cycle]

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """In place of uvicorn's line of text: what cannot be parsed is answered as every error is."""
        self._refuse(RequestInvalid(f"It cannot be read as HTTP/1.1: {msg}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._leave()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._stopping = True
        if self._owes_nothing():
            self.loop.call_later(LATE_S, self._end_if_silent)
        else:
            self.cycle.keep_alive = False

    def _end_if_silent(self) -> None:
        # A question that has begun has the head's own time.
        if self._owes_nothing() and not self._head_bytes:
            self.transport.close()

    def _owes_nothing(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.settings.silence_s_max, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _leave(self) -> None:
        """Tell every request of this connection that nobody waits for it; uvicorn tells the newest alone."""
        for each in self._asked:
            each.disconnected = True
            each.message_event.set()

    def _refuse(self, error: PiRagError) -> None:
        # What is in progress would otherwise be written to a transport that is closed.
        self._leave()
        self.transport.write(error_bytes(error))
        self.transport.close()
