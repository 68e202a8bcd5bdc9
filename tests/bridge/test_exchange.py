"""A request on its way to the service and back, while that answers, is away or dies."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pi_rag import errors
from pi_rag.bridge import messages
from pi_rag.bridge.exchange import Exchange, Service
from pi_rag.clock import SystemClock
from pi_rag.service.agents.tools import BY_NAME
from tests.bridge.scripted import Asked, scripted

PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}
READ = {"name": "search", "arguments": {"query": "x"}}
WRITE = {"name": "remember", "arguments": {"text": "x"}}


def service(path: Path, *, away_s_max: float = 10, answer_s_max: float = 10) -> Service:
    return Service(path, answer_s_max, 1 << 20, away_s_max, {"x-pi-rag-scopes": "user"})


def exchange(at: Service, params: dict[str, Any], method: str = "tools/call") -> Exchange:
    line = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()
    request = messages.read(line)
    assert isinstance(request, messages.Request)
    return Exchange(request, messages.headers(request, None, "s"), at, SystemClock())


def in_turn(*answers: Callable[[Asked], None]) -> Callable[[Asked], None]:
    """The first answer to the first request, and so on; the last to all after it."""
    left = list(answers)

    def answer(asked: Asked) -> None:
        now = left.pop(0) if len(left) > 1 else left[0]
        now(asked)

    return answer


def hang_up(asked: Asked) -> None:
    """Say nothing."""


def hang_up_within(asked: Asked) -> None:
    asked.begin()
    asked.event(PROGRESS)


def wait_for_the_end(asked: Asked) -> None:
    assert asked.closed()


def answered(asked: Asked) -> None:
    asked.result(content=[])


def cancel_once(begun: threading.Event, running: Exchange) -> None:
    assert begun.wait(10)
    running.cancel()


class Told:
    """What was said on the way."""

    def __init__(self) -> None:
        self.messages: list[messages.Message] = []
        self.away: list[bool] = []

    def __call__(self, at: Exchange) -> messages.Message:
        return at.run(self.messages.append, self.away.append)


@pytest.fixture
def told() -> Told:
    return Told()


def test_progress_comes_before_the_answer(tmp_path: Path, told: Told) -> None:
    """What the service says while it works is passed on as it comes; the answer is last."""

    def answer(asked: Asked) -> None:
        asked.begin()
        asked.event(PROGRESS)
        asked.event({"jsonrpc": "2.0", "id": 7, "result": {"content": []}})
        asked.end()

    with scripted(tmp_path / "s", answer) as at:
        assert told(exchange(service(at.path), READ)) == {
            "jsonrpc": "2.0",
            "id": 7,
            "result": {"content": []},
        }
        assert told.messages == [PROGRESS]
        assert at.asked[0].headers["x-pi-rag-scopes"] == "user"
        assert at.asked[0].headers["host"] == "localhost"


def test_an_answer_without_a_number_gets_its_own(tmp_path: Path, told: Told) -> None:
    """A request that the service could not read is answered all the same: else its client would wait."""
    refusal = {"jsonrpc": "2.0", "id": None, "error": {"code": -32602, "message": "no"}}
    with scripted(tmp_path / "s", lambda asked: asked.json(refusal, 400)):
        assert told(exchange(service(tmp_path / "s"), READ)) == refusal | {"id": 7}


def test_a_refusal_of_the_service_keeps_its_words(tmp_path: Path, told: Told) -> None:
    """What stands before MCP, such as the gate, speaks as it does to everybody."""
    wire = {"code": "request_too_large", "message": "Too large.", "hint": "Less.", "retry_after_ms": None}
    with (
        scripted(tmp_path / "s", lambda asked: asked.json({"error": wire}, 413)),
        pytest.raises(errors.RequestTooLarge, match="Too large") as refused,
    ):
        told(exchange(service(tmp_path / "s"), READ))
    assert refused.value.hint == "Less."


@pytest.mark.parametrize("away", [hang_up, hang_up_within, lambda asked: asked.json({}, 503)])
def test_reading_goes_on_through_a_restart(tmp_path: Path, told: Told, away: Callable[[Asked], None]) -> None:
    """A search that meets a service on its way down is answered by the one that comes up."""
    with scripted(tmp_path / "s", in_turn(away, away, answered)) as at:
        assert told(exchange(service(at.path), READ))["result"] == {"content": []}
        assert len(at.asked) == 3
    assert told.away == [True, True, False]


def test_a_service_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """The socket may not even be there yet."""
    told, found = Told(), []
    waits = threading.Event()

    def note(away: bool) -> None:
        waits.set()

    running = exchange(service(tmp_path / "s"), WRITE)
    thread = threading.Thread(target=lambda: found.append(running.run(told.messages.append, note)))
    thread.start()
    assert waits.wait(10)
    with scripted(tmp_path / "s", answered):
        thread.join(10)
    assert found[0]["result"] == {"content": []}


def test_writing_is_not_done_twice(tmp_path: Path, told: Told) -> None:
    """When nobody knows whether a fact was stored, the agent is told so, and how to make sure."""
    with scripted(tmp_path / "s", hang_up) as at:
        with pytest.raises(errors.ServiceDown, match="may have been done or not") as unknown:
            told(exchange(service(at.path), WRITE))
        assert len(at.asked) == 1
    assert "key" in unknown.value.hint


def test_a_key_is_not_proposed_where_none_is_taken(tmp_path: Path, told: Told) -> None:
    """An agent that obeyed would be refused."""
    with scripted(tmp_path / "s", hang_up), pytest.raises(errors.ServiceDown) as unknown:
        told(exchange(service(tmp_path / "s"), {"name": "forget", "arguments": {"ids": [1]}}))
    assert "key" not in unknown.value.hint
    keyed = {name for name, tool in BY_NAME.items() if "key" in tool.arguments.model_fields}
    assert keyed == messages.KEYED_TOOLS


def test_writing_with_a_key_is_sent_again(tmp_path: Path, told: Told) -> None:
    """The service gives the first answer again to the same key."""
    keyed = {"name": "remember", "arguments": {"text": "x", "key": "k"}}
    with scripted(tmp_path / "s", in_turn(hang_up, answered)) as at:
        told(exchange(service(at.path), keyed))
        assert [asked.message["params"] for asked in at.asked] == [keyed, keyed]


def test_patience_ends(tmp_path: Path, told: Told) -> None:
    """A service that stays away is told in words, with what to do."""
    with pytest.raises(errors.ServiceDown) as down:
        told(exchange(service(tmp_path / "s", away_s_max=0), READ))
    assert "pi-rag serve" in down.value.hint


def test_silence_is_bounded(tmp_path: Path, told: Told) -> None:
    """A service that takes the request and says nothing is not waited for for ever."""
    with (
        scripted(tmp_path / "s", wait_for_the_end),
        pytest.raises(errors.DeadlineExceeded),
    ):
        told(exchange(service(tmp_path / "s", answer_s_max=0.1), READ))


def test_what_is_no_socket_is_not_waited_for(tmp_path: Path, told: Told) -> None:
    """A wrong path will not become right by waiting."""
    (tmp_path / "s").write_text("")
    with pytest.raises(errors.SocketPathInvalid):
        told(exchange(service(tmp_path / "s"), READ))


@pytest.mark.parametrize("body", [b"hello", b"[]", b"{", b"data"])
def test_what_is_not_mcp_is_a_failure(tmp_path: Path, told: Told, body: bytes) -> None:
    """Something else on the socket is named, not guessed at."""
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with (
        scripted(tmp_path / "s", lambda asked: asked.sock.sendall(head + body)),
        pytest.raises(errors.InternalError),
    ):
        told(exchange(service(tmp_path / "s"), READ))


def test_cancelling_closes_the_connection(tmp_path: Path, told: Told) -> None:
    """The service hears at once that nobody waits, and a retry does not follow."""
    begun, heard = threading.Event(), []

    def answer(asked: Asked) -> None:
        begun.set()
        heard.append(asked.closed())

    with scripted(tmp_path / "s", answer) as at:
        running = exchange(service(at.path), READ)
        thread = threading.Thread(target=cancel_once, args=(begun, running))
        thread.start()
        with pytest.raises(errors.PiRagError):
            told(running)
        thread.join(10)
        assert len(at.asked) == 1
    assert heard == [True]


def test_cancelling_ends_the_waiting(tmp_path: Path) -> None:
    """So too while the service is away."""
    running = exchange(service(tmp_path / "s", away_s_max=600), READ)
    with pytest.raises(errors.ServiceDown):
        running.run(lambda message: None, lambda away: running.cancel())
    assert running.cancelled
