"""The address that tells of every source whether it is in, since when, and if not, why not.

What is not stored can be forgotten there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Query

from pi_rag.errors import RequestInvalid
from pi_rag.ingest.reader_wire import PATH_CHARS_MAX
from pi_rag.service.house import House
from pi_rag.service.schemas import (
    COLLECTION_CHARS_MAX,
    SOURCE_CHARS_MAX,
    Forgotten,
    SourceAnswer,
    SourceList,
)
from pi_rag.store import sources
from pi_rag.store.sources import SourceRow

PageSize = Annotated[int, Query(ge=1, le=1000)]

UNDER_CHARS_MAX = SOURCE_CHARS_MAX + 2 + PATH_CHARS_MAX
"""A path, `!/` and a name within an archive."""

NEXT_CHARS_MAX = UNDER_CHARS_MAX + 1 + 12 * COLLECTION_CHARS_MAX
"""And `@` with a collection, of which a letter has at most four bytes, each written with three letters: every
`next` that is given out is taken again."""

Under = Annotated[
    str | None, Query(max_length=UNDER_CHARS_MAX, description="This source, and what lies below it.")
]

Folder = Annotated[
    str, Query(min_length=1, max_length=UNDER_CHARS_MAX, description="Of it and of what lies below it.")
]

After = Annotated[str, Query(max_length=NEXT_CHARS_MAX, description="`next` of the page before.")]


def mount(api: APIRouter, house: House) -> None:
    """Over one house."""

    @api.get("/v1/sources", summary="What became of every source")
    async def listing(
        under: Under = None,
        collection: str | None = None,
        skipped: bool = False,
        limit: PageSize = 100,
        after: After = "",
    ) -> SourceList:
        """By source and collection, a page at a time; with `skipped` only those that were not taken."""
        rows = await house.store.read(
            sources.listing,
            under=under,
            collection=collection,
            skipped=skipped,
            limit=limit,
            after=_place(after),
        )
        told = [_told(row, house.watching.seen_at(row.watch_id)) for row in rows]
        is_path = under is not None and under[:1] == "/" and not skipped and not after
        left_out = await _left_out(house, under, collection, rows) if under and is_path else None
        return SourceList(
            sources=told, next=_name(rows[-1]) if len(rows) == limit else None, left_out=left_out
        )

    administrators = [Depends(house.administration.required)]

    @api.delete("/v1/sources", summary="Forget what is not stored", dependencies=administrators)
    async def forget(under: Folder, collection: str | None = None) -> Forgotten:
        """What waits to be stored from below a folder, and why something there was not taken, in one
        collection or in all. The reasons of what is stored and of what is watched are kept.
        """
        gone = await house.runner.forget_below(under, collection)
        return Forgotten(withdrawn=len(gone.withdrawn), reasons=gone.reasons)


async def _left_out(house: House, path: str, collection: str | None, rows: Sequence[SourceRow]) -> str | None:
    """Why nothing is known of a path; or why what is stored of it does not follow its file, though that lies
    in a watched folder."""
    if not rows:
        return await house.watching.left_out(path, collection)
    first = rows[0]
    if first.source != path or first.document_id is None or first.watch_id is not None:
        return None
    return await house.watching.left_out(path, first.collection, by_adding=False)


def _told(row: SourceRow, folder_seen_at: float | None) -> SourceAnswer:
    """A file that is known was there when all of its folder was seen."""
    seen_at = max(filter(None, (row.seen_at, folder_seen_at)), default=None)
    refusal = row.skipped
    reason = {"code": refusal.code, "message": refusal.message, "hint": refusal.hint} if refusal else None
    return SourceAnswer(
        source=row.source,
        collection=row.collection,
        document_id=row.document_id,
        passages=row.passages,
        indexed_at=row.indexed_at,
        seen_at=seen_at,
        waiting=row.waiting,
        watched=row.watch_id is not None,
        skipped=reason,
    )


def _name(row: SourceRow) -> str:
    return f"{row.source}@{quote(row.collection, safe='')}"


def _place(name: str) -> tuple[str, str]:
    """Raises RequestInvalid for what is no `next`: it would begin at the beginning again, without a word."""
    source, at, collection = name.rpartition("@")
    if name and not at:
        raise RequestInvalid(f"{name!r} is no place in the list.", hint="It is SOURCE@COLLECTION.")
    return source, unquote(collection)
