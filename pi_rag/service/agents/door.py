"""The door for agents: `/mcp`, where the Model Context Protocol is spoken.

The protocol's own SDK answers (`server.py`). It is large, so it is loaded when the first agent comes, in
a thread, while everybody else is answered as ever; where no agent comes, it never is. What is decided before
the SDK is asked stands here: only POST, no message larger than may be, and under what name an agent goes.

No session is kept. An agent of the older revisions is given an id that carries its name (`names.py`), so
that a restart of the service is nothing to it, and one that was killed leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from pi_rag.errors import RequestTooLarge
from pi_rag.service.agents import names

if TYPE_CHECKING:
    from pi_rag.service.agents.server import Agents
    from pi_rag.service.house import House

PATH = "/mcp"
_ROUTE = SimpleNamespace(path=PATH)
"""What the gate counts its requests by."""

SIGN_BYTES_MAX = 16 * 1024
"""A greeting, or a request to stop another, is smaller; no more than that is looked into here."""


class Door:
    """An ASGI application for one path. It is one for the life of the service."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._loading: asyncio.Task[Agents] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one message."""
        scope["route"] = _ROUTE
        if scope["method"] != "POST":
            # A stream that the service could speak on of its own accord would hold a place, for nothing.
            await Response(status_code=405, headers={"allow": "POST"})(scope, receive, send)
            return
        messages, body = await _whole(receive, self._bytes_max)
        if body is None:
            await self._too_large()(scope, receive, send)
            return
        sign = _sign(body)
        agents = await self._agents()
        session = _header(scope, names.SESSION_HEADER)
        if sign.get("method") == "notifications/cancelled":
            agents.cancel(session, _params(sign).get("requestId"))
        if sign.get("method") == "initialize":
            send = _with_session(send, names.session_of(_params(sign).get("clientInfo")))
        await agents.answer(scope, _again(messages, receive), send)

    @property
    def is_loaded(self) -> bool:
        """Whether an agent has come."""
        return self._loading is not None

    async def stop(self) -> None:
        """Answer nobody any more. Twice is harmless."""
        if self._loading is not None and not _has_failed(self._loading):
            with contextlib.suppress(Exception):  # one that fails just now has nobody to stop
                agents = await self._loading
                await agents.stop()

    async def _agents(self) -> Agents:
        """The SDK at work. Whoever comes while it is loaded waits for the same; a failure is tried again."""
        if self._loading is None or _has_failed(self._loading):
            self._loading = asyncio.create_task(self._load(), name="mcp")
        return await asyncio.shield(self._loading)

    async def _load(self) -> Agents:
        module = await asyncio.to_thread(_imported)
        gc.freeze()  # as after the start: what is loaded stays, and need not be looked at again
        agents: Agents = module.Agents(self._house)
        await agents.start()
        return agents

    @property
    def _bytes_max(self) -> int:
        return int(self._house.settings.agents.message_mib_max * 1024 * 1024)

    def _too_large(self) -> Response:
        error = RequestTooLarge(
            f"The message is larger than {self._house.settings.agents.message_mib_max} MiB.",
            hint="Send less at once. A large text is a file: give its path to `ingest`.",
        )
        told = {"code": -32600, "message": f"{error.message} {error.hint}", "data": error.to_wire()}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": told}, status_code=error.http_status)


def _has_failed(loading: asyncio.Task[Any]) -> bool:
    """For want of RAM, or while packages are replaced: that passes."""
    return loading.done() and (loading.cancelled() or loading.exception() is not None)


def _imported() -> Any:
    from pi_rag.service.agents import server

    return server


async def _whole(receive: Receive, bytes_max: int) -> tuple[list[Message], bytes | None]:
    """All messages of a body, and the body; None when it is too large, or the guest has left."""
    messages: list[Message] = []
    size = 0
    while True:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if size > bytes_max or message["type"] != "http.request":
            return messages, None
        if not message.get("more_body", False):
            return messages, b"".join(each["body"] for each in messages if each.get("body"))


def _again(messages: list[Message], receive: Receive) -> Receive:
    """`receive`, with what was read already before it."""
    left = deque(messages)

    async def replayed() -> Message:
        return left.popleft() if left else await receive()

    return replayed


def _sign(body: bytes) -> dict[str, Any]:
    """A small message; {} for all others, and for what is none: the SDK says what is wrong with it."""
    if len(body) > SIGN_BYTES_MAX:
        return {}
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def _params(message: dict[str, Any]) -> dict[str, Any]:
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def _header(scope: Scope, name: str) -> str:
    wanted = name.encode()
    return next((value.decode("latin-1") for header, value in scope["headers"] if header == wanted), "")


def _with_session(send: Send, session: str) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < 400:
            header = (names.SESSION_HEADER.encode(), session.encode())
            message = {**message, "headers": [*message["headers"], header]}
        await send(message)

    return sent
