"""A guest's connections: used again while they are good, and never where that could do something twice."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pi_rag import errors
from pi_rag.client import Client
from pi_rag.connections import IDLE_MAX, IDLE_S_MAX, Connections
from tests.stress.truth import until

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}"
NOTHING = b""
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        """As it was set."""
        return self.now_s

    def wall_s(self) -> float:
        """Nobody should ask."""
        raise AssertionError


class Service:
    """Gives each connection the answers laid out for it, one for each request, and then hangs up."""

    def __init__(self, path: Path, connections: list[list[bytes]]) -> None:
        self.heard: list[int] = []
        """How many requests each connection has brought."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._connections = connections
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with self._listener:
            for answers in self._connections:
                guest, _ = self._listener.accept()
                self.heard.append(0)
                with guest:
                    for answer in answers:
                        if not guest.recv(65536):
                            break
                        self.heard[-1] += 1
                        guest.sendall(answer)

    def end(self) -> None:
        """All connections have been made, and are closed."""
        self._thread.join(10.0)
        assert not self._thread.is_alive()


@contextmanager
def serving(path: Path, *connections: list[bytes]) -> Iterator[Service]:
    service = Service(path, list(connections))
    try:
        yield service
    finally:
        service.end()


def test_requests_one_after_the_other_share_a_connection(tmp_path: Path) -> None:
    """Three questions, one knock at the door."""
    with serving(tmp_path / "s", [GOOD, GOOD, GOOD]) as service:
        client = Client(tmp_path / "s")
        assert [client.status() for _ in range(3)] == [{}, {}, {}]
    assert service.heard == [3]


@pytest.mark.parametrize("answer", [LAST, BUSY], ids=["said to be the last", "a refusal"])
def test_after_some_answers_a_new_one_is_made(tmp_path: Path, answer: bytes) -> None:
    """Who is refused comes in by the door again, and nobody asks where it was said to be the last."""
    with serving(tmp_path / "s", [answer], [GOOD]) as service:
        client = Client(tmp_path / "s")
        try:
            client.status()
        except errors.Busy:
            assert answer is BUSY
        assert client.status() == {}
    assert service.heard == [1, 1]


def test_one_that_was_closed_meanwhile_is_not_used(tmp_path: Path) -> None:
    """A service that was started anew answers as if nothing had been."""
    with serving(tmp_path / "s", [GOOD], [GOOD]) as service:
        client = Client(tmp_path / "s")
        assert client.status() == {}
        until(lambda: not client._connections._idle or _is_closed(client._connections._idle[0][0]))
        assert client.add_documents([]) == {}
    assert service.heard == [1, 1]


def _is_closed(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


def test_what_was_never_read_is_asked_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service ends between the look and the request: nothing was done, so even a write may go again."""
    monkeypatch.setattr("pi_rag.connections._is_quiet", lambda _sock: True)
    with serving(tmp_path / "s", [GOOD], [GOOD]) as service:
        client = Client(tmp_path / "s")
        assert client.status() == {}
        until(lambda: _is_closed(client._connections._idle[0][0]))
        assert client.add_documents([]) == {}
    assert service.heard == [1, 1]


def test_what_was_read_is_never_asked_twice(tmp_path: Path) -> None:
    """The service ends while it is at it: it may have been done, and the guest is told."""
    with serving(tmp_path / "s", [GOOD, NOTHING]) as service:
        client = Client(tmp_path / "s")
        assert client.status() == {}
        with pytest.raises(errors.ServiceDown):
            client.add_documents([])
    assert service.heard == [2]


def test_an_old_one_and_one_too_many_are_closed() -> None:
    """Nobody keeps more than a few, nor any that the service may be about to close."""
    time = Time()
    kept = Connections(time)
    pairs = [socket.socketpair() for _ in range(IDLE_MAX + 1)]
    for ours, _ in pairs:
        kept.give_back(ours)
    assert [ours.fileno() == -1 for ours, _ in pairs] == [True] + [False] * IDLE_MAX
    assert kept.used() is pairs[-1][0]
    time.now_s = IDLE_S_MAX
    assert kept.used() is None
    pairs[-1][0].close()
    assert all(ours.fileno() == -1 for ours, _ in pairs)
    for _, theirs in pairs:
        theirs.close()


def test_a_process_that_was_forked_uses_none_of_its_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either could else get the other's answer."""
    ours, theirs = socket.socketpair()
    kept = Connections(Time())
    kept.give_back(ours)
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert kept.used() is None
    assert ours.fileno() == -1
    theirs.close()


def test_a_guest_who_goes_leaves_nothing_open() -> None:
    """Its connections end with it."""
    ours, theirs = socket.socketpair()
    kept = Connections(Time())
    kept.give_back(ours)
    del kept
    assert ours.fileno() == -1
    theirs.close()
