"""Other settings for the embedder while it works: a new pool follows the old one, without a gap.

Only what changes no vector can change so; the rest waits for a restart, and the log says so. It does not know
how one pool follows another.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pi_rag import log
from pi_rag.config import Settings
from pi_rag.embedder.pool import Pool
from pi_rag.errors import PiRagError
from pi_rag.service import tuning
from pi_rag.service.house import House
from pi_rag.service.meaning import maker
from pi_rag.types import ModelCard

_log = log.logger("service")


class Renewal:
    """One renewal at a time; settings that come meanwhile are the next, and only the last of them."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._wanted: Settings | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, fresh: Settings) -> None:
        """Put the embedder's part of `fresh` into force as soon as may be."""
        self._wanted = fresh
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="renewal")

    async def stop(self) -> None:
        """Leave things as they are."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while self._wanted is not None:
            fresh, self._wanted = self._wanted, None
            await renew(self._house, fresh)


async def renew(house: House, fresh: Settings) -> None:
    """Put the embedder's part of `fresh` into force, or keep what there is and say why."""
    start = await asyncio.to_thread(tuning.at_start, fresh)
    before, after = house.settings.embedder, start.settings.embedder
    if before == after:
        return
    reason = _why_not(house, start)
    if reason:
        _log.warning("embedder_kept", reason=reason)
        return
    assert house.meaning.card is not None
    pool = Pool(house.meaning.card, after, house.clock, start.curve)
    try:
        await house.meaning.renew(pool, grace_s=before.ingest_s_max)
    except PiRagError as error:
        _log.error("embedder_kept", code=error.code, reason=error.message)
        return
    house.settings = replace(house.settings, embedder=after)
    _log.info("embedder_renewed", workers=after.workers_wanted, query_workers=after.query_workers)


def _why_not(house: House, start: tuning.Start) -> str:
    """Why the service must be restarted for this; empty when it need not."""
    card = house.meaning.card
    if card is None or house.meaning.reason is not None or not isinstance(start.card, ModelCard):
        return "the model that the settings name is not there"
    if start.card.sha256 != card.sha256:
        return "another model begins at a restart"
    if maker(card, start.settings.embedder, start.curve.flash_tokens_min) != house.meaning.maker:
        return "tokens_max, texts_per_call_max and a new measurement change vectors, and begin at a restart"
    return ""
