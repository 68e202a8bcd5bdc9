"""The whole upkeep at once, as the timer of every night asks for it: do what is due, then read everything.

By itself the service reads all of its database never, since nobody wants to wait for that; at night nobody
does. It finds what a card has lost before a search meets it. Nothing is mended or removed.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from pi_rag import log
from pi_rag.errors import ModelError
from pi_rag.models.shelf import Shelf
from pi_rag.service.house import House

_log = log.logger("upkeep")


KEPT_S = 5.0
"""How long an answer is kept: for who asks again because a request's time was up just before it was there."""


class LookedOver(BaseModel):
    """What the whole upkeep did and found."""

    done: list[str]
    """What was due, in order: plan, merge, give_back, empty_log (docs/decisions/upkeep.md)."""
    problems: list[str]
    """What is not as it must be, in plain sentences."""
    took_s: float


class LookingOver:
    """One reading for all who ask, however often one request's time is up before it ends."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._reading: asyncio.Task[LookedOver] | None = None
        self._ended_s = 0.0

    async def answer(self) -> LookedOver:
        """That of the reading under way, of one that has just ended, or of a new one."""
        if self._reading is None or (self._reading.done() and self._age_s() > KEPT_S):
            self._reading = asyncio.create_task(self._read(), name="look over")
        return await asyncio.shield(self._reading)

    def _age_s(self) -> float:
        return self._house.clock.monotonic_s() - self._ended_s

    async def _read(self) -> LookedOver:
        house = self._house
        begun_s = house.clock.monotonic_s()
        try:
            done = await house.upkeep.now()
            problems = [*await house.problems(), *await asyncio.to_thread(_of_the_model, house)]
        finally:
            self._ended_s = house.clock.monotonic_s()
        took_s = round(self._ended_s - begun_s, 3)
        tell = _log.error if problems else _log.info
        tell("looked_over", done=",".join(done), problems=len(problems), took_s=took_s)
        return LookedOver(done=list(done), problems=problems, took_s=took_s)


def mount(api: APIRouter, house: House) -> None:
    """Over one house."""
    administrators = [Depends(house.administration.required)]
    looking_over = LookingOver(house)

    @api.post("/v1/upkeep", summary="Do what is due and look all over", dependencies=administrators)
    async def look_over() -> LookedOver:
        """Reads the whole database and the model's file. Who asks meanwhile shares the reading."""
        return await looking_over.answer()


def _of_the_model(house: House) -> list[str]:
    """Whether the file of the model in use is what was installed: a card may lie about what it holds."""
    if house.meaning.card is None:
        return []
    try:
        Shelf(house.settings.models_path).verify(house.meaning.card)
    except ModelError as error:
        return [f"{error.message} {error.hint}"]
    return []
