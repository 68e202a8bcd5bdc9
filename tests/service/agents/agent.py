"""The SDK's own client, over a real socket, in both eras of the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Implementation, TextContent
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from pi_rag.config import Settings
from pi_rag.service.agents.door import PATH
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.house import House
from pi_rag.service.listener import listening
from pi_rag.service.web import web

ERAS = {"legacy": "2025-11-25", "auto": "2026-07-28"}
"""How the client is told to come, and what it then speaks: with a handshake, and without."""

URL = "http://localhost/mcp"


@asynccontextmanager
async def at_the_socket(
    house: House, settings: Settings, app: ASGIApp | None = None
) -> AsyncIterator[Settings]:
    """The web server of a house, on its socket."""
    with listening(settings.socket_path, "600") as sock:
        async with web(Gate(app or application(house), settings.service), settings.service, sock):
            yield settings
        await house.agents.stop()


def at_the_door(house: House, settings: Settings) -> AbstractAsyncContextManager[Settings]:
    """The same with the door for agents alone, which is made sooner."""
    return at_the_socket(house, settings, Starlette(routes=[Route(PATH, house.agents)]))


@asynccontextmanager
async def over(
    settings: Settings, headers: Mapping[str, str] | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Plain HTTP over the socket."""
    transport = httpx2.AsyncHTTPTransport(uds=str(settings.socket_path))
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=dict(headers or {}), timeout=20
    ) as http:
        yield http


@asynccontextmanager
async def agent(
    settings: Settings, era: str = "legacy", name: str = "tester", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Client]:
    """A client that has come in."""
    async with over(settings, headers) as http:
        transport = streamable_http_client(URL, http_client=http)
        info = Implementation(name=name, version="1")
        async with Client(transport, mode=era, client_info=info) as client:
            assert client.protocol_version == ERAS[era]
            yield client


def said(result: CallToolResult) -> str:
    """The text of an answer."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def told(result: CallToolResult) -> Any:
    """The fields of an answer that is none of an error."""
    assert not result.is_error, said(result)
    return result.structured_content


def refused(result: CallToolResult) -> str:
    """The code of an error."""
    assert result.is_error, said(result)
    assert result.meta is not None
    code: str = result.meta["pi-rag/error"]["code"]
    assert said(result).startswith(f"{code}: ")
    return code
