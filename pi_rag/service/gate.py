"""The gate every request passes: how many, how large, how long, how silent.

It counts requests in progress and answers `busy` at once when there are too many, by the doorman already
where that is possible; it stops a body that is too large, or has no room in RAM beside the others, before it
is read whole; it cuts off a client that falls silent in the middle of its body; and it ends a request that
takes too long. It knows no route but those that stay open.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pi_rag.config import ServiceSettings
from pi_rag.errors import (
    Busy,
    DeadlineExceeded,
    MemoryShort,
    PiRagError,
    RequestInvalid,
    RequestTooLarge,
    Stopping,
)
from pi_rag.service.answers import error_response
from pi_rag.service.doorman import Asked

ALWAYS_OPEN = frozenset({"/healthz", "/readyz", "/v1/status", "/v1/pulse", "/metrics"})
"""A person who wonders why all is busy must still be able to ask. With a query it is more than that."""

WAIT_SHARE = 0.9
"""The part of `service.request_s_max` after which a wait for a job ends: an answer with the job's number is
worth more than an error without. Each request finds that moment, by the loop's clock, in its state."""


UNROUTED = "other"
"""What no route took, or the gate refused before any was asked."""

EXPECTED_S = 1.0
"""Whoever was let in at the door and has not come to the gate after so long is not expected any more."""

NO_ANSWER = 499
"""The client left before its answer began; the number is nginx's for that."""

MIB = 1024 * 1024

COST = 4
"""How many times its own size a body takes while it is made into documents: itself, its text, what stands in
that, and the bytes of it. Measured: 340 MiB for one of 80 MiB with a file in base64."""

SMALL_BYTES = MIB
"""A body up to this is never refused for want of room: a search, a removal, a few pages."""

BEYOND_HINT = "Send less in one request, or raise memory.budget_mib. Why it is short: pi-rag status"
"""For one that would not fit if it were alone, either."""

Answered = Callable[[str, str, int], None]

RoomMib = Callable[[], float | None]
"""MiB that may be taken until something is given up. None: nobody knows, and nobody is refused for it."""


def nobody(route: str, method: str, status: int) -> None:
    """Nobody counts."""


def unknown() -> None:
    """Nobody looks."""


class Gate:
    """ASGI middleware that holds the bounds of `ServiceSettings`, which may be replaced while it works."""

    def __init__(
        self,
        app: ASGIApp,
        settings: ServiceSettings,
        answered: Answered = nobody,
        room_mib: RoomMib = unknown,
    ) -> None:
        """`answered` is told of every request: its route's pattern, method and status."""
        self.settings = settings
        self._app = app
        self._answered = answered
        self._bodies = _Bodies(room_mib)
        self._inside = 0
        self._expected: deque[float] = deque()
        """When guests were let in at the door who have not come to the gate yet, by the loop's clock."""

    def refusal(self, asked: Asked) -> Busy | None:
        """Why a request is refused at the door already; None: it is let in, and expected here.

        Whoever is expected has a place, or many more would be let in at once than there are places. So of
        more that come in one moment than may be in progress, some are told to come again, however short
        the others' stay is.
        """
        if not _is_counted(asked.path, asked.query):
            return None
        now_s = asyncio.get_running_loop().time()
        while self._expected and self._expected[0] < now_s - EXPECTED_S:
            self._expected.popleft()
        if self._inside + len(self._expected) < self.settings.requests_max:
            self._expected.append(now_s)
            return None
        error = self._full()
        self._answered(UNROUTED, _method(asked.method), error.http_status)
        return error

    def _full(self) -> Busy:
        return Busy(f"{self.settings.requests_max} requests are in progress, which is the most allowed.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        counted = _is_counted(scope["path"], scope["query_string"])
        if counted and self._expected and _is_first(scope):
            self._expected.popleft()
        if counted and self._inside >= self.settings.requests_max:
            error = self._full()
            await error_response(error)(scope, receive, send)
            self._answered(UNROUTED, _method(scope.get("method", "")), error.http_status)
            return
        self._inside += counted
        try:
            await self._bounded(scope, receive, send)
        finally:
            self._inside -= counted

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = _Reply(scope, receive, send)
        seconds = self.settings.request_s_max
        scope.setdefault("state", {})["wait_until_s"] = (
            asyncio.get_running_loop().time() + WAIT_SHARE * seconds
        )
        inner, body = _as_json(scope), _Body(self._bodies)
        try:
            async with asyncio.timeout(seconds):
                self._check_declared_size(scope, body)
                await self._app(inner, self._measured(receive, reply, body), reply)
        except TimeoutError:
            await reply.refuse(DeadlineExceeded(f"It took longer than {seconds:g} s."))
        except PiRagError as error:
            await reply.refuse(error)
        except asyncio.CancelledError:
            await reply.refuse(Stopping("The service stopped before the answer was ready."))
            raise
        finally:
            # Not before: what was made of it lives as long as its request.
            body.ended()
            self._answered(_route(inner), _method(scope.get("method", "")), reply.status)

    def _check_declared_size(self, scope: Scope, body: _Body) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length":
                self._check_size(int(value), body)

    def _check_size(self, size: int, body: _Body) -> None:
        if size > self.settings.request_mib_max * MIB:
            raise self._too_large()
        body.is_of(size)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"The request is larger than {self.settings.request_mib_max} MiB.")

    def _measured(self, receive: Receive, reply: _Reply, body: _Body) -> Callable[[], Awaitable[Message]]:
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
                silence = RequestInvalid("The client fell silent in the middle of its request.")
                raise reply.due(silence) from None
            seen += len(message.get("body", b""))
            try:
                self._check_size(seen, body)
            except PiRagError as error:
                raise reply.due(error) from None
            whole = not message.get("more_body", False)
            return message

        return measured


class _Bodies:
    """All bodies of requests in progress, and the room in RAM that they and what is made of them may take.

    What is read already counts twice, in the room and in the sum: rather too few at once than too many.
    """

    def __init__(self, room_mib: RoomMib) -> None:
        self._room_mib = room_mib
        self.open_bytes = 0

    def check(self, size: int) -> None:
        """Whether one that is counted and has this size may go on. Raises MemoryShort."""
        room_mib = None if size <= SMALL_BYTES else self._room_mib()
        if room_mib is None or COST * self.open_bytes <= room_mib * MIB:
            return
        message = (
            f"A request of {size / MIB:.1f} MiB takes up to {COST * size / MIB:.0f} MiB of RAM, and "
            f"memory.budget_mib has {room_mib:.0f} left."
        )
        if self.open_bytes > size:
            message += f" Others in progress are of {(self.open_bytes - size) / MIB:.1f} MiB."
        is_beyond = room_mib > 0 and COST * size > room_mib * MIB
        raise MemoryShort(message, hint=BEYOND_HINT if is_beyond else None)


class _Body:
    """One of them: as large as is declared, or as was read of it where nothing is."""

    def __init__(self, bodies: _Bodies) -> None:
        self._bodies = bodies
        self._bytes = 0

    def is_of(self, size: int) -> None:
        """It has so many bytes at least. Raises MemoryShort, if that is news."""
        if size > self._bytes:
            self._bodies.open_bytes += size - self._bytes
            self._bytes = size
            self._bodies.check(size)

    def ended(self) -> None:
        """Nothing of it is held any more."""
        self._bodies.open_bytes -= self._bytes
        self._bytes = 0


def _as_json(scope: Scope) -> Scope:
    """The same request, its body said to be JSON: every body here is, and `curl -d` calls it a form."""
    others = [header for header in scope["headers"] if header[0] != b"content-type"]
    return {**scope, "headers": [*others, (b"content-type", b"application/json")]}


def _is_first(scope: Scope) -> bool:
    """Whether it is its connection's first request: of the others nobody at the door knows."""
    unasked = scope.get("state", {}).get("unasked", [True])
    return bool(unasked and unasked.pop())


def _is_counted(path: str, query: str | bytes) -> bool:
    return path not in ALWAYS_OPEN or bool(query)


def _method(method: str) -> str:
    """One of those that are in use, so that nobody makes up a label."""
    return method if method in {"GET", "POST", "DELETE", "PATCH", "PUT", "HEAD"} else UNROUTED


def _route(scope: Scope) -> str:
    """The pattern of the route that took a request, which the web framework notes beside it."""
    return getattr(scope.get("route"), "path", UNROUTED)


class _Reply:
    """`send`, as the gate gives it to the application: an answer begins once, and a refusal goes before it.

    The web framework turns whatever a broken body raises into an error of its own, so the gate's reason is
    kept here, and sent in place of the framework's.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._refusal: PiRagError | None = None
        self._begun = False
        self.status = NO_ANSWER
        """Of the answer, once it has begun."""

    def due(self, error: PiRagError) -> PiRagError:
        """Answer with this error, whatever the application makes of it."""
        self._refusal = error
        return error

    async def __call__(self, message: Message) -> None:
        if self._refusal is not None:
            await self.refuse(self._refusal)
            return
        self._begun = True
        self.status = message.get("status", self.status)
        await self._send(message)

    async def refuse(self, error: PiRagError) -> None:
        """Answer with an error and end the connection, since an unread body may follow on it."""
        if not self._begun:
            self._begun, self.status = True, error.http_status
            await error_response(error, close=True)(self._scope, self._receive, self._send)
