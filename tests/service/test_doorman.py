"""Who is looked at where they stand at the socket."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from pi_rag.config import ServiceSettings
from pi_rag.errors import Busy
from pi_rag.service import doorman
from pi_rag.service.doorman import Asked, Doorman
from pi_rag.service.gate import EXPECTED_S, UNROUTED, Gate
from pi_rag.service.listener import listening
from pi_rag.service.web import web

BODY = b'{"query": "lamp"}'
HEAD = b"POST /v1/search?x=1 HTTP/1.1\r\nhost: service\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
REQUEST = HEAD % len(BODY) + BODY


class House:
    """An application that counts its guests, and a doorman's master that refuses all while it is full."""

    def __init__(self) -> None:
        self.entered = 0
        self.is_full = True
        self.asked: list[Asked] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered += 1
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})

    def refuses(self, asked: Asked) -> Busy | None:
        self.asked.append(asked)
        return Busy("full") if self.is_full else None

    @contextlib.asynccontextmanager
    async def open(self, path: Path) -> AsyncIterator[None]:
        with listening(path, "600") as sock:
            async with asyncio.timeout(20), web(self, ServiceSettings(), sock, self.refuses):
                yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


async def asked(path: Path, *parts: bytes) -> bytes:
    """The whole answer to a request whose first part is there when the guest is looked at."""
    with socket.socket(socket.AF_UNIX) as guest:
        guest.connect(str(path))
        guest.sendall(parts[0])
        guest.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=guest.dup())
        for part in parts[1:]:
            while not doormans_guests():
                await asyncio.sleep(0)
            writer.write(part)
        answer = await reader.read()
        writer.close()
    return answer


def doormans_guests() -> list[Any]:
    return [task for task in asyncio.all_tasks() if "handed_over" in repr(task)]


async def test_a_whole_request_is_refused_at_the_door(path: Path) -> None:
    """With a whole answer in the one shape and a time to come back; nobody inside hears of it."""
    house = House()
    async with house.open(path):
        answer = await asked(path, REQUEST)

    head, body = answer.split(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"http/1.1 503 service unavailable"
    assert {b"retry-after: 1", b"connection: close", b"content-type: application/json"} <= set(lines)
    assert b"content-length: %d" % len(body) in lines
    assert json.loads(body)["error"]["code"] == "busy"
    assert json.loads(body)["error"]["retry_after_ms"] == 1000
    assert house.entered == 0
    assert house.asked == [Asked("POST", "/v1/search", b"x=1")]


@pytest.mark.parametrize(
    ("sent", "asked_for"),
    [
        (b"GET /v1/%73tatus HTTP/1.1\r\nhost: s\r\n\r\n", Asked("GET", "/v1/status", b"")),
        (b"GET http://pi-rag/healthz HTTP/1.1\r\nhost: s\r\n\r\n", Asked("GET", "/healthz", b"")),
        (
            b"GET /metrics?a HTTP/1.1\r\nhost: s\r\n\r\nHEAD /healthz HTTP/1.1\r\nhost: s\r\n\r\n",
            Asked("GET", "/metrics", b"a"),
        ),
    ],
)
async def test_an_address_is_read_as_it_is_inside(path: Path, sent: bytes, asked_for: Asked) -> None:
    """However it is written; of two requests in one breath the first is answered."""
    house = House()
    async with house.open(path):
        answer = await asked(path, sent)

    assert house.asked == [asked_for]
    assert answer.count(b"HTTP/1.1 503") == 1


async def test_who_is_welcome_comes_in(path: Path) -> None:
    """The request is there still, after the look at it."""
    house = House()
    house.is_full = False
    async with house.open(path):
        answer = await asked(path, REQUEST)

    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"hello")
    assert house.entered == 1


@pytest.mark.parametrize("cut", [1, 20, len(REQUEST) - len(BODY) - 2, len(REQUEST) - 1])
async def test_who_has_not_said_all_is_let_in(path: Path, cut: int) -> None:
    """Nothing is refused that was not seen whole, wherever it breaks off: the gate will hear the rest."""
    house = House()
    async with house.open(path):
        answer = await asked(path, REQUEST[:cut], REQUEST[cut:])

    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"hello")
    assert house.asked == []


async def test_who_talks_nonsense_is_let_in_and_told_so(path: Path) -> None:
    """In the shape of every other error, as if there were room."""
    house = House()
    async with house.open(path):
        answer = await asked(path, b"lamp, please\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400")
    assert json.loads(answer.split(b"\r\n\r\n")[1])["error"]["code"] == "request_invalid"


async def test_who_asks_for_more_than_can_be_seen_is_let_in(path: Path) -> None:
    """A request larger than what is looked at is left to the gate."""
    house, body = House(), b"x" * doorman.PEEK_BYTES
    async with house.open(path):
        answer = await asked(
            path,
            b"POST / HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
            + body,
        )

    assert answer.startswith(b"HTTP/1.1 200")


async def test_who_has_gone_before_the_look_harms_nobody(path: Path) -> None:
    """The next guest is answered."""
    house = House()
    async with house.open(path):
        for said in (b"", REQUEST):
            with socket.socket(socket.AF_UNIX) as guest:
                guest.connect(str(path))
                guest.sendall(said)
        house.is_full = False
        answer = await asked(path, REQUEST)

    assert answer.startswith(b"HTTP/1.1 200")


class Poor:
    """A listening socket of a process that has no descriptor left, once."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.fileno, self.close = sock.fileno, sock.close
        self.refused = 0

    def accept(self) -> tuple[socket.socket, Any]:
        if not self.refused:
            self.refused += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._sock.accept()


async def test_who_cannot_come_in_for_want_of_descriptors_comes_in_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doorman rests, and looks again: nobody is lost, and the loop does not spin."""
    monkeypatch.setattr(doorman, "REST_S", 0.01)
    came = asyncio.Event()

    class Greeter(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            came.set()
            transport.close()

    with listening(path, "600") as sock, socket.socket(socket.AF_UNIX) as guest:
        poor = Poor(sock)
        keeper = Doorman(poor, doorman.all_are_welcome, Greeter)  # type: ignore[arg-type]
        keeper.begin()
        guest.connect(str(path))
        await asyncio.wait_for(came.wait(), 10)
        await keeper.end()

    assert poor.refused == 1


# What the gate says to the doorman


def said(gate: Gate, url: str = "/v1/search") -> str | None:
    path, _, query = url.partition("?")
    refused = gate.refusal(Asked("POST", path, query.encode()))
    return None if refused is None else refused.code


async def test_the_gate_has_no_room_for_more_than_are_expected() -> None:
    """Many are looked at before the first of them has come to the gate; each refusal is counted."""
    counted: list[tuple[str, str, int]] = []
    gate = Gate(House(), ServiceSettings(requests_max=2), lambda *told: counted.append(told))

    assert [said(gate) for _ in range(4)] == [None, None, "busy", "busy"]
    assert counted == [(UNROUTED, "POST", 503)] * 2


async def test_who_wonders_why_all_is_busy_is_let_in() -> None:
    """The open addresses stay open at the door, and take no place; with a query they are as all others."""
    gate = Gate(House(), ServiceSettings(requests_max=1))
    urls = "/v1/search", "/v1/status", "/metrics", "/v1/status?check=1"

    assert [said(gate, url) for url in urls] == [None, None, None, "busy"]


async def test_who_never_comes_to_the_gate_is_expected_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place of a guest who hung up on the way is given to another."""
    gate = Gate(House(), ServiceSettings(requests_max=1))
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    assert [said(gate), said(gate)] == [None, "busy"]
    monkeypatch.setattr(loop, "time", lambda: began_s + EXPECTED_S + 1)
    assert said(gate) is None


async def test_what_comes_over_a_connection_again_takes_nobodys_place(path: Path) -> None:
    """Only the first request of a connection was seen at the door: the place of another stays theirs."""
    gate = Gate(House(), ServiceSettings(requests_max=1))
    with listening(path, "600") as sock:
        async with asyncio.timeout(20), web(gate, ServiceSettings(), sock, gate.refusal):
            reader, writer = await asyncio.open_unix_connection(path)
            places = []
            for _ in range(2):
                writer.write(REQUEST.replace(b"connection: close\r\n", b""))
                await reader.readuntil(b"\r\n\r\n")
                gate._expected.append(asyncio.get_running_loop().time())
                places.append(len(gate._expected))
            writer.close()

    assert places == [1, 2]


async def test_a_full_house_turns_away_at_the_door_and_lets_in_when_there_is_room(path: Path) -> None:
    """The gate and the doorman together: as many are inside as may be, and one after them."""
    entered, let = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        await let.wait()
        await House()(scope, receive, send)

    settings = ServiceSettings(requests_max=1)
    gate = Gate(slow, settings)
    with listening(path, "600") as sock:
        async with asyncio.timeout(20), web(gate, settings, sock, gate.refusal):
            first = asyncio.create_task(asked(path, REQUEST))
            await entered.wait()
            refused = await asked(path, REQUEST)
            let.set()
            served = [await first, await asked(path, REQUEST)]

    assert refused.startswith(b"HTTP/1.1 503")
    assert all(each.startswith(b"HTTP/1.1 200") for each in served)
