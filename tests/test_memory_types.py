"""The words of memory, as far as they have an order."""

from __future__ import annotations

from typing import get_args

from pi_rag.memory_types import TRUSTS, Trust


def test_every_trust_has_its_place() -> None:
    """No word of trust is without a rank, and a person's word is the most trusted."""
    assert sorted(TRUSTS) == sorted(get_args(Trust))
    assert TRUSTS[-1] == "person"
