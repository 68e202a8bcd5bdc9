"""What processes say to each other, wrong: frames, workers' and the reading child's answers, agents' lines,
and the service's answers as a client reads them. All in process, tens of thousands a second.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections.abc import Sequence

import numpy as np

from pi_rag import http1
from pi_rag.bridge import messages
from pi_rag.clock import SystemClock
from pi_rag.config import IngestSettings
from pi_rag.embedder import wire
from pi_rag.errors import DocumentEmpty, DocumentRefused, InternalError, PiRagError, VectorInvalid
from pi_rag.ingest import reader_wire
from pi_rag.processes import frames
from pi_rag.types import Reading
from tests.fuzz.driving import Target
from tests.fuzz.mutating import Mutator

DIMENSIONS, ROWS, ID = 8, 3, 7
FRAME_MAX = 4096
TERMS = reader_wire.Terms.of(
    IngestSettings(document_mib_max=1, document_chars_max=20_000, archive_members_max=5, archive_mib_max=1)
)
CLOCK = SystemClock()


def one_of(seeds: Sequence[bytes], dice: random.Random, words: Sequence[bytes] = ()) -> bytes:
    """One of the right inputs, made wrong with pieces of another."""
    return Mutator(dice, words).spoilt(dice.choice(seeds), dice.choice(seeds))


def sound(error: PiRagError) -> str:
    """The code of an error that a person could be told: it has words, and JSON can carry it."""
    assert error.message and error.code
    assert json.loads(json.dumps(error.to_wire()))["code"] == error.code
    return error.code


def _rows() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    raw = np.random.default_rng(1).standard_normal((ROWS, DIMENSIONS)).astype(np.float32)
    made: np.ndarray[tuple[int, int], np.dtype[np.float32]] = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return made


ANSWERS = (
    wire.vectors_answer(ID, _rows()),
    wire.counts_answer(ID, [1, 2, 3]),
    wire.error_answer(ID, VectorInvalid("It is not.")),
    wire.error_answer(ID, DocumentEmpty("Nothing.")),
    wire.hello(4711),
    wire.BEAT,
)
"""Whatever a worker says."""

WIRE_WORDS = (
    struct.pack("<cQ", b"v", ID),
    struct.pack("<cQ", b"e", ID),
    struct.pack("<f", float("nan")),
    b'"pid"',
)


def worker_answer(data: bytes) -> str:
    """As the pool reads it, for each thing it may have asked for."""
    became = []
    for read in (_vectors, _counts, _hello):
        try:
            became.append(read(data))
        except PiRagError as error:
            became.append(sound(error))
    return "taken" if "taken" in became else "refused"


def _vectors(data: bytes) -> str:
    rows = wire.parsed_vectors(data, ID, ROWS, DIMENSIONS)
    assert rows.shape == (ROWS, DIMENSIONS) and np.isfinite(rows).all()
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-2)
    return "taken"


def _counts(data: bytes) -> str:
    assert len(wire.parsed_counts(data, ID, ROWS)) == ROWS
    return "taken"


def _hello(data: bytes) -> str:
    assert isinstance(wire.parsed_hello(data), int)
    return "taken"


def _framed() -> tuple[bytes, ...]:
    payloads = (b"", b"a", b"tea" * 100, bytes(FRAME_MAX), *ANSWERS)
    return tuple(frames.packed(each, FRAME_MAX) for each in payloads)


FRAMED = _framed()
LOOP = asyncio.new_event_loop()


def frame_stream(data: bytes) -> str:
    """As the pool reads frames until the peer ends: each within its bound, or a typed refusal."""
    return LOOP.run_until_complete(_streamed(data))


async def _streamed(data: bytes) -> str:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    read = 0
    try:
        while not reader.at_eof():
            payload = await frames.read_frame(reader, FRAME_MAX)
            assert len(payload) <= FRAME_MAX
            read += 4 + len(payload)
    except frames.FrameError as error:
        return type(error).__name__
    assert read == len(data)
    return "taken"


def frame_socket(data: bytes) -> str:
    """As a child reads them from its blocking socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        try:
            while (payload := frames.recv_frame(theirs, FRAME_MAX)) is not None:
                assert len(payload) <= FRAME_MAX
        except frames.FrameError as error:
            return type(error).__name__
    return "taken"


READINGS = (
    reader_wire.answer(
        Reading("Tea is hot.\f page two", "Tea", "pdf", ((0, 1), (12, 2)), {"author": "Ann"}, (3,))
    ),
    reader_wire.answer(Reading("", "", "html", (), {}, ())),
    reader_wire.answer(DocumentEmpty("There is nothing in it.")),
    reader_wire.answer(InternalError("It broke.")),
    reader_wire.answer(
        reader_wire.Unpacked([("a.txt", b"tea"), ("b/c.md", b"# water")], [("d.exe", DocumentEmpty("No."))])
    ),
)


def reader_answer(data: bytes) -> str:
    """As the service reads its reading child, which may be in the hands of the file it read."""
    became = []
    for read in (_reading, _unpacked):
        try:
            became.append(read(data))
        except (DocumentRefused, InternalError) as error:
            became.append(sound(error))
    return "taken" if "taken" in became else "refused"


def _reading(data: bytes) -> str:
    found = reader_wire.reading(data, "pdf", TERMS)
    assert len(found.text) <= TERMS.chars_max and len(found.metadata) <= reader_wire.CLAIMS_MAX
    found.text.encode("utf-8"), found.title.encode("utf-8"), json.dumps(dict(found.metadata)).encode()
    return "taken"


def _unpacked(data: bytes) -> str:
    found = reader_wire.unpacked(data, TERMS)
    assert sum(len(member) for _, member in found.members) <= TERMS.archive.bytes_max
    assert not any(path.startswith("/") or ".." in path.split("/") for path, _ in found.members)
    return "taken"


def _line(method: str, params: object, number: object = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "tester", "version": "1"},
}
LINES = (
    _line("initialize", {"protocolVersion": "2025-11-25", "clientInfo": {"name": "x", "version": "1"}}),
    _line("server/discover", {"_meta": META}),
    _line("tools/list", {}),
    _line("tools/call", {"name": "search", "arguments": {"query": "tea", "key": "k"}, "_meta": META}),
    _line("resources/read", {"uri": "pi-rag://document/1", "_meta": META}, "seven"),
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    b'{"jsonrpc":"2.0","id":1,"result":{}}',
    _line("ping", None),
)


def bridge_line(data: bytes) -> str:
    """As the bridge reads a line of an agent's program, and what it would then send and say."""
    try:
        message = messages.read(data)
    except messages.Refused as refused:
        _one_line(refused.answer)
        return "refused"
    if not isinstance(message, messages.Request):
        return "notice" if message else "answer"
    session = messages.session_of(message.client, "0" * 32)
    for name, value in messages.headers(message, None, session).items():
        f"{name}: {value}".encode("ascii")
        assert "\r" not in value and "\n" not in value and value == value.strip()
    _one_line(messages.welcome(message))
    _one_line(messages.failed(message, InternalError("x")))
    assert message.repeatable in (True, False) and message.takes_key in (True, False)
    return "taken"


def _one_line(message: messages.Message) -> None:
    line = messages.line_of(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    json.loads(line)


HTTP = (
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{"a": "tea"}',
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab\ncd\r\n3;x=y\r\ne\nf\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\ncontent-length: 2\r\n\r\n{}",
    b"HTTP/1.0 204 No Content\r\n\r\n",
)
HTTP_WORDS = (b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n", b"HTTP/1.1 200\r\n", b"0\r\n\r\n")


def http_answer(data: bytes) -> str:
    """As a client reads the service's answer, whole and by lines."""
    became = ""
    for whole in (True, False):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            ours.sendall(data)
            ours.shutdown(socket.SHUT_WR)
            try:
                became = _asked(theirs, whole)
            except (http1.NotHttp, http1.AnswerTooLarge, http1.HungUp) as error:
                became = type(error).__name__
    return became


def _asked(sock: socket.socket, whole: bool) -> str:
    if whole:
        _, body, _ = http1.exchange(
            sock, "GET", "/", None, answer_s_max=5, answer_bytes_max=5000, clock=CLOCK
        )
        assert len(body) <= 5000
    else:
        _, lines = http1.lines(sock, "/", silence_s_max=5, line_bytes_max=5000, clock=CLOCK)
        assert all(len(line) <= 10_000 for line in lines)
    return "taken"


TARGETS = (
    Target(
        "worker_answer",
        "a worker's answer to the pool",
        lambda d: one_of(ANSWERS, d, WIRE_WORDS),
        worker_answer,
        300,
    ),
    Target("frame_stream", "frames on the pool's stream", lambda d: one_of(FRAMED, d), frame_stream, 150),
    Target("frame_socket", "frames on a child's socket", lambda d: one_of(FRAMED, d), frame_socket, 150),
    Target("reader_answer", "the reading child's answer", lambda d: one_of(READINGS, d), reader_answer, 200),
    Target("bridge_line", "a line of an agent's program", lambda d: one_of(LINES, d), bridge_line, 150),
    Target(
        "http_answer",
        "the service's answer to a client",
        lambda d: one_of(HTTP, d, HTTP_WORDS),
        http_answer,
        80,
    ),
)
