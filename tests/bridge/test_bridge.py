"""One client's standard input and output, and what the bridge does between them and the service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pi_rag.bridge import bridge
from pi_rag.bridge.bridge import REQUESTS_MAX, Bridge
from pi_rag.bridge.exchange import Service
from pi_rag.bridge.listening import Listening
from pi_rag.clock import SystemClock
from tests.bridge.scripted import Asked, scripted
from tests.plain import plain_environ

ROOT = Path(__file__).parents[2]
HANDSHAKE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}


class Client:
    """A client with a bridge of its own, in this process."""

    def __init__(self, path: Path, *, away_s_max: float) -> None:
        source, self._to = os.pipe()
        answers, self._sink = os.pipe()
        self._source = source
        self._answers = os.fdopen(answers, "rb")
        service = Service(path, 10, 1 << 20, away_s_max, {})
        self._bridge = Bridge(service, SystemClock(), source=source, sink=self._sink)
        self._thread = threading.Thread(target=self._bridge.run)
        self._thread.start()
        self._closed = False

    def say(self, message: Any) -> None:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        os.write(self._to, data + b"\n")

    def ask(self, number: Any, method: str, **params: Any) -> None:
        self.say({"jsonrpc": "2.0", "id": number, "method": method, "params": params})

    def tell(self, method: str, **params: Any) -> None:
        self.say({"jsonrpc": "2.0", "method": method, "params": params})

    def hear(self) -> Any:
        return json.loads(self._answers.readline())

    def close(self) -> list[Any]:
        """Close standard input, and what still comes."""
        if self._closed:
            return []
        self._closed = True
        os.close(self._to)
        self._thread.join(10)
        assert not self._thread.is_alive()
        os.close(self._sink)
        os.close(self._source)
        with self._answers:
            return [json.loads(line) for line in self._answers]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(tmp_path / "s", away_s_max=10)
    yield client
    client.close()


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Client]:
    client = Client(tmp_path / "s", away_s_max=0)
    yield client
    client.close()


def test_a_handshake_needs_no_service(client: Client) -> None:
    """The client starts at once, in both revisions, and pings are answered."""
    client.ask(1, "initialize", **HANDSHAKE)
    assert client.hear()["result"]["protocolVersion"] == "2025-06-18"
    client.ask(2, "server/discover", _meta={"io.modelcontextprotocol/protocolVersion": "2026-07-28"})
    assert client.hear()["result"]["supportedVersions"] == ["2026-07-28"]
    client.ask("three", "ping")
    assert client.hear() == {"jsonrpc": "2.0", "id": "three", "result": {}}


def test_the_service_answers_the_handshake_when_it_is_there(client: Client, tmp_path: Path) -> None:
    """It can say what it holds; what it agrees on goes with every later request."""

    def answer(asked: Asked) -> None:
        if asked.message["method"] == "initialize":
            asked.result(protocolVersion="2024-11-05", instructions="It holds recipes.")
        else:
            asked.result(version=asked.headers["mcp-protocol-version"])

    with scripted(tmp_path / "s", answer):
        client.ask(1, "initialize", **HANDSHAKE)
        assert client.hear()["result"]["instructions"] == "It holds recipes."
        client.ask(2, "tools/list")
        assert client.hear()["result"] == {"version": "2024-11-05"}


def test_a_slow_request_holds_up_no_other(client: Client, tmp_path: Path) -> None:
    """Answers come as they are ready."""
    may_end = threading.Event()

    def answer(asked: Asked) -> None:
        if asked.message["id"] == 1:
            may_end.wait(10)
        asked.result()

    with scripted(tmp_path / "s", answer):
        client.ask(1, "tools/list")
        client.ask(2, "tools/list")
        assert client.hear()["id"] == 2
        may_end.set()
        assert client.hear()["id"] == 1


def test_a_cancelled_request_is_not_answered(client: Client, tmp_path: Path) -> None:
    """The service hears it, and the client hears no more of it."""
    begun, heard = threading.Event(), threading.Event()

    def answer(asked: Asked) -> None:
        if asked.message["id"] == "slow":
            begun.set()
            assert asked.closed()
            heard.set()
        else:
            asked.result()

    with scripted(tmp_path / "s", answer):
        client.ask("slow", "tools/call", name="search")
        assert begun.wait(10)
        client.tell("notifications/cancelled", requestId="slow")
        assert heard.wait(10)
        client.tell("notifications/cancelled", requestId="slow")
        client.ask(2, "tools/list")
        assert client.hear()["id"] == 2
        assert client.close() == []


def test_what_is_no_message_is_answered_and_passed_over(client: Client) -> None:
    """A broken line costs no more than itself; answers to nothing and empty lines cost nothing."""
    client.say(b'{"jsonrpc": "2.0", "id": 1, "meth')
    assert client.hear()["error"]["code"] == -32700
    client.say(b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]')
    assert client.hear()["error"]["code"] == -32600
    client.say(b"")
    client.say({"jsonrpc": "2.0", "id": 1, "result": {}})
    client.tell("notifications/initialized")
    client.ask(2, "ping")
    assert client.hear()["id"] == 2


def test_a_number_is_under_way_only_once(client: Client, tmp_path: Path) -> None:
    """Two answers with one number could not be told apart."""
    may_end = threading.Event()

    def answer(asked: Asked) -> None:
        may_end.wait(10)
        asked.result()

    with scripted(tmp_path / "s", answer):
        client.ask(1, "tools/list")
        client.ask(1, "tools/list")
        assert client.hear()["error"]["code"] == -32600
        may_end.set()
        assert "result" in client.hear()


def test_too_many_at_once_are_refused(client: Client, tmp_path: Path) -> None:
    """The bound is told to the model, which may try again."""
    may_end = threading.Event()

    def answer(asked: Asked) -> None:
        may_end.wait(10)
        asked.result()

    with scripted(tmp_path / "s", answer):
        for number in range(REQUESTS_MAX + 1):
            client.ask(number, "tools/call", name="search")
        refused = client.hear()
        assert refused["id"] == REQUESTS_MAX
        assert refused["result"]["isError"] is True
        may_end.set()
        assert {client.hear()["id"] for _ in range(REQUESTS_MAX)} == set(range(REQUESTS_MAX))


def test_the_tools_are_announced_when_the_service_comes_late(impatient: Client, tmp_path: Path) -> None:
    """A client that asked in vain is told to ask again."""
    impatient.ask(1, "tools/list")
    assert impatient.hear()["error"]["data"]["code"] == "service_down"
    with scripted(tmp_path / "s", lambda asked: asked.result(tools=[])):
        assert impatient.hear()["method"] == "notifications/tools/list_changed"
        impatient.ask(2, "tools/list")
        assert impatient.hear()["result"] == {"tools": []}


def test_what_is_under_way_is_answered_after_the_end_of_input(client: Client, tmp_path: Path) -> None:
    """`printf ... | pi-rag mcp` shows its answers."""
    with scripted(tmp_path / "s", lambda asked: asked.result()):
        client.ask(1, "tools/list")
        assert [message["id"] for message in client.close()] == [1]


def test_a_handshake_waits_for_a_service_that_loads(client: Client, tmp_path: Path) -> None:
    """Only the service can say what it holds, and it says so to the first agent after its start, too."""

    def slow(asked: Asked) -> None:
        threading.Event().wait(0.4)  # such is this service
        asked.result(protocolVersion="2025-06-18", instructions="It holds recipes.")

    with scripted(tmp_path / "s", slow):
        client.ask(1, "initialize", **HANDSHAKE)
        assert client.hear()["result"]["instructions"] == "It holds recipes."


def test_a_handshake_does_not_wait_for_ever(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that takes the connection and says nothing is answered for."""
    monkeypatch.setattr(bridge, "WELCOME_S", 0.05)

    def silent(asked: Asked) -> None:
        asked.closed()

    with scripted(tmp_path / "s", silent):
        client.ask(1, "initialize", **HANDSHAKE)
        assert "may still be starting" in client.hear()["result"]["instructions"]


def test_answers_that_nobody_reads_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asks and does not read costs so many threads; none of its answers is lost."""
    stuck = threading.Event()
    monkeypatch.setattr(bridge, "UNSAID_MAX", 4)
    monkeypatch.setattr(bridge, "CLIENT_LOOK_S", 0.01)
    monkeypatch.setattr(Listening, "expect_client", lambda _: stuck.set())
    client = Client(tmp_path / "s", away_s_max=10)
    with scripted(tmp_path / "s", lambda asked: asked.result(long="x" * 100_000)) as service:
        for number in range(20):
            client.ask(number, "tools/list")
        assert stuck.wait(5)
        assert len(service.asked) <= 4
        assert {client.hear()["id"] for _ in range(20)} == set(range(20))
        client.close()


STARTED = """
import os, sys
from pathlib import Path
from pi_rag.bridge.bridge import Bridge
from pi_rag.bridge.exchange import Service
from pi_rag.clock import SystemClock
Bridge(Service(Path(sys.argv[1]), 10, 1 << 20, 10, {}), SystemClock()).run()
"""


@pytest.mark.parametrize("log", ["2>&-", "2>/dev/full", "2>&3 3>&-"])
def test_a_log_that_nobody_takes_costs_no_answer(tmp_path: Path, log: str) -> None:
    """Closed, full or read by nobody, standard error is no part of the protocol, and stops nothing."""
    asked_before: list[Asked] = []

    def away_once(asked: Asked) -> None:
        asked_before.append(asked)
        if len(asked_before) > 1:
            asked.result(tools=[])

    with scripted(tmp_path / "s", away_once):
        # Number 3 is a pipe whose reader has gone.
        command = f'exec 3> >(:); wait $!; exec {log}; exec "$@"'
        ran = subprocess.run(
            ["bash", "-c", command, "bash", sys.executable, "-c", STARTED, str(tmp_path / "s")],
            cwd=ROOT,
            env=plain_environ(),
            input=b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}\n',
            stdout=subprocess.PIPE,
            timeout=30,
            check=True,
        )
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {"jsonrpc": "2.0", "id": 1, "result": {"tools": []}}
    ]
