"""A strict stand-in for the service: HTTP over a Unix socket, with answers that a test lays out beforehand.

A request that no answer was laid out for gets 500 and is remembered, so that a test fails on it. It knows
the contract's shapes only as far as the tests give them.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Reply = tuple[int, Any]


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    params: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class StandIn:
    """The service's place: `answers` by method and path, `asked` in order."""

    socket_path: Path
    answers: dict[tuple[str, str], Reply | Callable[[Asked], Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    unexpected: list[Asked] = field(default_factory=list)

    def on(self, method: str, path: str, answer: Any, status: int = 200) -> None:
        """Lay out an answer; a function is called with the request and gives (status, object)."""
        self.answers[method, path] = answer if callable(answer) else (status, answer)

    def refuse(self, method: str, path: str, status: int, code: str, **fields: Any) -> None:
        """Lay out an error of the service."""
        wire = {"code": code, "message": f"{code}.", "hint": "Do so.", "retry_after_ms": None} | fields
        self.on(method, path, {"error": wire}, status)

    def bodies(self, path: str) -> list[Any]:
        """The bodies of what was posted there, in order."""
        return [asked.body for asked in self.asked if asked.path == path and asked.method == "POST"]

    def reply(self, asked: Asked) -> Reply:
        """The answer to a request."""
        self.asked.append(asked)
        answer = self.answers.get((asked.method, asked.path))
        if answer is None:
            self.unexpected.append(asked)
            wire = {"code": "internal_error", "message": f"Nobody expected {asked}.", "hint": ""}
            return 500, {"error": wire}
        return answer(asked) if callable(answer) else answer


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = False
    block_on_close = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left before its answer is what some tests are about; all else is shown."""
        if not isinstance(sys.exception(), (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)


def _handler(standin: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            data = self.rfile.read(length)
            parts = urlsplit(self.path)
            params = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            body = json.loads(data) if data else None
            status, answer = standin.reply(
                Asked(self.command, parts.path, params, body, dict(self.headers.items()))
            )
            payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            # Else it would wait for the client's next request, and a test for its end.
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server finds them by these names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            """Say nothing; the tests look at what was asked."""

    return Handler


@contextmanager
def standing_in(socket_path: Path) -> Iterator[StandIn]:
    """A stand-in that listens, and that was asked nothing unexpected."""
    standin = StandIn(socket_path)
    with _Server(str(socket_path), _handler(standin)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield standin
        finally:
            server.shutdown()
            thread.join()
    assert standin.unexpected == []


@contextmanager
def raw(socket_path: Path, answer: bytes, *, hold: bool = False) -> Iterator[None]:
    """A listener that gives one connection these bytes, whatever was asked, and hangs up (or holds on)."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            # The client may have hung up already: that is what some tests are about.
            with connection, suppress(BrokenPipeError, ConnectionResetError):
                connection.recv(65536)
                connection.sendall(answer)
                if hold:
                    done.wait()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
