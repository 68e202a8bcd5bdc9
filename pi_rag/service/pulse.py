"""GET /v1/pulse: how the service is in a few words, for what asks every second, such as a lamp.

All of it is in memory already: no database is read, no process is measured, nothing waits.
"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from pi_rag.budget import Step
from pi_rag.service.house import House
from pi_rag.types import Degraded


class Pulse(BaseModel):
    """What a lamp needs to know."""

    state: str = Field(description="As in /v1/status.")
    degraded: list[Degraded]
    alerts: list[str] = Field(description="The names of those that fire.")
    over_budget: bool = Field(description="Memory is being won back, in whatever way.")
    ingesting: bool = Field(description="A document is in hand.")
    paused: bool = Field(description="Nothing more is begun until a person says so.")
    searches: int = Field(description="How many were asked since the start.")


def mount(api: APIRouter, house: House) -> None:
    """The one route."""

    @api.get("/v1/pulse", summary="How the service is, in a few words")
    async def pulse() -> Pulse:
        """From memory alone, so that it can be asked every second."""
        return taken(house)


def taken(house: House) -> Pulse:
    """It, as it is now."""
    ingest = house.runner.status()
    return Pulse(
        state=house.state,
        degraded=house.degraded(),
        alerts=[each.name for each in house.alarms.firing()],
        over_budget=house.watchdog.step > Step.NORMAL,
        ingesting=bool(ingest["current"]),
        paused=ingest["waiting_for"] in {"paused", "safe_mode"},
        searches=house.results.status()["asked"],
    )
