"""Which passage lies in which place of a packed index: places are dense, and the last one moves into a gap.

It knows no vectors. Its owner guards it against two changes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint32]
N = TypeVar("N", bound=np.generic)

GROWTH = 1.125
"""How much larger the table gets when it is full: an eighth is copied rarely and wastes little."""


class Numbered:
    """The passage's number by place."""

    def __init__(self) -> None:
        self._table: Ids = np.empty(0, np.uint32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> Ids:
        """Shape (len(self),), uint32: a view that later changes write into."""
        return self._table[: self._count]

    @property
    def bytes_used(self) -> int:
        """RAM of the table, its reserve included."""
        return int(self._table.nbytes)

    def append(self, ids: Sequence[int]) -> None:
        """Give new passages the next places."""
        count = self._count + len(ids)
        if count > len(self._table):
            larger = np.empty(int(count * GROWTH), np.uint32)
            larger[: self._count] = self.ids
            self._table = larger
        self._table[self._count : count] = ids
        self._count = count

    def places(self, ids: Sequence[int]) -> list[int]:
        """Where these passages lie, the last place first; those that are not known are left out."""
        found: list[int] = np.flatnonzero(self.mask(ids)).tolist()
        return found[::-1]

    def mask(self, ids: Sequence[int]) -> npt.NDArray[np.bool_]:
        """Shape (len(self),): which places belong to these passages."""
        return np.isin(self.ids, np.asarray(ids, np.uint32))

    def take_out(self, place: int) -> None:
        """Free a place: the last passage moves into it."""
        self._count -= 1
        self._table[place] = self._table[self._count]

    def save(self, path: Path) -> None:
        """Write the numbers."""
        with path.open("wb") as file:
            np.save(file, self.ids, allow_pickle=False)

    def load(self, path: Path) -> None:
        """Read what was saved. Raises OSError or ValueError."""
        table = loaded(path, np.uint32)
        if table.ndim != 1:
            raise ValueError("its numbers are no list")
        self._table, self._count = table, len(table)


def loaded(path: Path, kind: type[N]) -> npt.NDArray[N]:
    """The table that `numpy.save` wrote. Raises OSError, and ValueError for whatever else the file may be."""
    try:
        with path.open("rb") as file:
            return np.load(file, allow_pickle=False).astype(kind, casting="equiv")  # type: ignore[no-any-return]
    except OSError:
        raise
    except Exception as error:  # its reader of headers raises what Python's own tokenizer does, and more
        raise ValueError(f"{path.name} is no table: {error}") from error
