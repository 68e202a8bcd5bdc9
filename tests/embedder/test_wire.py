"""Promises of pi_rag/embedder/wire.py."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.embedder import wire
from pi_rag.embedder.vectors import normalised
from pi_rag.errors import Busy, PiRagError, VectorInvalid

DIMENSIONS = 4

texts = st.lists(st.text(st.characters(codec=None)), max_size=5)


def rows(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Some unit rows."""
    return normalised(np.random.default_rng(2).standard_normal((count, DIMENSIONS)).astype(np.float32))


@given(texts, st.booleans())
def test_a_request_arrives_as_it_was_sent(given: list[str], yields: bool) -> None:
    """Any texts, with NUL, quotes and lone surrogates; these alone become a question mark."""
    payload = wire.request(2**64 - 1, "count", [wire.encoded_text(text) for text in given], yields=yields)
    asked = wire.parsed_request(payload)
    assert (asked.id, asked.task, asked.yields) == (2**64 - 1, "count", yields)
    assert asked.texts == [text.encode("utf-8", "replace").decode() for text in given]
    assert len(payload) <= wire.REQUEST_OVERHEAD_BYTES + sum(len(wire.encoded_text(t)) + 1 for t in given)


@given(st.integers(0, 2**64 - 1), st.integers(0, 5))
def test_vectors_and_counts_arrive_as_they_were_sent(request_id: int, count: int) -> None:
    """Bit by bit, under any request id."""
    sent = rows(count)
    got = wire.parsed_vectors(wire.vectors_answer(request_id, sent), request_id, count, DIMENSIONS)
    assert np.array_equal(got, sent)
    counts = list(range(count))
    assert wire.parsed_counts(wire.counts_answer(request_id, counts), request_id, count) == counts


@given(st.data())
def test_an_answer_cut_anywhere_is_refused(data: st.DataObject) -> None:
    """No prefix of an answer passes for one."""
    whole = wire.vectors_answer(7, rows(2))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(VectorInvalid):
        wire.parsed_vectors(whole[:cut], 7, 2, DIMENSIONS)


@given(st.binary(max_size=100))
def test_garbage_is_refused_by_name(payload: bytes) -> None:
    """Random bytes are refused with an error of ours, never with another."""
    for parse in (
        lambda: wire.parsed_vectors(payload, 7, 2, DIMENSIONS),
        lambda: wire.parsed_counts(payload, 7, 2),
        lambda: wire.parsed_hello(payload),
    ):
        with contextlib.suppress(PiRagError):
            parse()


def test_anothers_answer_is_refused() -> None:
    """The right shape under the wrong id is still wrong."""
    with pytest.raises(VectorInvalid, match="request 8"):
        wire.parsed_vectors(wire.vectors_answer(8, rows(2)), 7, 2, DIMENSIONS)


def test_a_workers_error_is_raised_as_itself() -> None:
    """Code, message and patience survive the way."""
    payload = wire.error_answer(7, Busy("Not now.", retry_after_ms=50))
    with pytest.raises(Busy, match="Not now") as caught:
        wire.parsed_counts(payload, 7, 1)
    assert caught.value.retry_after_ms == 50


def test_a_hello_names_its_worker() -> None:
    """The pid comes back; anything else is refused."""
    assert wire.parsed_hello(wire.hello(1234)) == 1234
    for odd in (b"", b"[]", b'{"pid": null}', b'{"id": 3}', b"[" * 100_000, b'{"pid": 1e999}'):
        with pytest.raises(VectorInvalid):
            wire.parsed_hello(odd)


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 10**30])
def test_a_hello_cannot_name_what_is_no_process(pid: int) -> None:
    """To the kernel 0 and -1 are many processes, and what is named here is killed when it is silent."""
    with pytest.raises(VectorInvalid):
        wire.parsed_hello(wire.hello(pid))


def test_an_error_nested_too_deep_is_an_unreadable_one() -> None:
    """Whoever waits for the answer gets an error of ours, and the pool goes on."""
    with pytest.raises(VectorInvalid):
        wire.parsed_counts(wire.counts_answer(7, [])[:9].replace(b"c", b"e", 1) + b"[" * 100_000, 7, 1)
