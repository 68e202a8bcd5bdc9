"""One request of an agent on its way to the service and back, waiting while the service is away.

It knows how the service is reached and what a fault on the way means; who asked, and who listens for the
answer, is `bridge.py`.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pi_rag import client, errors, http1
from pi_rag.bridge.messages import Message, Request
from pi_rag.clock import Clock

TARGET = "/mcp"
FIRST_PAUSE_S, PAUSE_S_MAX = 0.05, 1.0
"""How long is waited before the service is looked for again: at first, and at most."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service is, and with how much patience it is asked."""

    socket_path: Path
    answer_s_max: float
    """Longest silence within one answer; the service says something every 15 s while it works."""
    answer_bytes_max: int
    away_s_max: float
    """Longest that a request waits for a service that is not there."""
    headers: Mapping[str, str]
    """What binds this bridge: scopes, and whether it only reads."""

    def patience(self, seconds: float) -> Service:
        """The same, with so little patience that a handshake is answered at once."""
        return Service(self.socket_path, seconds, self.answer_bytes_max, 0, self.headers)

    def listens(self) -> bool:
        """Whether anybody takes a connection there now."""
        try:
            http1.connect(self.socket_path, PAUSE_S_MAX).close()
        except OSError:
            return False
        return True


class Gone(Exception):
    """The service is away, busy or hung up. `sent`: whether it may have done what was asked."""

    def __init__(self, error: errors.PiRagError, *, sent: bool) -> None:
        super().__init__(error.message)
        self.error, self.sent = error, sent


class Exchange:
    """A request and its answer. `cancel` may be called from another thread, at any time."""

    def __init__(self, request: Request, headers: Mapping[str, str], service: Service, clock: Clock) -> None:
        self.request = request
        self._headers = {**service.headers, **headers}
        self._service = service
        self._clock = clock
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None

    def cancel(self) -> None:
        """Give it up. The service hears the connection close, and stops."""
        self._cancelled.set()
        with self._lock, suppress(OSError):
            if self._sock is not None:
                self._sock.shutdown(socket.SHUT_RDWR)

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._cancelled.is_set()

    def run(self, tell: Callable[[Message], None], waiting: Callable[[bool], None]) -> Message:
        """The answer; what the service says before it goes to `tell`.

        `waiting` is told when the service was not there, and when it is again. Raises PiRagError.
        """
        until_s = self._clock.monotonic_s() + self._service.away_s_max
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                found = self._once(tell)
                waiting(False)
                return found
            except Gone as gone:
                self._bear(gone, until_s - pause_s)
                waiting(True)
            self._cancelled.wait(pause_s)
            pause_s = min(2 * pause_s, PAUSE_S_MAX)

    def _bear(self, gone: Gone, until_s: float) -> None:
        """Raise what it was unless it is worth another try."""
        if gone.sent and not self.request.repeatable:
            again = ", or call it again with a `key`" if self.request.takes_key else ""
            raise errors.ServiceDown(
                "The service went away before it answered: it may have been done or not.",
                hint=f"See with `recall`, `timeline` or `status` whether it was{again}.",
            ) from gone
        if self.cancelled or self._clock.monotonic_s() >= until_s:
            raise gone.error from gone

    def _once(self, tell: Callable[[Message], None]) -> Message:
        try:
            with self._connected() as sock:
                status, lines = self._asked(sock)
                for message in _messages(lines):
                    if "method" not in message:
                        return self._judged(status, message)
                    tell(message)
                if status != 200:
                    return self._judged(status, {})
        except TimeoutError:
            silence = f"The service said nothing for {self._service.answer_s_max:g} s."
            raise errors.DeadlineExceeded(silence) from None
        except OSError as error:
            raise Gone(errors.ServiceDown("The service hung up."), sent=True) from error
        except (http1.NotHttp, http1.AnswerTooLarge, ValueError) as error:
            raise errors.InternalError(f"The service's answer cannot be read: {error}.") from error
        raise Gone(errors.ServiceDown("The service hung up before its answer was whole."), sent=True)

    def _connected(self) -> socket.socket:
        """A connection, which `cancel` can reach from now on."""
        path = self._service.socket_path
        try:
            sock = http1.connect(path, max(self._service.answer_s_max, FIRST_PAUSE_S))
        except OSError as error:
            reason = client.unreachable(path, error)
            if isinstance(reason, (errors.SocketForbidden, errors.SocketPathInvalid)):
                raise reason from error
            raise Gone(reason, sent=False) from error
        with self._lock:
            self._sock = sock
        if self.cancelled:
            sock.close()
            raise Gone(errors.ServiceDown("Nobody waits for it any more."), sent=False)
        return sock

    def _asked(self, sock: socket.socket) -> tuple[int, Iterator[bytes]]:
        return http1.lines(
            sock,
            TARGET,
            payload=self.request.line,
            headers=self._headers,
            silence_s_max=self._service.answer_s_max,
            line_bytes_max=self._service.answer_bytes_max,
            clock=self._clock,
        )

    def _judged(self, status: int, message: Message) -> Message:
        """MCP's answer, or a refusal of the web server that stands before it as an error of ours.

        Where the request could not be read there, the answer comes without its number, and gets it here.
        """
        if message.get("jsonrpc") == "2.0":
            return {**message, "id": self.request.id}
        wire = message.get("error")
        error = errors.from_wire(wire) if isinstance(wire, dict) else None
        if status == errors.Busy.http_status:
            raise Gone(error or errors.Busy("The service has no room for one more request now."), sent=False)
        raise error or errors.InternalError(f"The service answered {status} with something that is not MCP.")


def _messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """The JSON objects of an answer, which is one of them or a stream of events. Raises ValueError."""
    data: list[bytes] = []
    for line in lines:
        name, colon, value = line.rstrip(b"\r\n").partition(b":")
        if not line.rstrip(b"\r\n"):
            yield from _decoded(data)
            data = []
        elif name == b"data" and colon:
            data.append(value.removeprefix(b" "))
        elif name not in (b"", b"event", b"id", b"retry"):
            data.append(line)  # no stream of events: a plain body
    yield from _decoded(data)


def _decoded(data: list[bytes]) -> Iterator[Message]:
    if not data:
        return
    try:
        found = json.loads(b"\n".join(data))
    except (ValueError, RecursionError):
        found = None
    yield found if isinstance(found, dict) else {}
