"""TurboQuant codes of turbovec: two to four bits a number, searched with the processor's wide registers.

Zandieh, Daliri, Hadian and Mirrokni, "TurboQuant: Online Vector Quantization with Near-optimal Distortion
Rate", 2025. This is the only file that knows turbovec.

turbovec's own index with ids holds a hash table beside the codes, a quarter of their size; here a plain table
of numbers by place does the same. A removal moves the last place into the gap, so a search that ran across a
removal could read a number that was just moved: such a search is seen by its version and done again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from turbovec import TurboQuantIndex

from pi_rag.index.numbered import Numbered
from pi_rag.index.proposer import SnapshotUnusable

CROWD = 200_000
"""Beyond it 2 bits take more proposals: 100 have all of the nearest ten of 100,000 passages, and 0.9945 of
a million's, where 200 have 0.9995."""

TRIES = 3
"""Searches across a change before one that holds changes up."""

THREADS = "RAYON_NUM_THREADS"
"""Turbovec's own setting, read when the process first uses an index."""


def share_among_cores(passages: int) -> None:
    """A crowd of passages is shared among all cores, unless the person has said otherwise.

    Of fewer, one core is as fast, and in a crowd of searches the threads that would share them take a
    twelfth of the processor's time to look for work. Of a process the first word counts.
    """
    os.environ.setdefault(THREADS, "0" if passages > CROWD else "1")


class Turbo:
    """Codes of `bits` bits a number: 2, 3 or 4."""

    def __init__(self, dimensions: int, bits: int) -> None:
        self._dimensions = dimensions
        self._bits = bits
        self._codes = TurboQuantIndex(dim=dimensions, bit_width=bits)
        self._numbered = Numbered()
        self._lock = threading.Lock()
        self._version = 0
        """Odd while a change is under way."""

    def __len__(self) -> int:
        return len(self._numbered)

    @property
    def breadth(self) -> int:
        """2 bits misplace more, the more passages there are."""
        if self._bits > 2:
            return 1
        return 4 if len(self) > CROWD else 2

    @property
    def bytes_used(self) -> int:
        """RAM of the codes, one scale a passage, and the numbers."""
        return len(self) * (self._dimensions * self._bits // 8 + 4) + self._numbered.bytes_used

    def add(self, ids: Sequence[int], vectors: bytes) -> None:
        """Learn passages, one row of `vectors` each."""
        rows = np.frombuffer(vectors, "<f4").reshape(len(ids), self._dimensions)
        if len(ids):
            with self._changing():
                self._codes.add(rows)
                self._numbered.append(ids)

    def remove(self, ids: Sequence[int]) -> None:
        """Forget passages, from the last place on, so that no place still to be freed is moved."""
        with self._changing():
            for place in self._numbered.places(ids):
                self._codes.swap_remove(place)
                self._numbered.take_out(place)

    def propose(self, vector: bytes, count: int, within: Sequence[int] | None = None) -> list[int]:
        """Up to `count` passages that seem nearest, best first."""
        query = np.frombuffer(vector, "<f4").reshape(1, self._dimensions)
        if within is None:
            for _ in range(TRIES):
                before = self._version
                found = self._look(query, count) if before % 2 == 0 else []
                if before % 2 == 0 and before == self._version:
                    return found
        with self._lock:
            return self._look(query, count, None if within is None else self._numbered.mask(within))

    def save(self, folder: Path) -> None:
        """Write codes and numbers. Of codes that were saved there before, only the changes are written."""
        with self._lock:
            self._codes.sync(str(folder / "codes"))
            self._numbered.save(folder / "numbers")

    def load(self, folder: Path) -> None:
        """Become what was saved. Raises SnapshotUnusable."""
        try:
            self._codes = TurboQuantIndex.load(str(folder / "codes"))
            self._numbered.load(folder / "numbers")
        except (OSError, ValueError, EOFError) as error:
            raise SnapshotUnusable(str(error)) from error
        if self._shape() != (len(self._numbered), self._dimensions, self._bits):
            raise SnapshotUnusable("its codes and its numbers do not belong together")

    def _shape(self) -> tuple[int, int | None, int]:
        codes = self._codes
        return len(codes), codes.dim or self._dimensions, codes.bit_width

    def _look(
        self,
        query: npt.NDArray[np.float32],
        count: int,
        mask: npt.NDArray[np.bool_] | None = None,
    ) -> list[int]:
        count = min(count, len(self) if mask is None else int(mask.sum()))
        if not count:
            return []
        _, places = self._codes.search(query, count, mask=mask)
        # A place beyond the table was freed during the search, which is then done again.
        known = self._numbered.ids
        return [int(known[place]) for place in places[0].tolist() if place < len(known)]

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            self._version += 1
            try:
                yield
            finally:
                self._version += 1
