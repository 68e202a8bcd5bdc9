"""A job's progress is told as it goes, and the telling ends."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from pi_rag.errors import JobNotFound
from pi_rag.service import job_events
from pi_rag.service.house import House
from pi_rag.types import NewItem
from tests.service.test_routes import added


def jobs_in(stream: bytes) -> list[dict[str, object]]:
    """What each event says of the job."""
    lines = [line for line in stream.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: "))["job"] for line in lines]


async def test_a_stream_tells_every_change_and_ends_with_the_job(guest: httpx.AsyncClient) -> None:
    """The last event has what became of all."""
    assert (await guest.post("/v1/jobs/pause")).status_code == 200
    job = await added(guest, {"documents": [{"source": "a", "text": "one"}], "wait": False})
    stream = asyncio.create_task(guest.get(f"/v1/jobs/{job['id']}/events"))
    await asyncio.sleep(0)
    assert (await guest.post("/v1/jobs/resume")).status_code == 200
    answer = await asyncio.wait_for(stream, 20)
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = jobs_in(answer.content)
    assert (told[-1]["state"], told[-1]["items_done"]) == ("done", 1)
    assert len(told) == len({json.dumps(each) for each in told})


async def test_a_stream_of_no_job_is_refused(guest: httpx.AsyncClient) -> None:
    """Before it begins."""
    missing = await guest.get("/v1/jobs/999/events")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "job_not_found")


async def test_a_stream_ends_before_it_is_ended(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the job waits; and what does not move is told again, so that both sides live."""
    monkeypatch.setattr(job_events, "LOOK_S_BETWEEN", 0.01)
    monkeypatch.setattr(job_events, "STILL_S_MAX", 0.05)
    await house.runner.pause()
    job_id = await house.runner.enqueue("default", [NewItem("text", "a", payload=b"one")])
    until_s = asyncio.get_running_loop().time() + 0.5
    async with asyncio.timeout(10):
        stream = b"".join([part async for part in job_events.events(house.runner, job_id, until_s)])
    told = jobs_in(stream)
    assert len(told) > 1
    assert {each["state"] for each in told} == {"queued"}
    with pytest.raises(JobNotFound):
        _ = [part async for part in job_events.events(house.runner, 999, until_s)]
