"""Sign bits keep the contract of every RAM index."""

from __future__ import annotations

import pytest

from pi_rag.index.proposer import Proposer
from pi_rag.index.signs import Signs
from tests.index.contract import DIMENSIONS, ProposerContract, unit_rows


class TestSigns(ProposerContract):
    """One bit a number; of these short vectors that is little."""

    recall_min = 0.95

    def empty(self) -> Proposer:
        """A new one."""
        return Signs(DIMENSIONS)


@pytest.mark.parametrize("dimensions", [1, 8, 63, 65, 100])
def test_any_width_will_do(dimensions: int) -> None:
    """The last word of bits may be filled in part only."""
    index = Signs(dimensions)
    index.add([1, 2], (unit_rows(1, 1)[0][:1].repeat(dimensions) * 0 + 1).tobytes() + bytes(4 * dimensions))
    assert len(index.propose((unit_rows(1, 1)[0][:1].repeat(dimensions) * 0 + 1).tobytes(), 2)) == 2
