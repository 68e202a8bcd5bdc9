"""A service that does what a test says, byte by byte: what it sends, when, and whether it hangs up."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OLD = {"jsonrpc": "2.0"}


@dataclass
class Asked:
    """One request as it came, and the connection to answer on."""

    message: Any
    headers: dict[str, str]
    sock: socket.socket

    def json(self, body: Any, status: int = 200) -> None:
        """Answer with one JSON text."""
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        self.sock.sendall(head.encode() + data)

    def result(self, **result: Any) -> None:
        """Answer as MCP does."""
        self.json({"jsonrpc": "2.0", "id": self.message["id"], "result": result})

    def begin(self) -> None:
        """Begin a stream of events."""
        head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self.sock.sendall(head.encode())

    def event(self, message: Any) -> None:
        """Send one event of it."""
        data = f"event: message\r\ndata: {json.dumps(message)}\r\n\r\n".encode()
        self.sock.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self) -> None:
        """End it."""
        self.sock.sendall(b"0\r\n\r\n")

    def closed(self) -> bool:
        """Wait until the other end has closed the connection."""
        self.sock.settimeout(10)
        with suppress(ConnectionResetError):
            return self.sock.recv(1) == b""
        return True


@dataclass
class Scripted:
    """`answer` is called in a thread of its own for each request; what it does not answer is hung up."""

    path: Path
    answer: Callable[[Asked], None]
    asked: list[Asked] = field(default_factory=list)

    def take(self, sock: socket.socket) -> None:
        """Read one request and have it answered."""
        with sock, suppress(OSError), sock.makefile("rb") as file:
            headers = {}
            if not file.readline():
                return
            while line := file.readline().strip():
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = file.read(int(headers["content-length"]))
            asked = Asked(json.loads(body), headers, sock)
            self.asked.append(asked)
            self.answer(asked)


@contextmanager
def scripted(path: Path, answer: Callable[[Asked], None]) -> Iterator[Scripted]:
    """Such a service on a socket, for as long as the block lasts."""
    service = Scripted(path, answer)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=service.take, args=(sock,)))
                threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield service
        finally:
            path.unlink()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(10)
            for thread in threads:
                thread.join(10)
