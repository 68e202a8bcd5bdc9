"""TurboQuant codes keep the contract of every RAM index, at each number of bits."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.index import turbo
from pi_rag.index.proposer import Proposer, SnapshotUnusable
from pi_rag.index.turbo import Turbo
from tests.index.contract import DIMENSIONS, ProposerContract, filled, unit_rows


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
