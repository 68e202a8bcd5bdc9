"""Promises of pi_rag/embedder/lanes.py."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.embedder.calls import Bounds, Call, Piece
from pi_rag.embedder.lanes import Lanes
from pi_rag.errors import Busy
from pi_rag.types import Lane

ONE_EACH = Bounds(texts_max=1, bytes_wanted=1, bytes_max=1000)


def lanes(**more: int) -> Lanes:
    """Small lanes: three calls each, two workers for ingest."""
    return Lanes(**({"query_calls_max": 3, "ingest_calls_max": 3, "ingest_workers_max": 2} | more))


def call(lane: Lane, texts: int = 1, deadline_s: float = 100.0) -> Call:
    """A call of as many pieces as texts. Needs a running loop."""
    return Call("count", ["x"] * texts, lane, deadline_s, ONE_EACH)


def taken(waiting: Lanes, count: int, now_s: float = 0.0) -> list[Piece]:
    """The next pieces; fewer when no more may be taken."""
    pieces = [waiting.take(now_s) for _ in range(count)]
    return [piece for piece in pieces if piece is not None]


async def test_queries_go_before_any_ingest() -> None:
    """A query that came last is taken first."""
    waiting = lanes()
    ingest, query = call("ingest"), call("query")
    waiting.admit(ingest)
    waiting.admit(query)
    assert [piece.call for piece in taken(waiting, 2)] == [query, ingest]


async def test_ingest_never_holds_more_workers_than_it_may() -> None:
    """The third piece waits until one of two comes back; queries are not held up by it."""
    waiting = lanes()
    waiting.admit(call("ingest", texts=5))
    first, second = taken(waiting, 5)
    waiting.admit(call("query"))
    assert [piece.call.lane for piece in taken(waiting, 2)] == ["query"]
    waiting.leave(first)
    assert len(taken(waiting, 5)) == 1
    assert second.number == 1


async def test_a_full_lane_is_busy_and_the_other_is_not() -> None:
    """The bound counts calls that wait, not pieces, and not those at work."""
    waiting = lanes()
    for _ in range(3):
        waiting.admit(call("query", texts=4))
    with pytest.raises(Busy):
        waiting.admit(call("query"))
    waiting.admit(call("ingest"))
    taken(waiting, 4)
    waiting.admit(call("query"))


async def test_expired_and_answered_calls_are_dropped_before_they_are_sent() -> None:
    """Nobody waits for them any more."""
    waiting = lanes()
    late, left, good = call("query", deadline_s=1.0), call("query"), call("query")
    for each in (late, left, good):
        waiting.admit(each)
    left.answer.cancel()
    assert [piece.call for piece in taken(waiting, 3, now_s=2.0)] == [good]
    assert waiting.queued() == {"query": 0, "ingest": 0}


async def test_a_piece_put_back_is_next() -> None:
    """What lost its worker does not stand at the end of the queue again."""
    waiting = lanes()
    unlucky, other = call("query"), call("query")
    waiting.admit(unlucky)
    waiting.admit(other)
    [piece] = taken(waiting, 1)
    waiting.leave(piece)
    waiting.put_back(piece)
    assert [each.call for each in taken(waiting, 2)] == [unlucky, other]


async def test_a_withdrawn_call_leaves_nothing_behind() -> None:
    """Neither its pieces that wait nor the one that was put back."""
    waiting = lanes()
    gone = call("ingest", texts=3)
    waiting.admit(gone)
    [piece] = taken(waiting, 1)
    waiting.leave(piece)
    waiting.put_back(piece)
    waiting.withdraw(gone)
    assert waiting.queued() == {"query": 0, "ingest": 0}
    assert taken(waiting, 3) == []


steps = st.lists(
    st.sampled_from(["admit_query", "admit_ingest", "take", "finish", "put_back", "withdraw"]), max_size=60
)


@given(steps)
@settings(max_examples=200)
def test_no_piece_is_lost_doubled_or_starved(script: list[str]) -> None:
    """Whatever happens in whatever order, each piece ends once, and ingest keeps to its share."""
    asyncio.run(_play(script))


async def _play(script: list[str]) -> None:
    waiting, at_work, done = lanes(), [], []
    admitted: list[Call] = []
    for step in script:
        if step.startswith("admit"):
            new = call("query" if step == "admit_query" else "ingest", texts=2)
            try:
                waiting.admit(new)
            except Busy:
                continue
            admitted.append(new)
        elif step == "take":
            at_work += taken(waiting, 1)
        elif step == "withdraw" and admitted:
            waiting.withdraw(admitted[-1])
            admitted.pop().answer.cancel()
        elif at_work and step in {"finish", "put_back"}:
            piece = at_work.pop(0)
            waiting.leave(piece)
            if step == "finish":
                done.append(piece)
            elif piece.call.open:
                waiting.put_back(piece)
        assert sum(piece.call.lane == "ingest" for piece in at_work) <= 2
    while at_work or (at_work := taken(waiting, 1)):
        waiting.leave(at_work[0])
        done.append(at_work.pop(0))
        at_work += taken(waiting, 1)
    assert len(done) == len(set(map(id, done)))
    for each in admitted:
        assert {id(piece) for piece in each.pieces} <= set(map(id, done))
