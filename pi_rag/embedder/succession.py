"""One pool after another, without a gap: the embedder that the desks hold while the pools behind it change.

A new model, or new settings for it, is a new pool with a nursery of its own. It takes all new calls once its
first worker is ready; the one before answers those it has, so that no call is answered by two models, and
ends. It does not know why there is a new one, nor whether its vectors may be mixed with the old.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pi_rag.embedder.curve import Curve
from pi_rag.embedder.pool import Pool
from pi_rag.errors import Stopping

if TYPE_CHECKING:
    from pi_rag.types import Lane, Text, Vectors


class Succession:
    """Implements types.Embedder with the pool in office."""

    def __init__(self, first: Pool) -> None:
        self._pool = first
        self._stopped = False

    def begin(self) -> None:
        """As Pool.begin."""
        self._pool.begin()

    async def start(self) -> None:
        """As Pool.start."""
        await self._pool.start()

    async def stop(self) -> None:
        """As Pool.stop. Nobody follows afterwards."""
        self._stopped = True
        await self._pool.stop()

    async def follow(self, successor: Pool, *, grace_s: float) -> None:
        """Let `successor` take over; the old pool has `grace_s` to answer what it was asked.

        Raises as Pool.start, and Stopping; the old pool then stays in office, and nothing is left of the
        other.
        """
        try:
            await successor.start()
            if self._stopped:
                raise Stopping("The embedder was stopped before another could follow.")
        except BaseException:
            await successor.stop()
            raise
        before, self._pool = self._pool, successor
        await before.stop(grace_s=grace_s)

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        """As Pool.embed, all of it by one pool."""
        return await self._pool.embed(texts, lane=lane, deadline_s=deadline_s)

    async def count_tokens(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[int]:
        """As Pool.count_tokens."""
        return await self._pool.count_tokens(texts, lane=lane, deadline_s=deadline_s)

    async def recycle(self, pid: int) -> None:
        """As Pool.recycle."""
        await self._pool.recycle(pid)

    def hold_to(self, workers: int) -> None:
        """As Pool.hold_to; another pool must be told again."""
        self._pool.hold_to(workers)

    def rest(self, *, rest: bool) -> None:
        """As Pool.rest; another pool must be told again."""
        self._pool.rest(rest=rest)

    @property
    def curve(self) -> Curve:
        """As Pool.curve."""
        return self._pool.curve

    @curve.setter
    def curve(self, curve: Curve) -> None:
        self._pool.curve = curve

    @property
    def words(self) -> int | None:
        """As Pool.words; another pool counts anew."""
        return self._pool.words

    def status(self) -> dict[str, Any]:
        """As Pool.status."""
        return self._pool.status()
