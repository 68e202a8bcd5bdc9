"""GET /v1/pulse over a house with real rooms."""

from __future__ import annotations

import httpx
import pytest

from pi_rag.alerts import Alert
from pi_rag.budget import Step
from pi_rag.service.house import House
from pi_rag.service.watchdog import Watchdog


async def pulse(guest: httpx.AsyncClient) -> dict[str, object]:
    answer = await guest.get("/v1/pulse")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_it_tells_what_a_lamp_needs(guest: httpx.AsyncClient, house: House) -> None:
    """Searches are counted, a pause is told, and the rest is as the status says it."""
    before = await pulse(guest)
    assert before == {
        "state": house.state,
        "degraded": house.degraded(),
        "alerts": [],
        "over_budget": False,
        "ingesting": False,
        "paused": False,
        "searches": 0,
    }
    await guest.post("/v1/search", json={"query": "lamp", "mode": "text"})
    await guest.post("/v1/jobs/pause")
    assert await pulse(guest) == before | {"searches": 1, "paused": True}


async def test_it_waits_for_nobody(
    guest: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the database nor for anything else that may be taken: it asks no room that could wait."""
    monkeypatch.setattr(house.store, "read", None)
    monkeypatch.setattr(house.store, "write", None)
    house.stopping = True
    assert (await pulse(guest))["state"] == "stopping"


async def test_memory_and_alerts_are_told(
    guest: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any rung of the ladder above the ground, and the names of what fires."""
    alert = Alert("disk_low", value=1.0, limit=2.0, unit="MiB", for_s=60.0)
    monkeypatch.setattr(Watchdog, "step", property(lambda _: Step.SHED))
    monkeypatch.setattr(house.alarms, "firing", lambda: [alert])
    told = await pulse(guest)
    assert (told["over_budget"], told["alerts"]) == (True, ["disk_low"])
