"""The short way of the one request that everybody waits for: a search that can be answered as it stands.

The web framework finds a route, solves its arguments and keeps stacks for what may have to be closed, a tenth
of what a search costs the loop that answers everybody. Whatever is not plainly a search goes that way, its
body with it: so there is one place that says what is wrong with a request, and one that describes it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pi_rag.errors import PiRagError
from pi_rag.service.answers import error_response
from pi_rag.service.schemas import SearchRequest

PATH = "/v1/search"

BYTES_MAX = 64 * 1024
"""A larger body is left to the framework, since to read it twice would hold up everybody else. No question is
so long."""

Search = Callable[[SearchRequest], Awaitable[Response]]
Unknown = Callable[[Request, Exception], Awaitable[Response]]


@dataclass(frozen=True)
class _Route:
    """As the framework notes beside a request which route took it."""

    path: str


class Straight:
    """ASGI middleware before the framework."""

    def __init__(self, app: ASGIApp, search: Search, unknown: Unknown) -> None:
        """`unknown` makes the answer of a fault that is ours."""
        self._app, self._search, self._unknown = app, search, unknown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a search; let all else pass."""
        if scope.get("path") != PATH or scope.get("method") != "POST" or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        # Whoever is cut off in the middle of the body has asked this route, too.
        scope["route"] = _Route(PATH)
        body = await _body(receive)
        request = None if body is None or len(body) > BYTES_MAX else _request(body)
        if request is None:
            await self._app(scope, _again(body, receive), send)
            return
        response = await self._answer(scope, request)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, request: SearchRequest) -> Response:
        try:
            return await self._search(request)
        except PiRagError as error:
            return error_response(error)
        except Exception as error:
            return await self._unknown(Request(scope), error)


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when the client has gone."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _request(body: bytes) -> SearchRequest | None:
    """None for what is no search; why, the framework says."""
    try:
        return SearchRequest.model_validate(json.loads(body))
    except (ValidationError, ValueError, RecursionError):
        return None


def _again(body: bytes | None, receive: Receive) -> Receive:
    """As if nobody had read it yet."""
    message: Message = {"type": "http.disconnect"}
    if body is not None:
        message = {"type": "http.request", "body": body, "more_body": False}
    first = [message]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
