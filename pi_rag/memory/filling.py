"""Makes the vectors that memories wait for: those stored while the embedder was away, and after a new model.

Whoever keeps something does not wait for an embedder that is down; until its vectors are here, a memory is
found by its words. This is the only one that changes which model the vectors of memory are of. On its slow
rounds it also writes down which memories were recalled, has erased what is gone beyond its bound, and
drops the oldest lines of the audit log. It knows no guest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from pi_rag import log
from pi_rag.clock import tick_s
from pi_rag.errors import BadInput, PiRagError, VectorInvalid
from pi_rag.memory import clearing, parts
from pi_rag.memory.means import Maker, Means
from pi_rag.store import Connection
from pi_rag.store.memory import changes, vectors
from pi_rag.types import Fingerprint

LOOK_S_BETWEEN: Final = 2.0
"""How often it is looked whether any wait: a small read, and none while nobody writes."""

FAILED_S_BETWEEN: Final = 30.0
"""How long it rests when embedder or store cannot go on."""

SLOW_S_BETWEEN: Final = 60.0
"""How often what can wait is done: a card wears with each commit."""

AT_ONCE: Final = 16
"""Memories of one step, and of one write. Most are one part; a search comes in between."""

_log = log.logger("memory")


class Filling:
    """One for the life of the service."""

    def __init__(self, means: Callable[[], Means], deadline_s: float) -> None:
        """`means` gives those of now. `deadline_s` is how long the vectors of one request are waited for."""
        self._means = means
        self._deadline_s = deadline_s
        self._settled: tuple[int, Fingerprint | None] | None = None
        """After how many writes, and for which model, nothing was waiting."""
        self._refused: set[int] = set()
        """Those of which this model can make no vector; tried again with another, or at the next start."""
        self._filled = 0
        self._cleared = 0
        self._slow_s = means().clock.monotonic_s()
        """When the last slow round was."""
        self.beat: Callable[[], None] = lambda: None
        """Called by the loop to say that it works."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin."""
        self._task = asyncio.create_task(self._keep(), name="filling")
        return self._task

    async def stop(self) -> None:
        """End after the step in progress; what is not done waits in the database. Twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
            with contextlib.suppress(PiRagError):
                await self._write_uses()

    def status(self) -> dict[str, Any]:
        """What was done since the start."""
        return {"filled": self._filled, "refused": len(self._refused), "cleared": self._cleared}

    async def look(self) -> int:
        """Make the vectors of some that wait, and say of how many.

        Raises as `embed` does when the embedder cannot now, and as the store does.
        """
        means = self._means()
        maker, writes = means.maker(), means.store.writes
        if maker.made_by is None or self._settled == (writes, maker.made_by):
            return 0
        if not await means.store.read(vectors.takes, maker.made_by):
            await means.store.write(vectors.renew, maker.made_by)
            self._refused.clear()
        waiting = await means.store.read(vectors.waiting, AT_ONCE + len(self._refused))
        wanted = [each for each in waiting if each[0] not in self._refused][:AT_ONCE]
        if not wanted:
            self._settled = (writes, maker.made_by)
            return 0
        made = await self._made(maker, wanted)
        if made and means.maker().made_by == maker.made_by:
            self._filled += await means.store.write_together(_put, made, maker.made_by)
        return len(wanted)

    async def _made(self, maker: Maker, wanted: Sequence[tuple[int, str | None, str]]) -> dict[int, bytes]:
        """Their vectors; of all at once, or of each alone when one of them spoils it for all."""
        try:
            rows = await self._vectors(maker, wanted)
        except (BadInput, VectorInvalid) as error:
            if len(wanted) == 1:
                self._refused.add(wanted[0][0])
                _log.warning("memory_without_vector", item=wanted[0][0], code=error.code)
                return {}
            alone = [await self._made(maker, [each]) for each in wanted]
            return {memory_id: row for each in alone for memory_id, row in each.items()}
        return dict(zip((each[0] for each in wanted), rows, strict=True))

    async def _vectors(self, maker: Maker, wanted: Sequence[tuple[int, str | None, str]]) -> list[bytes]:
        texts = [(topic, text) for _, topic, text in wanted]
        return await parts.vectors_of(maker.embedder, texts, lane="ingest", deadline_s=self._deadline_s)

    async def _slow_round(self) -> None:
        means = self._means()
        now_s = means.clock.monotonic_s()
        if now_s - self._slow_s < SLOW_S_BETWEEN:
            return
        self._slow_s = now_s
        await self._write_uses()
        await means.store.write(changes.forget_old, means.settings.audit_max)
        self._cleared += await clearing.clear(means)
        self.beat()

    async def _write_uses(self) -> None:
        means = self._means()
        await means.learned.uses.write(means.store, means.clock.wall_s())

    async def _keep(self) -> None:
        while True:
            self.beat()
            rest_s, clock = LOOK_S_BETWEEN, self._means().clock
            try:
                await self._slow_round()
                while await self.look():
                    self.beat()
            except PiRagError as error:
                _log.warning("memory_waits", code=error.code)
                rest_s = FAILED_S_BETWEEN
            await asyncio.sleep(tick_s(clock, rest_s))


def _put(db: Connection, made: dict[int, bytes], made_by: Fingerprint) -> int:
    """Store what was made; not of what was erased or filled meanwhile, nor where another model came in."""
    if not vectors.takes(db, made_by):
        return 0
    still = vectors.still_waiting(db, list(made))
    for memory_id in still:
        vectors.add(db, memory_id, made[memory_id], made_by)
    return len(still)
