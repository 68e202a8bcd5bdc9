"""The bounds on connections and on a request's head, over a real socket."""

import asyncio
import contextlib
import json
import socket
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from pi_rag.config import ServiceSettings
from pi_rag.service import protocol
from pi_rag.service.listener import listening
from pi_rag.service.web import web


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    ends = {"http.disconnect"} if scope["path"] == "/until/gone" else {"http.disconnect", "http.request"}
    message = await receive()
    while message.get("more_body") or message["type"] not in ends:
        message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def serving(
    sock: socket.socket, connections_max: int, silence_s_max: float
) -> AbstractAsyncContextManager[object]:
    return web(hello, ServiceSettings(connections_max=connections_max, silence_s_max=silence_s_max), sock)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


GET = b"GET / HTTP/1.1\r\nhost: service\r\n\r\n"


async def test_one_connection_too_many_is_told_so(path: Path) -> None:
    """It gets a whole answer in the shape of every error, and the others are not affected."""
    with listening(path, "600") as sock:
        async with serving(sock, connections_max=2, silence_s_max=30):
            guests = [await asyncio.open_unix_connection(path) for _ in range(3)]
            answer = await asyncio.wait_for(guests[2][0].read(), 10)
            guests[0][1].write(GET)
            other = await asyncio.wait_for(guests[0][0].readuntil(b"hello"), 10)
            for _, writer in guests:
                writer.close()

    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert json.loads(body)["error"]["code"] == "busy"
    assert other.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nX\0: y\r\n\r\n",
        b"GET /?" + b"a" * 40_000 + b"\xff HTTP/1.1\r\n\r\n",
    ],
    ids=["TLS", "a length below zero", "a NUL", "a long address"],
)
async def test_what_cannot_be_parsed_is_answered_as_every_error_is(path: Path, sent: bytes) -> None:
    """A program that reads our errors can read this one too."""
    with listening(path, "600") as sock:
        async with serving(sock, connections_max=10, silence_s_max=30):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(sent)
            head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
            writer.close()

    assert head.startswith(b"HTTP/1.1 4") and b"application/json" in head
    assert json.loads(body)["error"]["code"] in {"request_invalid", "request_too_large"}


@pytest.mark.parametrize(
    "then", [GET, b"\x16\x03\x01\r\n\r\n", GET + b"\0"], ids=["leaves", "garbage", "both"]
)
async def test_every_request_in_progress_hears_that_its_guest_is_gone(path: Path, then: bytes) -> None:
    """Also one that has others behind it on the same connection; what it answers then harms nobody."""
    heard: list[str] = []

    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await hello({"path": "/"}, disconnected, send)
        heard.append(scope["path"])

    async def disconnected() -> Message:
        return {"type": "http.disconnect"}

    with listening(path, "600") as sock:
        async with web(patient, ServiceSettings(silence_s_max=30), sock):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(GET.replace(b"/", b"/first", 1) + then)
            await writer.drain()
            await asyncio.sleep(0)
            if then == GET:
                writer.close()
            async with asyncio.timeout(10):
                while "/first" not in heard:
                    await asyncio.sleep(0.01)
            writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", GET[:-2]])
async def test_a_head_that_never_ends_is_cut_off(path: Path, sent: bytes) -> None:
    """A guest that says nothing, or never finishes its head, loses its connection."""
    with listening(path, "600") as sock:
        async with serving(sock, connections_max=10, silence_s_max=0.05):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(sent)
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()


async def test_a_second_head_on_the_same_connection_is_bounded_too(path: Path) -> None:
    """Having once been polite does not allow to hang later."""
    with listening(path, "600") as sock:
        async with serving(sock, connections_max=10, silence_s_max=0.2):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(GET)
            await asyncio.wait_for(reader.readuntil(b"hello"), 10)
            writer.write(b"GET / H")
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()


@pytest.mark.parametrize(
    "begun",
    [
        GET[:-2],
        GET.replace(b"/", b"/until/gone", 1) + GET[:-2],
        b"POST / HTTP/1.1\r\nhost: service\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
    ],
    ids=["first", "behind a request in progress", "trailers after a body"],
)
async def test_a_head_without_end_is_refused_before_it_fills_the_memory(path: Path, begun: bytes) -> None:
    """Past the bound the guest is told so and cut off, however fast it goes on sending."""
    sent = 0
    with listening(path, "600") as sock:
        async with serving(sock, connections_max=10, silence_s_max=30):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(begun)
            with contextlib.suppress(ConnectionError):
                while sent < 64 * 2**20:
                    writer.write(b"x: " + b"y" * 1000 + b"\r\n")
                    sent += 1005
                    await writer.drain()
            with contextlib.suppress(ConnectionError):
                answer = await asyncio.wait_for(reader.read(), 10)
                assert b"request_too_large" in answer
            writer.close()

    assert sent < 8 * 2**20, "it was read on and on"


async def test_the_bound_is_on_one_head_not_on_all_of_a_connection(path: Path) -> None:
    """A guest may send large heads one after another for as long as it likes."""
    head = GET[:-2] + b"x: " + b"y" * 40_000 + b"\r\n\r\n"
    with listening(path, "600") as sock:
        async with serving(sock, connections_max=10, silence_s_max=30):
            reader, writer = await asyncio.open_unix_connection(path)
            for _ in range(4):
                writer.write(head)
                await asyncio.wait_for(reader.readuntil(b"hello"), 10)
            writer.close()


async def test_an_idle_connection_is_kept_between_requests(path: Path) -> None:
    """Silence is only bounded while a request is expected: keep-alive is the server's own bound."""
    with listening(path, "600") as sock:
        async with serving(sock, connections_max=10, silence_s_max=0.1):
            reader, writer = await asyncio.open_unix_connection(path)
            for _ in range(2):
                writer.write(GET)
                await asyncio.wait_for(reader.readuntil(b"hello"), 10)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.3)
            writer.close()


ASKED_BEFORE = {"nothing": b"", "a question": GET, "half a question": GET[:20]}


@pytest.mark.parametrize("before", ASKED_BEFORE)
async def test_a_question_on_its_way_as_the_server_stops_is_answered(
    path: Path, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is connected may ask once more, is answered, and is told that the connection ends."""
    monkeypatch.setattr(protocol, "LATE_S", 20.0)
    settings = ServiceSettings(stop_s_max=60.0)
    with listening(path, "600") as sock:
        async with web(hello, settings, sock):
            reader, writer = await asyncio.open_unix_connection(path)
            other = await asyncio.open_unix_connection(path)
            other[1].write(GET)  # the server has taken both when it answers the second
            await asyncio.wait_for(other[0].readuntil(b"hello"), 10)
            other[1].close()
            writer.write(ASKED_BEFORE[before])
            if before == "a question":
                await asyncio.wait_for(reader.readuntil(b"hello"), 10)

            async def late() -> bytes:
                while sock.fileno() != -1:  # until it takes no more connections
                    await asyncio.sleep(0.001)
                writer.write(GET.removeprefix(ASKED_BEFORE[before]) if before != "a question" else GET)
                return await asyncio.wait_for(reader.read(), 10)

            asking = asyncio.create_task(late())
    answer = await asking
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"hello")
    assert b"connection: close" in answer


async def test_who_asks_nothing_does_not_hold_up_a_stop(path: Path) -> None:
    """A connection without a question ends in a moment."""
    with listening(path, "600") as sock:
        async with web(hello, ServiceSettings(stop_s_max=60.0), sock):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(GET)
            await asyncio.wait_for(reader.readuntil(b"hello"), 10)
        rest = await asyncio.wait_for(reader.read(), 5)
        writer.close()

    assert rest == b""
