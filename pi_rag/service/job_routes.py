"""The addresses under which jobs are seen and steered. What becomes of them is decided by the runner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from pi_rag.errors import Busy
from pi_rag.service import job_events
from pi_rag.service.house import House
from pi_rag.service.schemas import DeadLetters, IngestPause, JobEnvelope, JobList, JobRetried, Retried
from pi_rag.store import job_rows

PageSize = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[int, Query(ge=0, le=2**63 - 1)]
OfJob = Annotated[int | None, Query(ge=0, le=2**63 - 1)]
JobId = Annotated[int, Path(ge=0, le=2**63 - 1)]


class EventStream(Response):
    """For the description of the interface."""

    media_type = "text/event-stream"


def mount(api: APIRouter, house: House) -> None:
    """All of them, over one house."""
    _mount_all_jobs(api, house)
    _mount_one_job(api, house)


def _mount_all_jobs(api: APIRouter, house: House) -> None:
    @api.get("/v1/jobs", summary="List jobs")
    async def listing(limit: PageSize = 20) -> JobList:
        """Jobs, newest first."""
        return JobList(jobs=await house.store.read(job_rows.listing, limit))

    @api.get("/v1/jobs/failed", summary="List what was given up")
    async def failed(limit: PageSize = 100, after: After = 0, job: OfJob = None) -> DeadLetters:
        """Documents that were tried `ingest.attempts_max` times, by id, a page at a time; of one job or of
        all."""
        letters = await house.store.read(job_rows.dead_letters, limit, after, job)
        return DeadLetters(failed=letters, next=letters[-1].id if len(letters) == limit else None)

    administrators = [Depends(house.administration.required)]

    @api.post("/v1/jobs/pause", summary="Begin no more documents", dependencies=administrators)
    async def pause() -> IngestPause:
        """What is in hand is finished; what is sent is queued. It holds over a restart."""
        await house.runner.pause()
        return IngestPause(paused=True)

    @api.post("/v1/jobs/resume", summary="Go on", dependencies=administrators)
    async def resume() -> IngestPause:
        """After a pause, or out of safe mode. Jobs with a pause of their own stay paused."""
        await house.runner.resume()
        return IngestPause(paused=False)

    @api.post("/v1/jobs/retry", summary="Try again all that was given up")
    async def retry() -> Retried:
        """With all its attempts."""
        return Retried(retried=await house.runner.retry())


def _mount_one_job(api: APIRouter, house: House) -> None:
    runner = house.runner

    @api.get("/v1/jobs/{job_id}", summary="One job")
    async def get(job_id: JobId) -> JobEnvelope:
        """A job with its counts and what was not taken."""
        return JobEnvelope(job=await runner.job(job_id))

    @api.get("/v1/jobs/{job_id}/events", summary="A job's progress as it goes", response_class=EventStream)
    async def progress(job_id: JobId, connection: Request) -> StreamingResponse:
        """Server-sent events `job`, each with the job as it stands; the last one when it has ended.

        A stream takes the place of a wait for a job: busy when there are too many, so that searches fit.
        """
        await runner.job(job_id, brief=True)  # whether there is one is said before the stream begins
        if house.waiting.locked():
            raise Busy("As many wait for jobs as may.")

        async def stream() -> AsyncIterator[bytes]:
            async with house.waiting:
                async for event in job_events.events(runner, job_id, connection.state.wait_until_s):
                    yield event

        return StreamingResponse(stream(), media_type=EventStream.media_type)

    @api.post("/v1/jobs/{job_id}/pause", summary="Hold one job back")
    async def pause_one(job_id: JobId) -> JobEnvelope:
        """The others go on. Of a job that has ended: job_ended."""
        await runner.pause(job_id)
        return JobEnvelope(job=await runner.job(job_id))

    @api.post("/v1/jobs/{job_id}/resume", summary="Let one job go on")
    async def resume_one(job_id: JobId) -> JobEnvelope:
        """Unless everything is paused. Of a job that has ended: job_ended."""
        await runner.resume(job_id)
        return JobEnvelope(job=await runner.job(job_id))

    @api.post("/v1/jobs/{job_id}/cancel", summary="Forget what a job still has to do")
    async def cancel(job_id: JobId) -> JobEnvelope:
        """What it has stored stays; what is in hand is not stored. Of a job that has ended: job_ended."""
        await runner.cancel(job_id)
        return JobEnvelope(job=await runner.job(job_id))

    @api.post("/v1/jobs/{job_id}/retry", summary="Try again what one job gave up")
    async def retry_one(job_id: JobId) -> JobRetried:
        """With all its attempts; the job goes on until that has ended."""
        count = await runner.retry(job_id)
        return JobRetried(job=await runner.job(job_id), retried=count)
