"""TurboQuant codes keep the contract of every RAM index, at each number of bits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pi_rag.index import turbo
from pi_rag.index.proposer import Proposer, SnapshotUnusable
from pi_rag.index.turbo import Turbo
from tests.index.contract import DIMENSIONS, ProposerContract, filled, unit_rows
from tests.plain import plain_environ


class TestFourBits(ProposerContract):
    """Four bits a number."""

    def empty(self) -> Proposer:
        """A new one."""
        return Turbo(DIMENSIONS, 4)


class TestThreeBits(ProposerContract):
    """Three bits a number."""

    def empty(self) -> Proposer:
        """A new one."""
        return Turbo(DIMENSIONS, 3)


class TestTwoBits(ProposerContract):
    """Two bits a number."""

    def empty(self) -> Proposer:
        """A new one."""
        return Turbo(DIMENSIONS, 2)


@pytest.mark.parametrize(("dimensions", "bits"), [(DIMENSIONS, 2), (128, 4)])
def test_a_snapshot_of_another_shape_is_refused(tmp_path: Path, dimensions: int, bits: int) -> None:
    """Other bits, another width."""
    filled(Turbo(DIMENSIONS, 4), range(1, 101), unit_rows(100, 1)).save(tmp_path)
    with pytest.raises(SnapshotUnusable):
        Turbo(dimensions, bits).load(tmp_path)


def test_codes_and_numbers_of_two_times_are_refused(tmp_path: Path) -> None:
    """One would name the passages of the other."""
    index = filled(Turbo(DIMENSIONS, 4), range(1, 101), unit_rows(100, 1))
    index.save(tmp_path)
    numbers = (tmp_path / "numbers").read_bytes()
    index.remove([7])
    index.save(tmp_path)
    (tmp_path / "numbers").write_bytes(numbers)
    with pytest.raises(SnapshotUnusable, match="belong together"):
        Turbo(DIMENSIONS, 4).load(tmp_path)


@pytest.mark.parametrize(("bits", "before", "beyond"), [(2, 2, 4), (3, 1, 1), (4, 1, 1)])
def test_two_bits_take_more_proposals_in_a_crowd(
    bits: int, before: int, beyond: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They misplace more, the more passages there are."""
    monkeypatch.setattr(turbo, "CROWD", 10)
    assert filled(Turbo(DIMENSIONS, bits), range(10), unit_rows(10, 1)).breadth == before
    assert filled(Turbo(DIMENSIONS, bits), range(11), unit_rows(11, 1)).breadth == beyond


_THREADS_OF_A_SEARCH = """
import os, sys
import numpy as np
from pi_rag.index.choice import Shape, made
index = made(Shape("turbo", 2), 16, int(sys.argv[1]))
index.add([1, 2], np.eye(2, 16, dtype="<f4").tobytes())
index.propose(np.eye(1, 16, dtype="<f4").tobytes(), 1)
print(len(os.listdir("/proc/self/task")))
"""


def _threads(passages: int, by_hand: Mapping[str, str]) -> int:
    as_it_is = {name: value for name, value in plain_environ().items() if name != turbo.THREADS}
    command = [sys.executable, "-c", _THREADS_OF_A_SEARCH, str(passages)]
    done = subprocess.run(command, env={**as_it_is, **by_hand}, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_only_a_crowd_is_shared_among_cores() -> None:
    """Whoever sets turbovec's threads by hand is obeyed."""
    cores = len(os.sched_getaffinity(0))
    few = _threads(turbo.CROWD, {})
    assert _threads(turbo.CROWD + 1, {}) - few == cores - 1
    assert _threads(turbo.CROWD, {turbo.THREADS: "3"}) - few == 2
