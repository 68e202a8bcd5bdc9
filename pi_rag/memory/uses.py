"""How often memories were recalled, gathered in RAM and written now and then: a card wears with each commit.

What was not written when the power went is lost; nothing depends on it but a little of the ranking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pi_rag.store.memory import memories
from pi_rag.store.store import Store


class Uses:
    """One for the life of the service."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def note(self, ids: Iterable[int]) -> None:
        """These were recalled."""
        self._counts.update(ids)

    async def write(self, store: Store, now: float) -> None:
        """Write what was gathered; nothing where there is nothing. Raises as `Store.write` does."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await store.write_together(memories.used, counts, now)
        except BaseException:
            self._counts.update(counts)
            raise
