"""The gate that every request passes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from pi_rag.config import ServiceSettings
from pi_rag.service.gate import COST, Gate


class Echo:
    """An application that reads its body and answers with its length, once it is let."""

    def __init__(self) -> None:
        self.entered = 0
        self.let = asyncio.Event()
        self.let.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered += 1
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await self.let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(size).encode()})


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service")


@pytest.mark.parametrize("open_address", ["/v1/status", "/metrics"])
async def test_a_full_house_answers_busy_at_once_and_still_tells_how_it_is(open_address: str) -> None:
    """The request past the bound is refused with a time to come back; the status stays open."""
    echo = Echo()
    echo.let.clear()
    gate = Gate(echo, ServiceSettings(requests_max=2))
    async with client(gate) as guest, asyncio.TaskGroup() as group:
        inside = [group.create_task(guest.get("/v1/documents")) for _ in range(2)]
        while echo.entered < 2:
            await asyncio.sleep(0)

        refused = await guest.post("/v1/search")
        status = group.create_task(guest.get(open_address))
        while echo.entered < 3:
            await asyncio.sleep(0)
        echo.let.set()

    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "busy"
    assert refused.json()["error"]["retry_after_ms"] > 0
    assert refused.headers["retry-after"] == "1"
    assert [(await each).status_code for each in (*inside, status)] == [200, 200, 200]


async def test_a_place_is_given_back_after_each_request() -> None:
    """The bound is on requests at once, not on requests ever."""
    gate = Gate(Echo(), ServiceSettings(requests_max=1))
    async with client(gate) as guest:
        codes = [(await guest.get("/v1/jobs")).status_code for _ in range(5)]

    assert codes == [200] * 5


async def _pieces(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_body_too_large_is_stopped_declared_or_not() -> None:
    """A length that is announced is refused unread; one that is not is counted while it arrives."""
    echo = Echo()
    gate = Gate(echo, ServiceSettings(request_mib_max=1))
    mib = 1024 * 1024
    async with client(gate) as guest:
        whole = await guest.post("/v1/documents", content=b"x" * mib)
        declared = await guest.post("/v1/documents", content=b"x" * (mib + 1))
        streamed = await guest.post("/v1/documents", content=_pieces(5, mib // 4))

    assert (whole.status_code, whole.json()) == (200, mib)
    assert declared.status_code == streamed.status_code == 413
    assert declared.json()["error"]["code"] == streamed.json()["error"]["code"] == "request_too_large"


MIB = 1024 * 1024


class Room:
    """What the watchdog says of it."""

    def __init__(self, mib: float | None) -> None:
        self.mib = mib

    def __call__(self) -> float | None:
        return self.mib


def roomy(app: Any, room: Room) -> Gate:
    return Gate(app, ServiceSettings(), room_mib=room)


async def _sent(guest: httpx.AsyncClient, mib: float, *, declared: bool = True) -> httpx.Response:
    content: Any = b"x" * int(mib * MIB) if declared else _pieces(int(mib * 4), MIB // 4)
    return await guest.post("/v1/documents", content=content)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_there_is_no_room_for_is_refused_declared_or_not(declared: bool) -> None:
    """With what is made of it a body takes some times its size, and the service stays within its budget."""
    echo, room = Echo(), Room(2.0 * COST)
    async with client(roomy(echo, room)) as guest:
        taken = await _sent(guest, 2.0, declared=declared)
        refused = await _sent(guest, 2.5, declared=declared)

    assert taken.status_code == 200
    assert refused.status_code == 503
    error = refused.json()["error"]
    assert (error["code"], error["retry_after_ms"]) == ("memory_short", 10_000)
    assert "memory.budget_mib has 8 left" in error["message"]
    assert "Send less in one request, or raise memory.budget_mib." in error["hint"]
    assert refused.headers["connection"] == "close"
    assert echo.entered == (1 if declared else 2), "one that is declared is refused before it is read"


async def test_bodies_at_once_share_the_room_until_their_requests_have_ended() -> None:
    """What was made of a body is held until the answer; then there is room for the next one."""
    echo, room = Echo(), Room(4.0 * COST)
    echo.let.clear()
    async with client(roomy(echo, room)) as guest, asyncio.TaskGroup() as group:
        first = group.create_task(_sent(guest, 3.0))
        while not echo.entered:
            await asyncio.sleep(0)
        beside = await _sent(guest, 2.0)
        echo.let.set()
        await first
        after = await _sent(guest, 4.0)

    assert beside.json()["error"]["code"] == "memory_short"
    assert "Others in progress are of 3.0 MiB." in beside.json()["error"]["message"]
    assert "Try again in a while" in beside.json()["error"]["hint"], "alone it would fit"
    assert [(await first).status_code, after.status_code] == [200, 200]


@pytest.mark.parametrize("declared", [True, False])
async def test_what_was_refused_or_cut_off_holds_no_room(declared: bool) -> None:
    """However a request ends, its body is not counted any more."""
    room = Room(2.0 * COST)
    gate = Gate(Echo(), ServiceSettings(silence_s_max=0.05), room_mib=room)

    async def half() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        await asyncio.Event().wait()

    async with client(gate) as guest:
        refused = await _sent(guest, 3.0, declared=declared)
        silent = await guest.post("/v1/documents", content=half())
        taken = await _sent(guest, 2.0, declared=declared)

    assert [refused.status_code, silent.status_code, taken.status_code] == [503, 400, 200]


async def test_small_bodies_pass_whatever_room_there_is() -> None:
    """Searches, removals and a few pages; large ones while something is given up do not."""
    room = Room(0.0)
    async with client(roomy(Echo(), room)) as guest:
        small = [await _sent(guest, 1.0), await _sent(guest, 1.0, declared=False)]
        refused = await _sent(guest, 1.25)
        room.mib = None
        unknown = await _sent(guest, 8.0)

    assert [each.status_code for each in small] == [200, 200]
    assert refused.json()["error"]["code"] == "memory_short"
    assert "Try again in a while" in refused.json()["error"]["hint"], "room comes back by itself"
    assert unknown.status_code == 200, "nobody is refused for what nobody knows"


async def test_a_request_that_takes_too_long_is_ended() -> None:
    """Whatever hangs inside, the guest gets an answer."""
    echo = Echo()
    echo.let.clear()
    async with client(Gate(echo, ServiceSettings(request_s_max=0.05))) as guest:
        answer = await guest.get("/v1/jobs")

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "deadline_exceeded"


async def test_a_guest_that_falls_silent_is_cut_off() -> None:
    """Half a body and then nothing does not hold a place until the long bound."""

    async def half() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with client(Gate(Echo(), ServiceSettings(silence_s_max=0.05))) as guest:
        answer = await guest.post("/v1/documents", content=half())

    assert answer.status_code == 400
    assert "silent" in answer.json()["error"]["message"]


async def test_a_request_cut_off_by_the_stop_is_told_so() -> None:
    """Who is cancelled inside gets an answer in the shape of every other, with when to come back."""
    echo = Echo()
    echo.let.clear()
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "path": "/v1/jobs", "query_string": b"", "headers": []}
    inside = asyncio.create_task(Gate(echo, ServiceSettings())(scope, receive, send))
    while not echo.entered:
        await asyncio.sleep(0)
    inside.cancel()
    await asyncio.wait({inside})

    assert inside.cancelled()
    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"])["error"]["code"] == "stopping"


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_what_is_not_http_passes_through(kind: str) -> None:
    """The gate bounds requests and nothing else."""
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    await Gate(app, ServiceSettings())({"type": kind}, None, None)  # type: ignore[arg-type]  # never used

    assert seen == [kind]
