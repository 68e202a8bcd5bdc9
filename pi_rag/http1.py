"""One HTTP/1.1 request and its answer over a Unix socket, with every byte and every second bounded.

The standard library's `http.client` would do, but its import pulls in `ssl` and `email` and costs more than
all the rest of `pi-rag status` (docs/decisions/client.md). What is needed of HTTP here is little: one
request after the other on a connection, answers with a Content-Length or in chunks. Anything else is refused
instead of guessed at.

It knows nothing of JSON, of paths like /v1/search, or of the errors that people see: those are `client.py`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pi_rag import __version__
from pi_rag.clock import Clock

HEAD_BYTES_MAX = 65536
"""Longest status line and headers, and longest single line in chunked framing. Ours are a few hundred."""

READ_BYTES = 65536
"""One read from the socket: the deadline and the size are looked at between two of them."""


class NotHttp(ValueError):
    """The other end does not speak HTTP/1.1 as our service does."""


class AnswerTooLarge(ValueError):
    """The answer is larger than the caller takes."""


class HungUp(OSError):
    """The other end closed the connection before its answer was whole."""


class NotRead(HungUp):
    """It had closed the connection before it read all of the request, so nothing of it was done."""


def connect(path: Path, timeout_s: float) -> socket.socket:
    """A connected Unix socket. Raises OSError as the kernel says it."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.connect(os.fspath(path))
    except BaseException:
        sock.close()
        raise
    return sock


def exchange(
    sock: socket.socket,
    method: str,
    target: str,
    payload: bytes | None,
    *,
    answer_s_max: float,
    answer_bytes_max: int,
    clock: Clock,
) -> tuple[int, bytes, bool]:
    """The status and the body of the answer, and whether the connection is good for another exchange.

    Raises TimeoutError, NotRead, HungUp, another OSError, NotHttp or AnswerTooLarge.
    """
    stream = _Stream(sock, answer_s_max, clock)
    status, headers = _asked(stream, _request(method, target, payload, {}))
    body = _body(stream, status, headers, answer_bytes_max)
    return status, body, stream.is_at_its_end and headers.get(b"connection", b"").lower() != b"close"


def lines(
    sock: socket.socket,
    target: str,
    *,
    payload: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    silence_s_max: float,
    line_bytes_max: int,
    clock: Clock,
) -> tuple[int, Iterator[bytes]]:
    """The status of a GET, or with a payload of a POST, and the lines of its answer as they come, with ends.

    The whole may take as long as it likes; between two pieces nothing may come for `silence_s_max` at most.
    `headers` go beside ours or in their place; their values must be plain ASCII. Raises as `exchange`, also
    while the lines are taken.
    """
    stream = _Stream(sock, silence_s_max, clock)
    method = "GET" if payload is None else "POST"
    once = {"Connection": "close"} | dict(headers or {})
    status, answered = _asked(stream, _request(method, target, payload, once))
    if status != 200 or answered.get(b"transfer-encoding", b"").lower() != b"chunked":
        return status, iter(_body(stream, status, answered, line_bytes_max).splitlines(keepends=True))
    return status, _lines(stream, silence_s_max, line_bytes_max)


def _lines(stream: _Stream, silence_s_max: float, line_bytes_max: int) -> Iterator[bytes]:
    begun = bytearray()
    while size := _chunk_size(stream.line()):
        _bounded(len(begun) + size, line_bytes_max)
        *whole, rest = stream.exactly(size).split(b"\n")
        _end_of_chunk(stream)
        for each in whole:
            yield bytes(begun) + each + b"\n"
            begun.clear()
        begun += rest
        stream.wait_anew(silence_s_max)
    _headers(stream)
    if begun:
        yield bytes(begun)


def _end_of_chunk(stream: _Stream) -> None:
    if stream.exactly(2) != b"\r\n":
        raise NotHttp("a chunk longer than it says")


def _asked(stream: _Stream, request: bytes) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of the answer to a request."""
    # The service may refuse a body that is too large and hang up before it has read it all. Its answer
    # lies in the socket all the same.
    is_sent = False
    with suppress(BrokenPipeError, ConnectionResetError):
        stream.send(request)
        is_sent = True
    try:
        return _head(stream)
    except (HungUp, ConnectionResetError) as error:
        # A reset is how the kernel tells that something was left unread.
        if is_sent and isinstance(error, HungUp):
            raise
        raise NotRead("the connection was closed before the request was read") from error


def _request(method: str, target: str, payload: bytes | None, headers: Mapping[str, str]) -> bytes:
    fields = {"Host": "localhost", "Accept": "application/json"}
    fields["User-Agent"] = f"pi-rag/{__version__}"
    if payload is not None:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(payload))}
    head = "".join(f"{name}: {value}\r\n" for name, value in (fields | dict(headers)).items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("ascii") + (payload or b"")


class _Stream:
    """A socket that is written and read against one deadline for the whole exchange."""

    def __init__(self, sock: socket.socket, answer_s_max: float, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock
        self._deadline_s = clock.monotonic_s() + answer_s_max
        self._buffer = bytearray()

    def wait_anew(self, seconds: float) -> None:
        """Put the deadline off: what was asked for comes in pieces, and one has come."""
        self._deadline_s = self._clock.monotonic_s() + seconds

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._hurry()
        self._sock.sendall(data)

    def line(self) -> bytes:
        """The bytes up to the next CRLF, without it."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise NotHttp("a line without an end")
            self._fill()
        return self.exactly(end + 2)[:-2]

    def exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._buffer) < count:
            self._fill()
        with memoryview(self._buffer) as view:
            data = bytes(view[:count])
        del self._buffer[:count]
        return data

    @property
    def is_at_its_end(self) -> bool:
        """Whether nothing came that nobody has read."""
        return not self._buffer

    def _fill(self) -> None:
        self._hurry()
        data = self._sock.recv(READ_BYTES)
        if not data:
            raise HungUp("the connection was closed before the answer was whole")
        self._buffer += data

    def _hurry(self) -> None:
        left_s = self._deadline_s - self._clock.monotonic_s()
        if left_s <= 0:
            raise TimeoutError("the answer did not come in time")
        self._sock.settimeout(left_s)


def _head(stream: _Stream) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of the answer, names in lower case; interim answers (1xx) are passed over."""
    while True:
        status = _status(stream.line())
        headers = _headers(stream)
        if status >= 200:
            return status, headers


def _status(line: bytes) -> int:
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not code.isdigit() or not 100 <= int(code) < 600:
        raise NotHttp("no HTTP status line")
    return int(code)


def _headers(stream: _Stream) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    size = 0
    while line := stream.line():
        name, colon, value = line.partition(b":")
        size += len(line)
        if not colon or size > HEAD_BYTES_MAX:
            raise NotHttp("headers that are none, or too many of them")
        # Two lengths would leave it to us which one is true. No header that we read may come twice.
        key = name.strip().lower()
        if key in headers and key in (b"content-length", b"transfer-encoding"):
            raise NotHttp("a doubled header")
        headers[key] = value.strip()
    return headers


def _body(stream: _Stream, status: int, headers: dict[bytes, bytes], bytes_max: int) -> bytes:
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    if status in (204, 304):
        return b""
    if coding is not None:
        if coding.lower() != b"chunked" or length is not None:
            raise NotHttp("an unknown transfer encoding")
        return _chunks(stream, bytes_max)
    if length is None or not length.isdigit():
        raise NotHttp("an answer without a length")
    return stream.exactly(_bounded(int(length[:20]), bytes_max))


def _chunks(stream: _Stream, bytes_max: int) -> bytes:
    body = bytearray()
    while size := _chunk_size(stream.line()):
        _bounded(len(body) + size, bytes_max)
        body += stream.exactly(size)
        _end_of_chunk(stream)
    _headers(stream)
    return bytes(body)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > 16 or digits.strip(b"0123456789abcdefABCDEF"):
        raise NotHttp("a chunk without a size")
    return int(digits, 16)


def _bounded(size: int, bytes_max: int) -> int:
    if size > bytes_max:
        raise AnswerTooLarge(f"{size} bytes, more than {bytes_max}")
    return size
