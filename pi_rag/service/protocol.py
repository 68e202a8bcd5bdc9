"""HTTP/1.1 with bounds that uvicorn itself does not set: connections, and the time a head may take.

A client that connects and then says nothing, or sends its head a byte at a time, would otherwise hold its
place for ever. Bodies are bounded in `gate.py`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pi_rag.errors import Busy


def bounded(connections_max: int, silence_s_max: float) -> type[asyncio.Protocol]:
    """The protocol class for uvicorn's `http=` with these bounds."""
    return type(
        "BoundedProtocol",
        (_BoundedProtocol,),
        {"connections_max": connections_max, "silence_s_max": silence_s_max},
    )


class _BoundedProtocol(HttpToolsProtocol):
    connections_max: int
    silence_s_max: float
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.connections_max:
            transport.write(_refusal())
            transport.close()
            return
        self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._start_head_timer()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._stop_head_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.silence_s_max, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _refusal() -> bytes:
    """One connection too many is told why, in the shape of every other error."""
    error = Busy("Too many connections are open.")
    body = json.dumps({"error": error.to_wire()}).encode()
    head = (
        f"HTTP/1.1 {error.http_status} Service Unavailable\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
