"""Promises of pi_rag/processes/right_of_way.py, over the page of memory that two of it share."""

from __future__ import annotations

import os
import threading
import time

import pytest

from pi_rag.processes import right_of_way
from pi_rag.processes.right_of_way import Aside, RightOfWay

LONG_S = 30.0
"""Longer than any test waits for somebody who stands aside when nobody should."""


def parts_done(aside: Aside, parts: int, part_s: float) -> float:
    """Seconds that so many parts took, each so long by itself."""
    begun_s = time.monotonic()
    aside.begin()
    for _ in range(parts):
        time.sleep(part_s)
        aside()
    return time.monotonic() - begun_s


def page(way: RightOfWay) -> int:
    """What others see."""
    return os.pread(way.descriptor, 1, 0)[0]


def test_nobody_stands_aside_where_nobody_is_answered() -> None:
    """Nor after the last answer, of several at once."""
    way = RightOfWay()
    aside = Aside(way.descriptor, 1e-6, LONG_S)
    assert parts_done(aside, 3, 0.001) < LONG_S
    with way.taken():
        with way.taken():
            pass
        assert page(way) == 1
    assert page(way) == 0
    assert parts_done(aside, 3, 0.001) < LONG_S


def test_who_works_meanwhile_takes_no_more_than_their_share() -> None:
    """A part of so long is followed by a rest of nine times that."""
    way = RightOfWay()
    aside = Aside(way.descriptor, 0.1, LONG_S)
    with way.taken():
        assert parts_done(aside, 3, 0.01) >= 3 * 0.1


def test_who_stands_aside_goes_on_when_the_answer_is_given() -> None:
    """Long before their rest is over."""
    way = RightOfWay()
    aside = Aside(way.descriptor, 1e-6, LONG_S)
    stack = way.taken()
    stack.__enter__()
    worker = threading.Thread(target=parts_done, args=(aside, 1, 0.001))
    worker.start()
    worker.join(0.1)
    assert worker.is_alive()
    stack.__exit__(None, None, None)
    worker.join(LONG_S / 2)
    assert not worker.is_alive()


def test_nobody_stands_aside_for_ever() -> None:
    """Over one piece of work there is a bound, and the next piece has its own."""
    way = RightOfWay()
    aside = Aside(way.descriptor, 1e-6, 0.05)
    with way.taken():
        for _ in range(2):
            assert 0.05 <= parts_done(aside, 5, 0.001) < LONG_S


def test_an_answer_that_fails_is_over_too() -> None:
    """The way is free again."""
    way = RightOfWay()
    with pytest.raises(ValueError, match="no answer"), way.taken():
        raise ValueError("no answer")
    assert page(way) == 0


def test_a_process_has_one() -> None:
    """Whoever asks."""
    assert right_of_way.ours() is right_of_way.ours()
