"""POST /v1/verify: all of the database compared with itself, for `pi-rag verify` of a running service.

One reading at a time, beside the searches; who asks meanwhile for the same shares it. What is hashed is read
at a bounded pace, and the view is held no longer than a backup's.
Nothing is mended or removed.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from pi_rag.service.house import House
from pi_rag.store import inspection
from pi_rag.store.inspection import Inspection
from pi_rag.store.long_read import Reading
from pi_rag.store.rate import Rate
from pi_rag.store.view import View

KEPT_S = 5.0
"""How long an answer is kept that nobody has got: for who asks again because a request's time was up just
before it was there."""


class VerifyRequest(BaseModel):
    """How thoroughly."""

    model_config = ConfigDict(extra="forbid")

    deep: bool = False
    """Also every index against its table, and passages against their texts."""


class Verified(BaseModel):
    """What was found."""

    path: str
    problems: list[str]
    """What is not as it must be, in plain sentences."""
    schema_version: int
    counts: dict[str, int]
    model: dict[str, Any] | None
    """The fingerprint of the model that made the vectors."""
    content_hash: str | None
    """Equal where the same documents, passages, vectors and memories are; null when it cannot be read."""
    sections: dict[str, str]
    """The same, one by one."""


@dataclass
class _Looking:
    """A reading, under way or ended."""

    task: asyncio.Task[Verified]
    ended_s: float = math.inf
    is_told: bool = False
    """Whether somebody has got the answer."""


class Verifying:
    """One reading of each kind for all who ask, however often one request's time is up before it ends."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._readings: dict[bool, _Looking] = {}

    async def answer(self, *, deep: bool) -> Verified:
        """That of the reading under way, of one that has ended and nobody was told of, or of a new one."""
        looking = self._readings.get(deep)
        if looking is None or self._is_over(looking):
            looking = self._readings[deep] = _Looking(asyncio.create_task(self._read(deep), name="verify"))
        found = await asyncio.shield(looking.task)
        looking.is_told = True
        return found

    def _is_over(self, looking: _Looking) -> bool:
        return looking.task.done() and (
            looking.is_told or self._house.clock.monotonic_s() - looking.ended_s > KEPT_S
        )

    async def _read(self, deep: bool) -> Verified:
        house = self._house
        seen = Inspection(house.settings.database_path, is_deep=deep)
        try:
            # Damage may show as soon as the file is opened, before anything is looked at.
            with inspection.damage_told(seen):
                await house.store.aside(self._examined, seen)
        finally:
            self._readings[deep].ended_s = house.clock.monotonic_s()
        return shown(seen)

    def _examined(self, reading: Reading, seen: Inspection) -> None:
        house, settings = self._house, self._house.settings.backup
        rate = Rate(settings.mib_s_max, house.clock, reading.rest)
        view = View(settings, house.clock, lambda: house.store.wal_bytes)

        def pause(spent: int) -> None:
            view.expect_in_time()
            rate(spent)

        inspection.examine(reading.db, seen, pause)


def shown(seen: Inspection) -> Verified:
    """As the interface has it."""
    return Verified(
        path=str(seen.path),
        problems=seen.problems,
        schema_version=seen.schema or 0,
        counts=seen.counts,
        model=None if seen.model is None else asdict(seen.model),
        content_hash=None if seen.digest is None else seen.digest.content,
        sections={} if seen.digest is None else dict(seen.digest.sections),
    )


def mount(api: APIRouter, house: House) -> None:
    """Over one house."""
    administrators = [Depends(house.administration.required)]
    verifying = Verifying(house)

    @api.post("/v1/verify", summary="Compare all that is kept with itself", dependencies=administrators)
    async def verify(request: VerifyRequest) -> Verified:
        """Reads the whole database. Who asks meanwhile shares the reading."""
        return await verifying.answer(deep=request.deep)
