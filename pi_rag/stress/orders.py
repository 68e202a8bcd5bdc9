"""Faults that are called for by files: the name is the fault, the text how much of it. See `injecting`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

LOOK_S = 0.05
"""How soon an order is heard, and how often a leak takes some more."""


class Orders:
    """What is called for, as of the last look into the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._amounts: dict[str, float] = {}

    def look(self) -> None:
        """See which there are."""
        found: dict[str, float] = {}
        for path in self._folder.glob("*.order"):
            try:
                found[path.stem] = float(path.read_text(encoding="ascii"))
            except (OSError, ValueError):
                continue  # it has just been taken back
        self._amounts = found

    def amount(self, fault: str) -> float:
        """How much of it is called for; 0 when it is not."""
        return self._amounts.get(fault, 0.0)

    def give(self, amounts: Mapping[str, float]) -> None:
        """Call for these, each whole at once."""
        self._folder.mkdir(exist_ok=True)
        for fault, amount in amounts.items():
            written = self._folder / f"{fault}.new"
            written.write_text(f"{amount}", encoding="ascii")
            written.rename(self._folder / f"{fault}.order")

    def take_back(self) -> None:
        """Call for nothing any more."""
        for path in self._folder.glob("*"):
            path.unlink()

    def taker(self, fault: str, pid: int) -> int:
        """Of several that hear an order the one that takes it: the first to say so."""
        claim = self._folder / f"{fault}.taken"
        try:
            with claim.open("x", encoding="ascii") as file:
                file.write(str(pid))
            return pid
        except FileExistsError:
            return int(claim.read_text(encoding="ascii") or 0)


def orders() -> Orders:
    """Of the service whose data PI_RAG_DATA names: the folder beside it."""
    return Orders(Path(os.environ["PI_RAG_DATA"]).parent / "orders")
