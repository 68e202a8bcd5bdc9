"""The thread that asks, with askings that a test lays out."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from pi_rag.cli.polling import RETRY_S_MAX, Polling, Said, wait_s
from pi_rag.errors import ServiceDown


def test_the_waits_grow_and_stay_bounded() -> None:
    """A service that is gone is asked more and more seldom, and never more often than one that is there."""
    waits = [wait_s(1.0, failures) for failures in (0, 1, 2, 3, 4, 10**6)]
    assert waits == [1, 1, 2, 4, RETRY_S_MAX, RETRY_S_MAX]
    assert wait_s(60.0, 0) == wait_s(60.0, 7) == 60


def answers(*said: dict[str, Any] | Exception) -> queue.SimpleQueue[Said]:
    """A polling that has begun and is told these, and then a fault that ends it; and what it tells."""
    told: queue.SimpleQueue[Said] = queue.SimpleQueue()
    left = list(said)

    def ask() -> dict[str, Any]:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    Polling(ask, told.put, every_s=0.001).start()
    return told


def test_it_asks_again_and_again_through_a_restart() -> None:
    """What comes instead of an answer is told too, and ends nothing."""
    down = ServiceDown("Nothing answers.")
    told = answers({"n": 1}, down, down, {"n": 2}, {"n": 3})
    assert [told.get(timeout=30) for _ in range(5)] == [{"n": 1}, down, down, {"n": 2}, {"n": 3}]
    assert isinstance(told.get(timeout=30), IndexError)


def test_an_order_is_done_between_two_askings_and_asked_after_at_once() -> None:
    """It does not wait for the next time, and whoever gave it sees what came of it."""
    told: queue.SimpleQueue[Said] = queue.SimpleQueue()
    done: list[str] = []
    polling = Polling(lambda: {"done": list(done)}, told.put, every_s=3600)
    polling.start()
    assert told.get(timeout=30) == {"done": []}
    polling.order(lambda: done.append("paused"))
    assert told.get(timeout=30) == {"done": ["paused"]}


@pytest.mark.parametrize("where", ["ask", "order"])
def test_a_fault_of_ours_is_told(where: str) -> None:
    """It is not swallowed by the thread: what shows the state would show an old one for ever."""
    fault = ZeroDivisionError("a fault")

    def fail() -> dict[str, Any]:
        raise fault

    told: queue.SimpleQueue[Said] = queue.SimpleQueue()
    polling = Polling(fail if where == "ask" else dict, told.put, every_s=3600)
    polling.start()
    if where == "order":
        assert told.get(timeout=30) == {}
        polling.order(fail)
    assert told.get(timeout=30) is fault
