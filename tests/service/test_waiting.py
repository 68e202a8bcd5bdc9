"""Waiting for a job, and when it ends early."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from starlette.requests import Request

from pi_rag.errors import EmbedderUnavailable
from pi_rag.service.house import House
from pi_rag.service.waiting import waited
from pi_rag.types import NewItem
from tests.embedder.fake import FakeEmbedder


async def test_nobody_waits_for_a_guest_who_hung_up(house: House, embedder: FakeEmbedder) -> None:
    """Its place is free at once; the job goes on without it."""
    embedder.broken = EmbedderUnavailable("none")
    hung_up = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await hung_up.wait()
        return {"type": "http.disconnect"}

    job_id = await house.runner.enqueue("default", [NewItem("text", "a", payload=b"a lamp")])
    waiting = asyncio.create_task(
        waited(house, job_id, Request({"type": "http", "state": {"wait_until_s": math.inf}}, receive))
    )
    while house.waiting._value == house.settings.service.waiting_max:
        await asyncio.sleep(0.001)
    hung_up.set()
    job = await asyncio.wait_for(waiting, 5)
    embedder.broken = None
    done = await asyncio.wait_for(house.runner.finished(job_id), 10)

    assert job.state in {"queued", "running"}
    assert house.waiting._value == house.settings.service.waiting_max
    assert done.items_done == 1
