"""Guests with bad manners do what they are there for, and are gone afterwards."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.stress import rude
from tests.stress.truth import until


class Listener:
    """Takes in everybody, and writes down what they say."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: dict[int, bytes] = {}
        self.ended = 0
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.bind(str(path))
        self._sock.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _accept(self) -> None:
        while True:
            try:
                guest, _ = self._sock.accept()
            except OSError:
                return
            threading.Thread(target=self._hear, args=(guest,), daemon=True).start()

    def _hear(self, guest: socket.socket) -> None:
        number = len(self.said)
        self.said[number] = b""
        with guest:
            while data := guest.recv(65536):
                self.said[number] += data
        self.ended += 1


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    found = Listener(tmp_path / "s")
    yield found
    found.close()


def test_halves_of_a_request_and_nothing_more(listener: Listener) -> None:
    """Each stops at another place; none sends the whole; all hang up when the block ends."""
    with rude.halves(listener.path, 20) as count:
        until(lambda: sorted(map(len, listener.said.values())) == list(range(1, 21)))
        assert (count, listener.ended) == (20, 0)
    assert all(rude.HALF.startswith(said) for said in listener.said.values())
    until(lambda: listener.ended == 20)


def test_the_silent_say_nothing(listener: Listener) -> None:
    """Half of them say that they never will."""
    with rude.silent(listener.path, 10) as count:
        until(lambda: listener.ended == 5)
        assert count == len(listener.said) == 10
    assert set(listener.said.values()) == {b""}


def test_those_who_crawl_send_a_byte_now_and_then(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another, of the same request."""
    monkeypatch.setattr(rude, "CRAWL_S", 0.01)
    with rude.crawling(listener.path, 5):
        until(lambda: len(listener.said) == 5 and min(map(len, listener.said.values())) > 10)
    assert all(rude.CRAWL.startswith(said) for said in listener.said.values())


def test_nonsense_is_heard_out(listener: Listener) -> None:
    """Every kind of it is sent; who listens to the end and hangs up has answered it."""
    assert rude.nonsense(listener.path, 8, random.Random(1)) == 8
    assert len(listener.said) == 8


def test_where_nobody_listens_there_are_no_guests(tmp_path: Path) -> None:
    """No error, and none is counted."""
    with rude.silent(tmp_path / "nothing", 3) as count:
        assert count == 0
