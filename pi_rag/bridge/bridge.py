"""The bridge itself: it reads requests, hands each to a thread of its own, and writes what comes back.

It knows who asked what and what is under way. How the service is reached is `exchange.py`, what a message
says is `messages.py`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress

from pi_rag.bridge import messages
from pi_rag.bridge.exchange import PAUSE_S_MAX, Exchange, Service
from pi_rag.bridge.listening import ClientGone, Listening
from pi_rag.clock import Clock
from pi_rag.errors import Busy, PiRagError, RequestTooLarge

LINE_BYTES_MAX = 16 << 20
"""Longest message that is read. The service refuses far shorter ones, and says so itself."""

REQUESTS_MAX = 64
"""How many requests of one client are under way at once; each is a thread here and a connection there."""

UNSAID_MAX = 2 * REQUESTS_MAX
"""How many requests may have no answer written yet: those under way, and those whose answer waits for the
client to read. Beyond it nothing more is taken from the client."""

CLIENT_LOOK_S = 1.0
"""How often the client is looked for while nothing is taken from it."""

WELCOME_S = 4.0
"""How long a handshake waits for a service that has taken the connection. For the first agent after its start
that loads the protocol's SDK, for a second or two, and only it can say what it holds, once in a conversation.
A service that is away is not waited for."""

LAST_S = 1.0
"""How long answers that are under way may take after the client has closed its side. Clients wait two
seconds before they kill."""


class Bridge:
    """One client's standard input and output, and the service behind them."""

    def __init__(self, service: Service, clock: Clock, *, source: int = 0, sink: int = 1) -> None:
        self._service = service
        self._clock = clock
        self._listening = Listening(source, sink, LINE_BYTES_MAX)
        self._sink = sink
        self._writing = threading.Lock()
        self._under_way: dict[messages.Id, Exchange] = {}
        self._threads: set[threading.Thread] = set()
        self._unsaid = threading.BoundedSemaphore(UNSAID_MAX)
        self._agreed: str | None = None
        self._token = os.urandom(16).hex()
        self._session = messages.session_of("", self._token)
        self._away = False
        self._expecting = threading.Lock()

    def run(self) -> None:
        """Until the client is done or gone."""
        try:
            for line in self._listening.lines():
                self._take(line)
            self._finish()
        except ClientGone:
            return

    def _take(self, line: bytes | None) -> None:
        if line is None:
            too_long = RequestTooLarge(f"A message is longer than {LINE_BYTES_MAX >> 20} MiB.")
            self._say(messages.failure(None, messages.INVALID_REQUEST, str(too_long), too_long.to_wire()))
        elif line.strip():
            try:
                message = messages.read(line.strip())
            except messages.Refused as refused:
                self._say(refused.answer)
            else:
                self._pass_on(message)

    def _pass_on(self, message: messages.Request | messages.Notice | None) -> None:
        if isinstance(message, messages.Notice):
            self._heed(message)
        elif message is None:
            pass
        elif message.method in {"initialize", "server/discover"}:
            self._welcome(message)
        elif message.method == "ping":
            self._say(messages.answer(message.id, {}))
        else:
            self._start(message)

    def _heed(self, notice: messages.Notice) -> None:
        """Of what clients tell without a question, only that they have lost interest matters here."""
        number = notice.params.get("requestId")
        if notice.method == "notifications/cancelled" and isinstance(number, (str, int)):
            exchange = self._under_way.get(number)
            if exchange is not None:
                exchange.cancel()

    def _welcome(self, request: messages.Request) -> None:
        """Answered at once: by the service when it is there, and else here."""
        self._session = messages.session_of(request.client, self._token)
        exchange = self._exchange(request, self._service.patience(WELCOME_S))
        try:
            answer = exchange.run(self._say, self._note)
        except PiRagError:
            answer = messages.welcome(request)
        if request.method == "initialize":
            self._agreed = messages.agreed_in(answer)
        self._say(answer)

    def _start(self, request: messages.Request) -> None:
        if request.id in self._under_way:
            wrong = "A request with this `id` is under way already."
            self._say(messages.failure(request.id, messages.INVALID_REQUEST, wrong))
        elif len(self._under_way) >= REQUESTS_MAX:
            self._say(messages.failed(request, Busy(f"{REQUESTS_MAX} requests are under way already.")))
        else:
            self._wait_for_a_reader()
            exchange = self._exchange(request, self._service)
            self._under_way[request.id] = exchange
            thread = threading.Thread(target=self._carry, args=(exchange,), daemon=True)
            self._threads.add(thread)
            thread.start()

    def _wait_for_a_reader(self) -> None:
        """Until one more answer may wait for the client to read it. Raises ClientGone."""
        while not self._unsaid.acquire(timeout=CLIENT_LOOK_S):
            self._listening.expect_client()

    def _exchange(self, request: messages.Request, service: Service) -> Exchange:
        headers = messages.headers(request, self._agreed, self._session)
        return Exchange(request, headers, service, self._clock)

    def _carry(self, exchange: Exchange) -> None:
        """In a thread: ask, and say what comes back unless nobody waits for it."""
        try:
            answer = self._answered(exchange)
            if not exchange.cancelled:
                self._say(answer)
        finally:
            self._threads.discard(threading.current_thread())
            self._unsaid.release()

    def _answered(self, exchange: Exchange) -> messages.Message:
        """The answer, or why there is none. From then on the number is free again."""
        request = exchange.request
        try:
            return exchange.run(self._say, self._note)
        except PiRagError as error:
            if request.method == "tools/list" and request.revision is None:
                self._announce_return()
            return messages.failed(request, error)
        finally:
            self._under_way.pop(request.id, None)

    def _announce_return(self) -> None:
        """Tell the client to ask for the tools again once somebody listens: it has none, and would not."""
        if self._expecting.acquire(blocking=False):
            threading.Thread(target=self._await_return, daemon=True).start()

    def _await_return(self) -> None:
        while not self._service.listens():
            time.sleep(PAUSE_S_MAX)
        self._expecting.release()
        self._say(messages.notice("notifications/tools/list_changed"))

    def _note(self, away: bool) -> None:
        """Say on standard error, which clients keep as a log, that the service is away or there again."""
        if away != self._away:
            self._away = away
            told = "waits for the service on" if away else "is connected again to"
            _log(f"pi-rag mcp {told} {self._service.socket_path}")

    def _say(self, message: messages.Message) -> None:
        """One line, whole. That nobody reads it any more is seen where lines are read."""
        left = memoryview(messages.line_of(message))
        with self._writing, suppress(BrokenPipeError):
            while left:
                left = left[os.write(self._sink, left) :]

    def _finish(self) -> None:
        """Let what is under way come to its end, for a moment."""
        until_s = self._clock.monotonic_s() + LAST_S
        for thread in list(self._threads):
            thread.join(max(0.0, until_s - self._clock.monotonic_s()))


def _log(line: str) -> None:
    """On standard error, past Python's buffer. Where that is closed or full, nothing else suffers by it.

    Python has no standard error when it was started without: its number may be some other file's by now.
    """
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), f"{line}\n".encode(errors="replace"))
