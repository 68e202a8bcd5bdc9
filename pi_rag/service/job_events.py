"""A job's progress as server-sent events: what EventSource in a browser and `curl -N` read.

One event each time that something has moved, no more often than people can read, and the last one when the
job has ended. A stream ends before the gate would end it; EventSource then asks again by itself. It knows the
runner, and no web framework.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict

from pi_rag.ingest.runner import Runner

LOOK_S_BETWEEN = 0.5
"""Between two looks at the job: as often as an eye follows a number. What was not taken comes at the end."""

STILL_S_MAX = 10.0
"""Something is sent at least so often, so that neither side takes a slow document for a dead connection."""

AGAIN_MS = 1000
"""After so long a browser asks again when a stream has ended."""


async def events(runner: Runner, job_id: int, until_s: float) -> AsyncIterator[bytes]:
    """The job as it stands, then whenever it has changed, until it has ended or the loop's time is `until_s`.

    Raises JobNotFound at the first event, StoreBusy.
    """
    loop = asyncio.get_running_loop()
    told, told_s = "", 0.0
    yield f"retry: {AGAIN_MS}\n\n".encode()
    while True:
        job = await runner.job(job_id, brief=True)
        if job.finished_at is not None:
            job = await runner.job(job_id)
        status = runner.status()
        shown = {
            "job": asdict(job),
            "rate_chunks_s": status["rate_chunks_s"],
            "waiting_for": status["waiting_for"],
        }
        if (text := json.dumps(shown)) != told or loop.time() - told_s >= STILL_S_MAX:
            told, told_s = text, loop.time()
            yield f"event: job\ndata: {text}\n\n".encode()
        if job.finished_at is not None or runner.is_stopping or loop.time() + LOOK_S_BETWEEN >= until_s:
            return
        await asyncio.sleep(LOOK_S_BETWEEN)
