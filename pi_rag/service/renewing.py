"""Other settings for the embedder while it works: a new pool follows the old one, without a gap.

Only what changes no vector can change so; the rest waits for a restart, and the log says so. It does not know
how one pool follows another.
"""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace

from pi_rag import log
from pi_rag.config import EmbedderSettings, Settings
from pi_rag.embedder.pool import Pool
from pi_rag.errors import PiRagError
from pi_rag.service import tuning
from pi_rag.service.house import House
from pi_rag.service.meaning import fingerprint, maker
from pi_rag.types import ModelCard

NOT_THE_POOLS = frozenset({"query_s_max", "ingest_s_max", "tune_at_start", "tune_s_max", "tune_wait_s_max"})
"""Settings of the embedder that others than its pool go by."""

_log = log.logger("service")


class Renewal:
    """One renewal at a time; settings that come meanwhile are the next, and only the last of them."""

    def __init__(self, house: House, start: tuning.Start) -> None:
        """`start` is how the embedder in office began."""
        self._house = house
        self._start = start
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
            try:
                await self._renew(fresh)
            except PiRagError as error:
                _log.error("embedder_kept", code=error.code, reason=error.message)
            except Exception:
                # What is in office works; a fault of ours in changing it must not end the service.
                _log.exception("renewal_fault")

    async def _renew(self, fresh: Settings) -> None:
        """Put the embedder's part of `fresh` into force, or keep what there is and say why."""
        if fresh.embedder == self._start.as_set.embedder:
            return
        office = self._house.meaning.card
        chosen = await asyncio.to_thread(tuning.at_start, fresh)
        start = tuning.kept_to(fingerprint(office) if office else None, chosen)
        flash = self._house.meaning.flash_tokens_min
        reason = _why_not(self._house, self._start, start, flash)
        if reason:
            _log.warning("embedder_kept", reason=reason)
            return
        card, after = self._house.meaning.card, start.settings.embedder
        assert card is not None
        pool = Pool(card, after, self._house.clock, start.curve, flash_tokens_min=flash)
        await self._house.meaning.renew(pool, grace_s=after.ingest_s_max)
        self._house.settings = replace(self._house.settings, embedder=after)
        self._start = replace(start, curve=self._start.curve)
        _log.info("embedder_renewed", workers=after.workers_wanted, query_workers=after.query_workers)


def _why_not(house: House, before: tuning.Start, start: tuning.Start, flash: int) -> str:
    """Why the service must be restarted for this; empty when it need not."""
    card = house.meaning.card
    changed = _changed(before.as_set.embedder, start.as_set.embedder)
    if card is None or house.meaning.reason is not None or not isinstance(start.card, ModelCard):
        return "the model that the settings name is not there"
    if start.card.sha256 != card.sha256:
        return "another model begins with: pi-rag reindex"
    if maker(card, start.settings.embedder, flash) != house.meaning.maker:
        return f"these settings change vectors, and begin at a restart: {', '.join(changed)}"
    if not set(changed) - NOT_THE_POOLS:
        return f"these settings begin at a restart: {', '.join(changed)}"
    return ""


def _changed(before: EmbedderSettings, after: EmbedderSettings) -> list[str]:
    return [each.name for each in fields(before) if getattr(before, each.name) != getattr(after, each.name)]
