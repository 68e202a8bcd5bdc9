"""Promises of pi_rag/embedder/lanes.py."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pi_rag.embedder.calls import Batch, Call
from pi_rag.embedder.compose import Rules
from pi_rag.embedder.curve import Curve
from pi_rag.embedder.lanes import Lanes
from pi_rag.errors import Busy
from pi_rag.types import Lane

CURVE = Curve(plain=((10, 10.0), (100, 100.0)), flash=((10, 20.0), (100, 90.0)), frame_ms=0.6)
"""A text of ten tokens takes ten milliseconds; a batch should take thirty, three of them."""


def lanes(**more: int) -> Lanes:
    """Small lanes: three calls each."""
    rules = Rules(texts_max=16, bytes_max=1000, ingest_wait_s_max=5.0)
    return Lanes(CURVE, rules, **({"query_calls_max": 3, "ingest_calls_max": 3} | more))


class Caller:
    """Admits calls; no two texts are the same unless they are named."""

    def __init__(self, waiting: Lanes) -> None:
        self.waiting = waiting
        self.texts = 0

    def call(self, lane: Lane, *names: str, texts: int = 1, deadline_s: float = 100.0) -> Call:
        """A call that waits now. Needs a running loop."""
        named = [name.encode() for name in names] or [f"{self.texts + n}".encode() for n in range(texts)]
        self.texts += len(named)
        call = Call("embed", len(named), lane, deadline_s)
        self.waiting.admit(call, [(text, 10) for text in named], 0.0)
        return call


def take(waiting: Lanes, *, ingest: bool = True, now_s: float = 0.0, idle_workers: int = 1) -> Batch | None:
    """What one worker gets."""
    return waiting.take(now_s, ingest=ingest, idle_workers=idle_workers)


def texts(batch: Batch | None) -> list[str]:
    """What is in a batch."""
    return sorted(item.encoded.decode() for item in batch.items) if batch else []


def answer(waiting: Lanes, batch: Batch | None) -> None:
    """Each text's own number is its answer."""
    assert batch is not None
    waiting.done(batch, [int(item.encoded) for item in batch.items])


async def test_texts_to_count_go_together_however_many_workers_are_free() -> None:
    """To embed, they are shared out; counting takes less than the way to another worker."""
    for task, together in (("count", 6), ("embed", 2)):
        waiting = lanes()
        counting = Call(task, 6, "ingest", 100.0)  # type: ignore[arg-type]  # one of two words
        waiting.admit(counting, [(f"{number}".encode(), 0) for number in range(6)], 0.0)
        assert len(texts(take(waiting, idle_workers=3))) == together


async def test_queries_go_before_any_ingest() -> None:
    """A query that came last is taken first, and does not share a batch with documents."""
    waiting = lanes()
    caller = Caller(waiting)
    caller.call("ingest", "1", "2")
    caller.call("query", "3")
    assert texts(take(waiting)) == ["3"]
    assert texts(take(waiting)) == ["1", "2"]


async def test_a_worker_for_queries_gets_no_document() -> None:
    """It stays free, so that the next query finds it so."""
    waiting = lanes()
    Caller(waiting).call("ingest", "1")
    assert take(waiting, ingest=False) is None
    assert texts(take(waiting)) == ["1"]


async def test_counting_goes_before_embedding() -> None:
    """Somebody cannot cut a document before; and the two never share a batch."""
    waiting = lanes()
    Caller(waiting).call("ingest", "1")
    waiting.admit(Call("count", 1, "ingest", 100.0), [(b"2", 10)], 0.0)
    first, second = take(waiting), take(waiting)
    assert first and second
    assert (first.task, second.task) == ("count", "embed")


async def test_texts_of_many_callers_share_a_batch() -> None:
    """Up to what the curve says is worth it, and each caller gets its own."""
    waiting = lanes(ingest_calls_max=9)
    caller = Caller(waiting)
    calls = [caller.call("ingest") for _ in range(5)]
    first = take(waiting)
    assert len(texts(first)) == 3
    answer(waiting, first)
    answer(waiting, take(waiting))
    assert [await call.answer for call in calls] == [[0], [1], [2], [3], [4]]


async def test_the_same_text_is_computed_once() -> None:
    """Whether it still waits or is at a worker already; everybody gets the answer."""
    waiting = lanes()
    caller = Caller(waiting)
    first = caller.call("ingest", "7", "8", "7")
    batch = take(waiting)
    second = caller.call("query", "8")
    assert texts(batch) == ["7", "8"]
    assert take(waiting) is None
    answer(waiting, batch)
    assert (await first.answer, await second.answer) == ([7, 8, 7], [8])
    assert waiting.shared == 2
    caller.call("query", "8")
    assert texts(take(waiting)) == ["8"], "what is answered is computed anew: keeping is for caches"


async def test_a_query_takes_a_waiting_text_into_its_own_lane() -> None:
    """A person does not wait behind a document for the same words."""
    waiting = lanes()
    caller = Caller(waiting)
    caller.call("ingest", "1", "2", "3", "4")
    query = caller.call("query", "4")
    batch = take(waiting, ingest=False)
    assert texts(batch) == ["4"]
    answer(waiting, batch)
    assert await query.answer == [4]


async def test_a_full_lane_is_busy_and_the_other_is_not() -> None:
    """The bound counts calls that have no answer yet, at workers or not."""
    waiting = lanes()
    caller = Caller(waiting)
    first, *_ = [caller.call("query") for _ in range(3)]
    with pytest.raises(Busy):
        caller.call("query")
    caller.call("ingest")
    answer(waiting, take(waiting, idle_workers=3))
    assert first.answer.done()
    caller.call("query")


async def test_expired_and_answered_calls_are_dropped_before_they_are_sent() -> None:
    """Nobody waits for them any more."""
    waiting = lanes()
    caller = Caller(waiting)
    caller.call("query", "1", deadline_s=1.0)
    left = caller.call("query", "2")
    caller.call("query", "3")
    left.answer.cancel()
    assert texts(take(waiting, now_s=2.0)) == ["3"]
    assert waiting.queued() == {"query": 0, "ingest": 0}


async def test_what_lost_its_worker_is_next() -> None:
    """It does not stand at the end of the queue again."""
    waiting = lanes()
    caller = Caller(waiting)
    caller.call("ingest", "1")
    unlucky = take(waiting)
    caller.call("ingest", "2")
    assert unlucky
    unlucky.items[0].alone = True
    waiting.put_back(unlucky)
    assert texts(take(waiting)) == ["1"]
    assert texts(take(waiting)) == ["2"]


async def test_a_withdrawn_call_leaves_nothing_behind() -> None:
    """Neither its texts that wait nor those that were put back; what another wants stays."""
    waiting = lanes()
    caller = Caller(waiting)
    gone = caller.call("ingest", "1", "2", "3", "4", "5")
    caller.call("ingest", "5")
    batch = take(waiting)
    gone.answer.cancel()
    waiting.withdraw(gone)
    assert batch
    waiting.put_back(batch)
    assert waiting.queued() == {"query": 0, "ingest": 1}
    assert texts(take(waiting)) == ["5"]
    assert take(waiting) is None


async def test_a_flood_of_queries_does_not_stop_an_ingest_for_good() -> None:
    """After five seconds one worker does a batch of it."""
    waiting = lanes(query_calls_max=99)
    caller = Caller(waiting)
    caller.call("ingest", "1000", "1001", "1002", "1003")
    for _ in range(9):
        caller.call("query")
    assert "1000" not in texts(take(waiting, now_s=4.0))
    assert texts(take(waiting, now_s=6.0)) == ["1000", "1001", "1002"]
    assert "1003" not in texts(take(waiting, now_s=6.0))


steps = st.lists(
    st.sampled_from(["query", "ingest", "same", "take", "finish", "put_back", "withdraw"]), max_size=60
)


@given(steps)
@settings(max_examples=200)
def test_no_text_is_lost_doubled_or_answered_wrong(script: list[str]) -> None:
    """Whatever happens in whatever order, each caller that stays gets exactly its own answers."""
    asyncio.run(_play(script))


async def _play(script: list[str]) -> None:
    waiting, at_work = lanes(query_calls_max=99, ingest_calls_max=99), list[Batch]()
    caller, calls = Caller(waiting), list[tuple[Call, list[str]]]()
    for number, step in enumerate(script):
        if step in {"query", "ingest", "same"}:
            names = ["1000", "1001"] if step == "same" else [str(number), str(1000 + number % 2)]
            calls.append((caller.call("query" if step == "query" else "ingest", *names), names))
        elif step == "take" and (batch := take(waiting)):
            at_work.append(batch)
        elif step == "withdraw" and calls:
            call, _ = calls.pop()
            call.answer.cancel()
            waiting.withdraw(call)
        elif step == "finish" and at_work:
            answer(waiting, at_work.pop(0))
        elif step == "put_back" and at_work:
            waiting.put_back(at_work.pop(0))
        under_way = [item for batch in at_work for item in batch.items if item.wanted]
        assert len({item.encoded for item in under_way}) == len(under_way)
    while at_work or (batch := take(waiting)):
        answer(waiting, at_work.pop(0) if at_work else batch)
    for call, names in calls:
        assert await call.answer == [int(name) for name in names]
    assert waiting.queued() == {"query": 0, "ingest": 0}
    assert not waiting._known, "a text that stayed behind would swallow later callers"
    assert waiting._ingest_workers == 0
