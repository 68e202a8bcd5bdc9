"""The addresses under which folders are watched. What becomes of their files is decided by the desk."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from pi_rag.service.house import House
from pi_rag.service.schemas import (
    WatchAnswer,
    WatchedFile,
    WatchedFiles,
    WatchList,
    WatchRemoved,
    WatchRequest,
)
from pi_rag.types import Refusal

PageSize = Annotated[int, Query(ge=1, le=1000)]
WatchId = Annotated[int, Path(ge=0, le=2**63 - 1)]
After = Annotated[str, Query(max_length=4096, description="`next` of the page before.")]


def mount(api: APIRouter, house: House) -> None:
    """All of them, over one house."""
    watching = house.watching
    administrators = [Depends(house.administration.required)]

    @api.post("/v1/watches", summary="Watch a folder", status_code=201, dependencies=administrators)
    async def add(request: WatchRequest) -> WatchAnswer:
        """Queue what is in it, and from now on whatever changes in it."""
        told = await watching.add(request.folder, request.collection, request.include, request.exclude)
        return WatchAnswer(**told)

    @api.get("/v1/watches", summary="List the watched folders")
    async def listing() -> WatchList:
        """Each with how it is."""
        return WatchList(watches=[WatchAnswer(**each) for each in await watching.listing()])

    @api.delete("/v1/watches/{watch_id}", summary="Watch a folder no more", dependencies=administrators)
    async def remove(watch_id: WatchId) -> WatchRemoved:
        """What was stored from it stays."""
        await watching.remove(watch_id)
        return WatchRemoved(removed=1)

    @api.get("/v1/watches/{watch_id}/files", summary="What became of the files in a watched folder")
    async def files(
        watch_id: WatchId, limit: PageSize = 100, after: After = "", skipped: bool = False
    ) -> WatchedFiles:
        """By path, a page at a time; with `skipped` only those that were not taken."""
        rows = await watching.files(watch_id, skipped=skipped, limit=limit, after=after)
        return WatchedFiles(
            files=[
                WatchedFile(
                    path=row.path,
                    size=row.size,
                    modified_at=row.modified_at,
                    indexed_at=row.indexed_at,
                    document_id=row.document_id,
                    within=row.within,
                    waiting=row.waiting,
                    skipped=_reason(row.skipped),
                )
                for row in rows
            ],
            next=rows[-1].path if len(rows) == limit else None,
        )


def _reason(refusal: Refusal | None) -> dict[str, str] | None:
    if refusal is None:
        return None
    return {"code": refusal.code, "message": refusal.message, "hint": refusal.hint}
