"""How much there is, counted once after each write, for all who tell of it: status, systemd's line, alerts.

To count a million rows again for nothing would warm the chip. Whoever tells how the service is must not fall
silent because the database does: what cannot be counted in time is not known.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from pi_rag.errors import StoreError, TryLater
from pi_rag.store import Connection, documents, job_rows
from pi_rag.store.memory import usage
from pi_rag.store.store import Store
from pi_rag.types import Counts


@dataclass(frozen=True, slots=True)
class Counted:
    """As of one moment."""

    counts: Counts
    jobs: dict[str, Any]
    """By state, and how many documents were given up."""
    remembered: dict[str, int]
    """What agents keep: facts, events, ..."""


class Tally:
    """One for the life of the service."""

    def __init__(self, store: Store, wait_s_max: float) -> None:
        self._store = store
        self._wait_s_max = wait_s_max
        self._counted: Counted | None = None
        self._as_of = -1
        """After how many writes it was counted."""
        self._counting: asyncio.Task[bool] | None = None

    async def now(self) -> Counted | None:
        """With every write that was acknowledged before; None when the database does not tell in time."""
        wanted = self._store.writes
        try:
            async with asyncio.timeout(self._wait_s_max):
                while self._as_of < wanted:
                    if not await self._count():
                        return None
        except TimeoutError:
            return None
        return self._counted

    async def _count(self) -> bool:
        """Whether it was counted. All who ask meanwhile share it: a disk that hangs holds one reader."""
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._counted_anew(), name="tally")
        return await asyncio.shield(self._counting)

    async def _counted_anew(self) -> bool:
        as_of = self._store.writes
        try:
            self._counted = await self._store.read(_count)
        except (TryLater, StoreError):
            return False
        self._as_of = as_of
        return True


def _count(db: Connection) -> Counted:
    return Counted(documents.counts(db), job_rows.tally(db), asdict(usage.totals(db)))
