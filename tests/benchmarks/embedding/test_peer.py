"""The peers' program: what it does around a library is right, and a library's failure is an answer."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.child import Child, PeerFailed
from benchmarks.embedding import peer

PEER = [sys.executable, peer.__file__]


@given(st.lists(st.text("ab", max_size=9), min_size=1, max_size=20), st.integers(1, 7))
def test_batches_keep_the_order_of_their_texts(texts: list[str], size: int) -> None:
    """Sorting by length is the peer's own affair."""
    sizes = []

    def embed(batch: list[str]) -> np.ndarray:
        sizes.append(len(batch))
        return np.array([[len(text)] for text in batch])

    rows = peer.in_batches(embed, texts, size)  # type: ignore[arg-type]

    assert rows[:, 0].tolist() == [len(text) for text in texts]
    assert max(sizes) <= size


def test_padding_is_no_part_of_a_mean() -> None:
    """A short text beside a long one has the vector that it has alone."""
    output = np.array([[[1.0], [3.0], [100.0]], [[1.0], [2.0], [6.0]]])
    mask = np.array([[1, 1, 0], [1, 1, 1]])

    assert peer.pooled(output, mask, "mean").tolist() == [[2.0], [3.0]]
    assert peer.pooled(output, mask, "cls").tolist() == [[1.0], [1.0]]
    assert peer.pooled(output[:, 0], mask, "mean").tolist() == [[1.0], [1.0]]


def test_a_rate_counts_whole_lists() -> None:
    """However slow a peer is, it has embedded every text as often as any other."""
    found = peer.rate(lambda texts: texts, ["one", "two", "three"], 0)

    assert found["texts"] == 3
    assert found["seconds"] > 0


def test_a_library_that_fails_is_an_answer_and_the_next_order_is_heard() -> None:
    """The table can say why a row is empty."""
    child = Child(PEER)
    try:
        for _ in range(2):
            child.send({"do": "open", "kind": "onnx", "threads": 1, "path": "/nowhere"})
            with pytest.raises(PeerFailed, match="onnxruntime"):
                child.answer()
    finally:
        child.end()


def test_a_program_that_ends_is_told_from_one_that_fails() -> None:
    """A crash of a library does not end the benchmark."""
    child = Child([sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit(3)"])
    try:
        child.send({"do": "open"})
        with pytest.raises(PeerFailed, match="ended with 3"):
            child.answer()
    finally:
        child.end()
