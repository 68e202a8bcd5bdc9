"""The short way of a search: what it answers, and that everything else goes on as if it were not there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from pi_rag.config import ServiceSettings
from pi_rag.errors import RequestTooLarge, StoreBusy
from pi_rag.service.gate import Gate
from pi_rag.service.schemas import SearchRequest
from pi_rag.service.straight import BYTES_MAX, PATH, Straight


class Framework:
    """It answers with what has reached it, and notes no route."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        answer = {"method": scope["method"], "path": scope["path"], "body": body.decode("utf-8", "replace")}
        await JSONResponse(answer)(scope, receive, send)


async def found(request: SearchRequest) -> Response:
    return JSONResponse({"searched": request.query})


async def unknown(request: Request, error: Exception) -> Response:
    return JSONResponse({"fault": str(error), "path": request.url.path}, status_code=500)


def client(search: Any = found) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=Straight(Framework(), search, unknown))
    return httpx.AsyncClient(transport=transport, base_url="http://pi-rag")


async def test_a_search_is_answered_without_the_framework() -> None:
    """Whatever its fields."""
    async with client() as http:
        answer = await http.post(PATH, content=json.dumps({"query": "Zürich", "k": 3, "filter": {"a": 1}}))
    assert answer.json() == {"searched": "Zürich"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"query": 7}',
        b'{"query": "a", "misspelt": 1}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"query": "a", "k": "3"}',
        b'{"query": "' + b"a" * BYTES_MAX + b'"}',
    ],
)
async def test_what_is_no_search_goes_to_the_framework_whole(body: bytes) -> None:
    """It says what is wrong; the body is as it was sent."""
    async with client() as http:
        answer = await http.post(PATH, content=body)
    assert answer.json() == {"method": "POST", "path": PATH, "body": body.decode("utf-8", "replace")}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PATH), ("POST", f"{PATH}?k=3"), ("POST", f"{PATH}/"), ("POST", "/v1/import")]
)
async def test_all_else_goes_to_the_framework(method: str, path: str) -> None:
    """Another method, another address, and what has a question mark, which no search knows."""
    async with client() as http:
        answer = await http.request(method, path, content=b'{"query": "a"}')
    assert answer.json()["body"] == '{"query": "a"}'


async def test_a_known_error_is_told_as_everywhere() -> None:
    """With its status and code."""

    async def busy(_: SearchRequest) -> Response:
        raise StoreBusy("The database is busy.")

    async with client(busy) as http:
        answer = await http.post(PATH, json={"query": "a"})
    assert answer.status_code == StoreBusy.http_status
    assert answer.json()["error"]["code"] == StoreBusy.code


async def test_a_fault_of_ours_is_told_as_one() -> None:
    """By whoever tells of all faults."""

    async def faulty(_: SearchRequest) -> Response:
        raise ZeroDivisionError("of nothing")

    async with client(faulty) as http:
        answer = await http.post(PATH, json={"query": "a"})
    assert answer.json() == {"fault": "of nothing", "path": PATH}


async def test_a_request_is_counted_by_its_route_however_it_ends() -> None:
    """Also when it is refused in the middle of its body, which no framework has seen by then."""
    counted: list[tuple[str, str, int]] = []
    settings = ServiceSettings(request_mib_max=1)
    gate = Gate(Straight(Framework(), found, unknown), settings, lambda *told: counted.append(told))
    transport = httpx.ASGITransport(app=gate)
    async with httpx.AsyncClient(transport=transport, base_url="http://pi-rag") as http:
        await http.post(PATH, json={"query": "a"})
        await http.post(PATH, content=pieces())
    assert counted == [(PATH, "POST", 200), (PATH, "POST", RequestTooLarge.http_status)]


async def pieces() -> AsyncIterator[bytes]:
    """More than is taken, without saying so before."""
    for _ in range(3):
        yield b" " * 2**19


async def test_a_client_that_goes_while_it_asks_is_no_search() -> None:
    """The framework is told that the client has gone."""
    messages = [
        {"type": "http.request", "body": b'{"query"', "more_body": True},
        {"type": "http.disconnect"},
    ]
    told: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(_: Any) -> None:
        raise AssertionError("Nobody is there to be told.")

    async def app(_: Scope, receive: Receive, __: Send) -> None:
        told.append(await receive())

    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b""}
    await Straight(app, found, unknown)(scope, receive, send)
    assert told == [{"type": "http.disconnect"}]
