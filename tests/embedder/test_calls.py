"""Promises of pi_rag/embedder/calls.py."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.embedder import wire
from pi_rag.embedder.calls import Bounds, Call, cut, joined_vectors
from pi_rag.errors import Busy, RequestTooLarge

BOUNDS = Bounds(texts_max=4, bytes_wanted=100, bytes_max=1000)


@given(st.lists(st.binary(max_size=300), max_size=50))
def test_pieces_hold_every_text_in_order_within_bounds(encoded: list[bytes]) -> None:
    """A piece over the size that is wanted holds one text only."""
    pieces = cut(encoded, BOUNDS)
    assert [text for piece in pieces for text in piece] == encoded
    for piece in pieces:
        assert 1 <= len(piece) <= BOUNDS.texts_max
        assert len(piece) == 1 or sum(map(len, piece)) <= BOUNDS.bytes_wanted


async def test_pieces_answered_in_any_order_make_one_answer() -> None:
    """The last piece answers the call, and the parts stand in the order of the texts."""
    call = Call("count", ["a", "b", "c"], "query", 0.0, Bounds(1, 100, 1000))
    for piece, part in zip(reversed(call.pieces), ([3], [2], [1]), strict=True):
        assert call.open
        call.add(piece, part)
    assert await call.answer == [[1], [2], [3]]
    assert not call.open


async def test_a_failure_comes_first_or_not_at_all() -> None:
    """An answered call cannot fail, a failed one cannot be answered, a cancelled one neither."""
    failed, answered, left = (Call("count", ["a"], "query", 0.0, BOUNDS) for _ in range(3))
    failed.fail(Busy("first"))
    failed.add(failed.pieces[0], [1])
    with pytest.raises(Busy, match="first"):
        await failed.answer
    answered.add(answered.pieces[0], [1])
    answered.fail(Busy("too late"))
    assert await answered.answer == [[1]]
    left.answer.cancel()
    left.fail(Busy("nobody listens"))
    left.add(left.pieces[0], [1])
    with pytest.raises(asyncio.CancelledError):
        await left.answer


@pytest.mark.parametrize("character", ["a", "\0", "é", "汉", "😀", "\ud800", '"'])
async def test_a_text_larger_than_a_frame_is_cut_or_refused(character: str) -> None:
    """Whatever its characters cost in JSON, the frame fits; counting half a text would be a lie."""
    text = character * 2000
    [piece] = Call("embed", [text], "ingest", 0.0, BOUNDS).pieces
    payload = piece.payload(2**63)
    assert len(payload) <= BOUNDS.bytes_max
    [kept] = wire.parsed_request(payload).texts
    assert text.encode("utf-8", "replace").decode().startswith(kept)
    assert kept
    with pytest.raises(RequestTooLarge):
        Call("count", [text], "ingest", 0.0, BOUNDS)


def test_no_parts_join_to_no_rows() -> None:
    """The width is right even then."""
    assert joined_vectors([], 8).shape == (0, 8)
    one = np.ones((2, 8), dtype=np.float32)
    assert joined_vectors([one, one], 8).shape == (4, 8)
