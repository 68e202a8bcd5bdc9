"""The program around an index: what it measures is what the index did."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.child import Child, PeerFailed
from benchmarks.searching.orders import Rows, inserted_per_s, searched


class Recording:
    """An index that remembers what it was asked, and finds nothing."""

    about = "recording"

    def __init__(self) -> None:
        self.inserted: list[tuple[int, int]] = []
        self.searches = 0

    def build(self, vectors: Rows) -> None:
        raise AssertionError("nobody builds here")

    def load(self) -> None:
        raise AssertionError("nobody loads here")

    def search(self, query: Rows, k: int) -> Sequence[int]:
        self.searches += 1
        return range(k)

    def insert(self, first: int, vectors: Rows) -> None:
        self.inserted.append((first, int(vectors[0, 0])))

    def close(self) -> None:
        raise AssertionError("nobody closes here")


def numbered(folder: Path, rows: int) -> str:
    np.save(folder / "rows.npy", np.arange(rows, dtype=np.float32)[:, None])
    return str(folder / "rows.npy")


def test_batches_are_the_rows_after_those_that_were_built(tmp_path: Path) -> None:
    """A row that is inserted was not there before, and keeps its number."""
    index = Recording()
    order = {"vectors": numbered(tmp_path, 70), "from": 40, "batches": 3, "rows": 10}

    assert inserted_per_s(index, order)
    assert index.inserted == [(40, 40), (50, 50), (60, 60)]


def test_a_turn_ends_when_its_time_is_over_and_never_with_too_few(tmp_path: Path) -> None:
    """A slow index is still measured, and does not hold up the others for ever."""
    order = {"queries": numbered(tmp_path, 90), "count": 80, "k": 2, "seconds": 0}
    short, whole = Recording(), Recording()

    assert len(searched(short, order)["ms"]) == short.searches == 20
    assert searched(whole, order | {"seconds": 60})["found"] == [[0, 1]] * 80


def test_an_answer_that_does_not_come_ends_the_child() -> None:
    """A build that would take for hours is bounded."""
    child = Child([sys.executable, "-c", "import sys; sys.stdin.read()"])
    child.send({"do": "build"})
    with pytest.raises(PeerFailed, match="not done after"):
        child.answer(0.01)
    child.end()

    assert child.process.returncode == -9
