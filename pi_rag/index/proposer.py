"""What every kind of RAM index can do, and no more: it proposes, and never decides.

All kinds pass `tests/index/contract.py`. Passages are known by their numbers, from 1 to 2**32 - 1; vectors
are rows of float32, little-endian, of unit length.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

BYTES_PER_FLOAT = 4


class Proposer(Protocol):
    """Used by several threads at once: many that ask, one that changes it."""

    @property
    def breadth(self) -> int:
        """How many times as many extra proposals it takes as with an index that is nearly exact."""
        ...

    def __len__(self) -> int:
        """How many passages it knows."""
        ...

    @property
    def bytes_used(self) -> int:
        """RAM of what it holds, as far as it can tell."""
        ...

    def add(self, ids: Sequence[int], vectors: bytes) -> None:
        """Learn passages, one row of `vectors` each. None of them may be known already."""
        ...

    def remove(self, ids: Sequence[int]) -> None:
        """Forget passages. Those that are not known are passed over."""
        ...

    def propose(self, vector: bytes, count: int, within: Sequence[int] | None = None) -> list[int]:
        """Up to `count` passages that seem nearest, best first; only those of `within` when it is given."""
        ...

    def save(self, folder: Path) -> None:
        """Write files into `folder`, which is the caller's to make and to verify."""
        ...

    def load(self, folder: Path) -> None:
        """Become what was saved there. Raises SnapshotUnusable."""
        ...


class SnapshotUnusable(Exception):
    """A saved index cannot be read: it is torn, or of another version."""
