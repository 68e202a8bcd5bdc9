"""Waiting for a job on behalf of a guest, for as long as that serves anybody.

The job is durable and goes on by itself, so nothing is lost by an end of the wait: not by a guest who hung
up, not by one who would have to wait too long, not by too many of them.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from pi_rag.service.house import House
from pi_rag.types import JobRow


async def waited(house: House, job_id: int, connection: Request) -> JobRow:
    """The job when it is done, or as it stands when the wait had to end: at the latest when the gate says.

    Raises Stopping.
    """
    if house.waiting.locked():
        return await house.runner.job(job_id)
    async with house.waiting:
        done = asyncio.ensure_future(house.runner.finished(job_id))
        gone = asyncio.ensure_future(hung_up(connection))
        try:
            seconds = max(0.0, connection.state.wait_until_s - asyncio.get_running_loop().time())
            await asyncio.wait({done, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            finished = done.done()
            done.cancel()
    return done.result() if finished else await house.runner.job(job_id)


async def hung_up(connection: Request) -> None:
    """Until the guest's side of the connection is closed."""
    while (await connection.receive())["type"] != "http.disconnect":
        pass
