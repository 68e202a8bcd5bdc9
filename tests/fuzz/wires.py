"""Bytes on the service's real socket that are no HTTP, or not quite: whole, in pieces, doubled, or half.

The service may answer, and then with a status below 500 or 503, or close; it may not stay silent beyond its
bound, and not fall over.
"""

from __future__ import annotations

import random
import socket
import time
from pathlib import Path

from tests.fuzz.mutating import Mutator

SILENCE_S_MAX = 1.0
"""`service.silence_s_max` of the fuzzed service: a half request is closed after it."""

CLOSED_S_MAX = 15.0
"""A bound for a busy machine; a closed connection is seen within a second or so. Less than
`driving.INPUT_S_MAX`, whose alarm does not say what was heard."""

ENVIRON = {"PI_RAG_SERVICE_SILENCE_S_MAX": str(SILENCE_S_MAX)}

_POST = b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
_BODY = b'{"query": "tea"}'
_LENGTH = b"Content-Length: %d\r\n\r\n" % len(_BODY)

RIGHT = (
    _GET,
    _GET * 5,
    b"GET /healthz HTTP/1.0\r\n\r\n",
    _POST + _LENGTH + _BODY,
    _POST + b"Transfer-Encoding: chunked\r\n\r\n10\r\n" + _BODY + b"\r\n0\r\n\r\n",
    _POST
    + b"Transfer-Encoding: chunked\r\n\r\n8\r\n"
    + _BODY[:8]
    + b"\r\n8;a=b\r\n"
    + _BODY[8:]
    + b"\r\n0\r\nX: y\r\n\r\n",
    _POST + b"Expect: 100-continue\r\n" + _LENGTH + _BODY,
    b"HEAD /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/jobs?limit=5 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    b"POST /mcp HTTP/1.1\r\nHost: x\r\nAccept: application/json, text/event-stream\r\n"
    b"Content-Length: 46\r\n\r\n"
    b'{"jsonrpc":"2.0","id":1,"method":"ping"}      ',
)

WORDS = (
    b"Content-Length: 5\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Length: 0x10\r\n", b"Content-Length: 1e3\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n", b"-1\r\n", b"7FFFFFFFFFFFFFFF\r\n", b"\r\n\r\n", b"HTTP/9.9\r\n",
    b"HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"X: " + b"a" * 20_000 + b"\r\n",
    b"A: b\r\n" * 2000, b"GET " + b"/a" * 30_000 + b" HTTP/1.1\r\n", b"Connection: close\r\n",
    b" folded: line\r\n",
    b"Host: x\r\nHost: y\r\n", b"X\0Y: z\r\n", b"X: \0\r\n", b"\n\n", b"GET  /  HTTP/1.1\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"CONNECT a:1 HTTP/1.1\r\n", b"GET http://[::1/ HTTP/1.1\r\n", b"GET //..//%00%ff HTTP/1.1\r\n",
    b"GET ?=# HTTP/1.1\r\n",
)  # fmt: skip


class Silent(AssertionError):
    """The service neither answered nor closed."""


def wire(dice: random.Random) -> bytes:
    """The bytes of one connection."""
    mutator = Mutator(dice, WORDS)
    data = mutator.spoilt(dice.choice(RIGHT), dice.choice(RIGHT))
    return data if dice.random() < 0.8 else data + dice.choice(RIGHT)


def thrown(path: Path, data: bytes, dice: random.Random) -> list[int]:
    """Send it in a few pieces and end; the status of each answer that came. Raises Silent."""
    pieces = _pieces(data, dice)
    half = dice.random() < 0.002
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(CLOSED_S_MAX)
        sock.connect(str(path))
        try:
            for piece in pieces:
                sock.sendall(piece)
            if not half:  # who ends its side is answered or hung up at once; who does not, after the bound
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return statuses(_rest(sock))


def _pieces(data: bytes, dice: random.Random) -> list[bytes]:
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.choice((0, 0, 1, 3))))
    ends = [*cuts, len(data)]
    return [data[begin:end] for begin, end in zip([0, *cuts], ends, strict=True) if begin < end]


def _rest(sock: socket.socket) -> bytes:
    found = bytearray()
    until_s = time.monotonic() + CLOSED_S_MAX
    try:
        while data := sock.recv(65536):
            found += data
            if time.monotonic() > until_s or len(found) > 8 << 20:
                raise Silent("It goes on and on.")
    except ConnectionResetError:
        pass
    except TimeoutError:
        raise Silent(f"Nothing for {CLOSED_S_MAX:g} s, and not closed: {bytes(found[:200])!r}") from None
    return bytes(found)


def statuses(said: bytes) -> list[int]:
    """Of each answer in what came. Bodies of ours never have such a line in them."""
    return [
        int(line[9:12])
        for line in said.split(b"\r\n")
        if line.startswith(b"HTTP/1.1 ") and line[9:12].isdigit()
    ]
