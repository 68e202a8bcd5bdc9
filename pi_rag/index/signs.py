"""Sign bits in numpy: one bit a number, for machines that turbovec has no wheel for.

Many more candidates are needed than with two bits or more, and the scan is some eight times slower
(docs/decisions/0008-vectors.md); it is still far ahead of reading every vector from the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pi_rag.index.numbered import GROWTH, Numbered, loaded
from pi_rag.index.proposer import SnapshotUnusable

Bits = npt.NDArray[np.uint64]


class Signs:
    """Whether each number of a vector is above zero."""

    breadth = 32
    """1,600 proposals have 0.996 of the nearest ten of 100,000."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._words = -(-dimensions // 64)
        self._table: Bits = np.empty((0, self._words), np.uint64)
        self._numbered = Numbered()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._numbered)

    @property
    def bytes_used(self) -> int:
        """RAM of the bits and the numbers."""
        return int(self._table.nbytes) + self._numbered.bytes_used

    def add(self, ids: Sequence[int], vectors: bytes) -> None:
        """Learn passages, one row of `vectors` each."""
        bits = self._bits(vectors)
        with self._lock:
            known, count = len(self), len(self) + len(ids)
            if count > len(self._table):
                larger = np.empty((int(count * GROWTH), self._words), np.uint64)
                larger[:known] = self._table[:known]
                self._table = larger
            self._table[known:count] = bits
            self._numbered.append(ids)

    def remove(self, ids: Sequence[int]) -> None:
        """Forget passages, from the last place on."""
        with self._lock:
            for place in self._numbered.places(ids):
                self._table[place] = self._table[len(self) - 1]
                self._numbered.take_out(place)

    def propose(self, vector: bytes, count: int, within: Sequence[int] | None = None) -> list[int]:
        """The `count` passages with the fewest differing signs, best first; of equals, any."""
        asked = self._bits(vector)
        with self._lock:
            places = None if within is None else np.flatnonzero(self._numbered.mask(within))
            table = self._table[: len(self)] if places is None else self._table[places]
            differing = np.bitwise_count(table ^ asked).sum(axis=1, dtype=np.uint16)
            count = min(count, len(table))
            best = np.argpartition(differing, count - 1)[:count] if count else np.empty(0, np.intp)
            best = best[np.argsort(differing[best], kind="stable")]
            found: list[int] = self._numbered.ids[best if places is None else places[best]].tolist()
        return found

    def save(self, folder: Path) -> None:
        """Write bits and numbers."""
        with self._lock, (folder / "signs").open("wb") as file:
            np.save(file, self._table[: len(self)], allow_pickle=False)
            self._numbered.save(folder / "numbers")

    def load(self, folder: Path) -> None:
        """Become what was saved. Raises SnapshotUnusable."""
        try:
            self._table = loaded(folder / "signs", np.uint64)
            self._numbered.load(folder / "numbers")
        except (OSError, ValueError) as error:
            raise SnapshotUnusable(str(error)) from error
        if self._table.shape != (len(self), self._words):
            raise SnapshotUnusable("its signs and its numbers do not belong together")

    def _bits(self, vectors: bytes) -> Bits:
        """Shape (vectors, words): the signs of each row, packed, with zeros after the last."""
        rows = np.frombuffer(vectors, "<f4").reshape(-1, self._dimensions)
        packed = np.packbits(rows > 0, axis=1)
        padded = np.zeros((len(rows), self._words * 8), np.uint8)
        padded[:, : packed.shape[1]] = packed
        return padded.view(np.uint64)
