"""Promises of pi_rag/embedder/calls.py."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from pi_rag.embedder import wire
from pi_rag.embedder.calls import Batch, Call, Item, encoded, stacked, tokens_about
from pi_rag.errors import Busy, RequestTooLarge
from pi_rag.types import Lane

FRAME_BYTES = 1000


def call(texts: int = 1) -> Call:
    """Needs a running loop."""
    return Call("count", texts, "query", 0.0)


async def test_texts_answered_in_any_order_make_one_answer() -> None:
    """The last text answers the call, and the parts stand in the order of the texts."""
    asked = call(3)
    for number, part in ((2, 30), (1, 20), (0, 10)):
        assert asked.open
        asked.add(number, part)
    assert await asked.answer == [10, 20, 30]
    assert not asked.open


async def test_a_failure_comes_first_or_not_at_all() -> None:
    """An answered call cannot fail, a failed one cannot be answered, a cancelled one neither."""
    failed, answered, left = call(), call(), call()
    failed.fail(Busy("first"))
    failed.add(0, 1)
    with pytest.raises(Busy, match="first"):
        await failed.answer
    answered.add(0, 1)
    answered.fail(Busy("too late"))
    assert await answered.answer == [1]
    left.answer.cancel()
    left.fail(Busy("nobody listens"))
    left.add(0, 1)
    with pytest.raises(asyncio.CancelledError):
        await left.answer


async def test_one_text_answers_everybody_who_wants_it() -> None:
    """Each at its own place; it is wanted as long as one of them waits."""
    first, second = call(1), call(2)
    item = Item("count", b"x", 3, "query", 0.0, 1.0, callers=[(first, 0), (second, 1), (second, 0)])
    first.answer.cancel()
    assert item.wanted
    item.answer(7)
    assert await second.answer == [7, 7]
    assert not item.wanted


async def test_one_failure_is_told_to_each_as_its_own() -> None:
    """Two callers do not share one exception, which would collect two tracebacks."""
    first, second = call(), call()
    Item("count", b"x", 3, "query", 0.0, 1.0, callers=[(first, 0), (second, 0)]).fail(Busy("full"))
    assert isinstance(first.answer.exception(), Busy)
    assert first.answer.exception() is not second.answer.exception()


def test_a_batch_of_documents_yields_and_one_of_queries_does_not() -> None:
    """A person waits for the one, nobody for the other."""
    lanes: tuple[Lane, ...] = ("query", "ingest")
    asked = [wire.parsed_request(Batch("embed", lane, []).payload(1)) for lane in lanes]
    assert [each.yields for each in asked] == [False, True]


@pytest.mark.parametrize("character", ["a", "\0", "é", "汉", "😀", "\ud800", '"'])
def test_a_text_larger_than_a_frame_is_cut_or_refused(character: str) -> None:
    """Whatever its characters cost in JSON, the frame fits; counting half a text would be a lie."""
    text = character * 2000
    payload = wire.request(2**63, "embed", [encoded(text, "embed", FRAME_BYTES)])
    assert len(payload) <= FRAME_BYTES
    [kept] = wire.parsed_request(payload).texts
    assert isinstance(kept, str)
    assert text.encode("utf-8", "replace").decode().startswith(kept)
    assert kept
    with pytest.raises(RequestTooLarge):
        encoded(text, "count", FRAME_BYTES)


def test_token_ids_travel_as_they_are() -> None:
    """And too many of them are cut like text."""
    for ids in ((), (2023,), tuple(range(29_000, 30_000))):
        payload = wire.request(1, "embed", [encoded(ids, "embed", FRAME_BYTES)])
        assert len(payload) <= FRAME_BYTES
        [kept] = wire.parsed_request(payload).texts
        assert ids[: len(kept)] == kept
        assert bool(kept) == bool(ids)


def test_a_text_costs_no_more_than_the_window() -> None:
    """Token ids are counted, text is estimated."""
    assert tokens_about((1, 2, 3), "embed", 256) == 5
    assert tokens_about("a word or two", "embed", 256) == 5
    assert tokens_about("x" * 100_000, "embed", 256) == 256
    assert tokens_about("x" * 3_000, "count", 256) == 0, "counting is next to nothing"
    assert tokens_about("x" * 100_000, "count", 256) == 25


def test_no_parts_stack_to_no_rows() -> None:
    """The width is right even then."""
    assert stacked([], 8).shape == (0, 8)
    assert stacked([np.ones(8, dtype=np.float32)] * 2, 8).shape == (2, 8)
