"""A stand-in for the Hugging Face hub on 127.0.0.1: it serves files as the hub does, and fails on demand."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the stand-in serves, how it fails, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    """Content by address: `owner/repo/resolve/revision/file`."""
    tags: dict[str, str] = field(default_factory=dict)
    """A false tag by address; otherwise a file's tag is its sha256, as for the hub's large files."""
    bytes_before_break: int | None = None
    """The next transfer stops after so many bytes, and every later one is answered 503 until this is None."""
    broken: bool = False
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, address, Range) of each request."""
    endpoint: str = ""

    def put(self, repository: str, revision: str, name: str, content: bytes) -> None:
        """Serve one file."""
        self.files[f"{repository}/resolve/{revision}/{name}"] = content

    def mend(self) -> None:
        """Serve every transfer whole again."""
        self.bytes_before_break, self.broken = None, False


class _Server(ThreadingHTTPServer):
    hub: Hub
    block_on_close = True
    daemon_threads = False


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Be quiet."""

    def _answer(self, *, body: bool) -> None:
        hub, address = self.server.hub, self.path.lstrip("/")
        wanted = self.headers.get("Range", "")
        hub.requests.append((self.command, address, wanted))
        self.close_connection = True
        if address not in hub.files:
            return self._refuse(404, "EntryNotFound")
        if body and hub.broken:
            return self._refuse(503, "Unavailable")
        content = hub.files[address]
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self._describe(hub.tags.get(address, hashlib.sha256(content).hexdigest()), start, len(content))
        if body:
            self._send(hub, content[start:])
        return None

    def _describe(self, tag: str, start: int, total: int) -> None:
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Length", str(total - start))
        self.send_header("ETag", f'"{tag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Connection", "close")
        self.end_headers()

    def _send(self, hub: Hub, content: bytes) -> None:
        if hub.bytes_before_break is not None:
            content, hub.broken = content[: hub.bytes_before_break], True
        self.wfile.write(content)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()


@contextmanager
def running() -> Iterator[Hub]:
    """A hub at `hub.endpoint`, until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hub = Hub(endpoint=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
