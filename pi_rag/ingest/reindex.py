"""Embedding all passages again, with another model, into the second index.

It goes by the passages as they are: each is embedded with its title and headings, as when its document came.
Documents with a passage that the new model does not see to its end are noted, to be cut anew when that model
is in use. Where only the chunker is another, all are, and the vectors that are there serve again. It does not
know when the second index takes the place of the first, nor who embeds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.ingest.cutting import Cutter
from pi_rag.store import documents, identity, reindex
from pi_rag.store.reindex import Made, Waiting
from pi_rag.store.store import Store
from pi_rag.types import Embedder, Fingerprint

PASSAGES_AT_ONCE = 128
"""Passages that are embedded before they are written: so many are begun again after a power cut."""

RATE_WINDOW_S = 60.0
"""The rate shown is the mean of this long."""


class Reindexer:
    """Fills the second index of one model. It keeps nothing that the database does not."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        order: reindex.Reindex,
        settings: Settings,
        clock: Clock,
        *,
        tokens_max: int,
    ) -> None:
        self._store = store
        self._dimensions = order.wanted.dimensions
        self._cutter = Cutter(embedder, settings, tokens_max, self._known_vectors)
        self._cut_all = order.before is not None and _other_cuts(order.before, order.wanted)
        same = order.before is not None and identity.comparable(order.before, order.wanted)
        self._known = documents.known_vectors if same else reindex.known_vectors
        self._clock = clock
        self._in_hand = 0
        self._done = 0
        self._rates: deque[tuple[float, int]] = deque()

    @property
    def done(self) -> int:
        """How many passages have their vector, those included that are not written yet."""
        return self._done + self._in_hand

    @property
    def rate_s(self) -> float:
        """Passages a second, over the last RATE_WINDOW_S; 0 while nothing can be said."""
        self._forget_old_rates()
        if len(self._rates) < 2:
            return 0.0
        # The first only says when the counting began.
        counted = sum(count for _, count in self._rates) - self._rates[0][1]
        return counted / max(1e-3, self._rates[-1][0] - self._rates[0][0])

    async def fill(self) -> None:
        """Until every passage has its vector. What is done is kept, whatever is raised.

        Raises TryLater and StoreError kinds, VectorInvalid, TextNotEmbedded.
        """
        self._in_hand = 0
        self._done = await self._store.read(reindex.done)
        while found := await self._store.read(reindex.waiting, PASSAGES_AT_ONCE):
            made = await self._made(found)
            await self._store.write(reindex.put, made, self._dimensions)
            self._done, self._in_hand = self._done + len(found), 0

    async def _made(self, found: Sequence[Waiting]) -> Made:
        """Vectors of passages of one or many documents."""
        texts: list[str] = []
        for _, group in groupby(found, attrgetter("document_id")):
            of_one = list(group)
            texts += await self._cutter.texts(of_one[0].title, [each.chunk for each in of_one])
        fitting = await self._cutter.fitting(texts)
        embedded = await self._cutter.embed_texts(texts, self._note)
        return Made(
            [each.chunk_id for each in found],
            embedded.vectors,
            embedded.text_hashes,
            [
                each.document_id
                for each, fits in zip(found, fitting, strict=True)
                if self._cut_all or not fits
            ],
        )

    async def _known_vectors(self, text_hashes: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return await self._store.read(self._known, text_hashes)

    def _note(self, count: int) -> None:
        self._in_hand += count
        self._rates.append((self._clock.monotonic_s(), count))
        self._forget_old_rates()

    def _forget_old_rates(self) -> None:
        now_s = self._clock.monotonic_s()
        while self._rates and self._rates[0][0] < now_s - RATE_WINDOW_S:
            self._rates.popleft()


def _other_cuts(before: Fingerprint, wanted: Fingerprint) -> bool:
    return before.chunker_version != wanted.chunker_version
