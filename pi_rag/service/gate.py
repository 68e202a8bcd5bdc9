"""The gate every request passes: how many, how large, how long, how silent.

It counts requests in progress and answers `busy` at once when there are too many; it stops a body that is too
large before it is read whole; it cuts off a client that falls silent in the middle of its body; and it ends
a request that takes too long. It knows no route.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pi_rag.config import ServiceSettings
from pi_rag.errors import Busy, DeadlineExceeded, PiRagError, RequestInvalid, RequestTooLarge
from pi_rag.service.answers import error_response

ALWAYS_OPEN = frozenset({"/healthz", "/readyz", "/v1/status"})
"""A person who wonders why all is busy must still be able to ask."""


class Gate:
    """ASGI middleware that holds the bounds of `ServiceSettings`, which may be replaced while it works."""

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self.settings = settings
        self._app = app
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = scope["path"] not in ALWAYS_OPEN
        if counted and self._inside >= self.settings.requests_max:
            error = Busy(f"{self._inside} requests are in progress, which is the most allowed.")
            await error_response(error)(scope, receive, send)
            return
        self._inside += counted
        try:
            await self._bounded(scope, receive, send)
        finally:
            self._inside -= counted

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = _Begun(send)
        try:
            async with asyncio.timeout(self.settings.request_s_max):
                self._check_declared_size(scope)
                await self._app(scope, self._measured(receive), begun)
        except TimeoutError:
            slow = DeadlineExceeded(f"The request took longer than {self.settings.request_s_max:g} s.")
            await begun.end_with(slow, scope, receive)
        except PiRagError as error:
            await begun.end_with(error, scope, receive)

    def _check_declared_size(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._bytes_max:
                raise self._too_large()

    @property
    def _bytes_max(self) -> int:
        return self.settings.request_mib_max * 1024 * 1024

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The request is larger than {self.settings.request_mib_max} MiB.")

    def _measured(self, receive: Receive) -> Callable[[], Awaitable[Message]]:
        """`receive`, counting the body's bytes and the seconds between its pieces."""
        seen = 0
        whole = False

        async def measured() -> Message:
            nonlocal seen, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout(self.settings.silence_s_max):
                    message = await receive()
            except TimeoutError:
                raise RequestInvalid("The client fell silent in the middle of its request.") from None
            seen += len(message.get("body", b""))
            if seen > self._bytes_max:
                raise self._too_large()
            whole = not message.get("more_body", False)
            return message

        return measured


class _Begun:
    """`send`, remembering whether an answer has begun: a second one would break the protocol."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def __call__(self, message: Message) -> None:
        self._begun = True
        await self._send(message)

    async def end_with(self, error: PiRagError, scope: Scope, receive: Receive) -> None:
        if self._begun:
            raise error
        response: Any = error_response(error, close=True)
        await response(scope, receive, self._send)
