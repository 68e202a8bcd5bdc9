"""The addresses of the HTTP interface: each hands its request to a desk and shapes the answer.

Nothing is decided here. The contract is in docs/api.md and at /openapi.json.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from pi_rag import log
from pi_rag.service import (
    answers,
    backing_up,
    embeddings,
    exporting,
    intake,
    job_routes,
    looking_over,
    memory_routes,
    pulse,
    source_routes,
    verifying,
    watch_routes,
)
from pi_rag.service.house import House
from pi_rag.service.metrics import CONTENT_TYPE
from pi_rag.service.schemas import (
    Cancelled,
    DocumentList,
    DocumentsRequest,
    DocumentWithText,
    DuplicateList,
    Health,
    ImportAnswer,
    ImportRequest,
    JobEnvelope,
    Readiness,
    ReindexAnswer,
    ReindexRequest,
    Removed,
    SearchAnswer,
    SearchRequest,
    StatusAnswer,
)
from pi_rag.service.strict_route import StrictRoute
from pi_rag.service.waiting import waited
from pi_rag.store import documents, duplicates, removal

_log = log.logger("query")

PageSize = Annotated[int, Query(ge=1, le=1000)]
RowId = Annotated[int, Query(ge=0, le=2**63 - 1)]
DocumentId = Annotated[int, Path(ge=0, le=2**63 - 1)]
Share = Annotated[float, Query(ge=0, le=1, description="At least this part of the first is repeated.")]
Pair = Annotated[str, Query(pattern=r"^[0-9]{1,18}-[0-9]{1,18}$", description="`next` of the page before.")]


def router(house: House) -> APIRouter:
    """All routes over one house."""
    api = APIRouter(route_class=StrictRoute)
    _search_routes(api, house)
    _document_routes(api, house)
    _import_route(api, house)
    _export_route(api, house)
    job_routes.mount(api, house)
    watch_routes.mount(api, house)
    source_routes.mount(api, house)
    memory_routes.mount(api, house)
    # Clients of OpenAI's interface send what that one takes, and are not to be told of it.
    lenient = APIRouter()
    embeddings.mount(lenient, house)
    api.include_router(lenient)
    _reindex_routes(api, house)
    _health_routes(api, house)
    pulse.mount(api, house)
    looking_over.mount(api, house)
    verifying.mount(api, house)
    backing_up.mount(api, house.backing_up, house.administration.required)
    return api


def _search_routes(api: APIRouter, house: House) -> None:
    @api.post("/v1/search", summary="Find passages", response_model=SearchAnswer)
    async def search(request: SearchRequest) -> Response:
        """The best passages for a question, each with its source."""
        return await searched(house, request)


async def searched(house: House, request: SearchRequest) -> Response:
    """The answer to a search. Raises as the desk of questions does."""
    answer = await house.results.search(intake.question(request))
    house.metrics.searched(answer)
    _log.debug("searched", query=request.query, hits=len(answer.hits), took_ms=answer.took_ms["total"])
    body = answers.search_answer(answer, now_s=house.clock.wall_s(), explain=request.explain)
    # Written as it is: the framework would validate the whole answer once more.
    return Response(body.model_dump_json(), media_type="application/json")


def _document_routes(api: APIRouter, house: House) -> None:
    @api.post("/v1/documents", summary="Store documents", response_model=JobEnvelope)
    async def add(request: DocumentsRequest, connection: Request) -> JSONResponse:
        """Queue documents durably. With `wait` the answer comes when all are stored or refused: 200.

        202 says that they are queued and the job goes on: without `wait`, or when it takes too long to wait
        for, or when too many wait already.
        """
        job_id = await house.runner.enqueue(
            request.collection, intake.items(request), priority=request.priority, key=request.key
        )
        job = await (waited(house, job_id, connection) if request.wait else house.runner.job(job_id))
        body = JobEnvelope(job=job).model_dump()
        return JSONResponse(body, status_code=200 if job.finished_at is not None else 202)

    @api.get("/v1/documents", summary="List documents")
    async def listing(collection: str | None = None, limit: PageSize = 100, after: RowId = 0) -> DocumentList:
        """Documents by id, a page at a time."""
        rows = await house.store.read(documents.listing, collection, limit, after)
        return DocumentList(
            documents=[answers.document_answer(row) for row in rows],
            next=rows[-1].id if len(rows) == limit else None,
        )

    @api.get("/v1/documents/{document_id}", summary="One document with its text")
    async def get(document_id: DocumentId) -> DocumentWithText:
        """A document as it was read."""
        return answers.document_with_text(await house.store.read(documents.get, document_id))

    administrators = [Depends(house.administration.required)]

    @api.delete("/v1/documents/{document_id}", summary="Forget a document", dependencies=administrators)
    async def remove(document_id: DocumentId) -> Removed:
        """Remove a document with its passages, words and vectors, and what waits to take its place."""
        gone = await house.runner.remove(removal.document, document_id)
        return Removed(removed=gone.removed, withdrawn=len(gone.withdrawn), reasons=gone.reasons)

    @api.delete("/v1/documents", summary="Forget a document by its source", dependencies=administrators)
    async def remove_source(source: str, collection: str | None = None) -> Removed:
        """Remove what has this source, in one collection or in all, what waits to be stored from it, and why
        it was not taken."""
        gone = await house.runner.remove(removal.source, source, collection)
        return Removed(removed=gone.removed, withdrawn=len(gone.withdrawn), reasons=gone.reasons)

    @api.get("/v1/duplicates", summary="Documents that repeat others")
    async def repeated(share_min: Share = 0.5, limit: PageSize = 100, after: Pair = "0-0") -> DuplicateList:
        """Pairs of documents of which the first repeats passages of the second, a page at a time."""
        first, _, second = after.partition("-")
        pairs = await house.store.read(duplicates.listing, share_min, limit, (int(first), int(second)))
        last = pairs[-1] if len(pairs) == limit else None
        return DuplicateList(
            duplicates=[answers.duplicate_answer(pair) for pair in pairs],
            next=f"{last.document_id}-{last.of_document_id}" if last else None,
        )


def _import_route(api: APIRouter, house: House) -> None:
    @api.post("/v1/import", summary="Take lines of an export", response_model=ImportAnswer)
    async def take(request: ImportRequest, connection: Request) -> JSONResponse:
        """Queue them durably, as POST /v1/documents does. Vectors are used where they can be compared."""
        vectors, different = await exporting.usable(house.store, request.made_by)
        job_id = await house.runner.enqueue(request.collection, intake.imported(request))
        job = await (waited(house, job_id, connection) if request.wait else house.runner.job(job_id))
        body = ImportAnswer(job=job, vectors=vectors, different=different).model_dump()
        return JSONResponse(body, status_code=200 if job.finished_at is not None else 202)


def _export_route(api: APIRouter, house: House) -> None:
    @api.get("/v1/export", summary="Documents as lines of JSON", response_class=StreamingResponse)
    async def export(
        connection: Request, collection: str | None = None, vectors: bool = False, after: RowId = 0
    ) -> StreamingResponse:
        """What is kept, a document a line. The last line has `next`, to be sent as `after`; null: no more."""
        lines = exporting.lines(
            house.store,
            collection=collection,
            vectors=vectors,
            after=after,
            until_s=connection.state.wait_until_s,
        )
        return StreamingResponse(lines, media_type="application/x-ndjson")


def _reindex_routes(api: APIRouter, house: House) -> None:
    administrators = [Depends(house.administration.required)]

    @api.post(
        "/v1/reindex",
        summary="Embed everything again with another model",
        status_code=202,
        dependencies=administrators,
    )
    async def begin(request: ReindexRequest) -> ReindexAnswer:
        """Begin, or go on with what was begun; searches are answered from the old vectors meanwhile."""
        return ReindexAnswer(**await house.reindexing.begin(request.model))

    @api.get("/v1/reindex", summary="How far that is")
    async def status() -> ReindexAnswer:
        """The one under way, or the last."""
        return ReindexAnswer(**await house.reindexing.status())

    @api.delete("/v1/reindex", summary="Give it up", dependencies=administrators)
    async def cancel() -> Cancelled:
        """Drop what was made; the index in use stays as it is."""
        return Cancelled(cancelled=await house.reindexing.cancel())


def _health_routes(api: APIRouter, house: House) -> None:
    @api.get("/v1/status", summary="How the service is")
    async def status(check: bool = False) -> StatusAnswer:
        """State, model, workers, counts and memory. `check` reads the whole database for damage too."""
        return StatusAnswer(**await house.status(check=check))

    @api.get("/metrics", summary="Numbers for Prometheus", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """All of docs/metrics.md in Prometheus' text form."""
        return Response(house.metrics.page(await house.status()), media_type=CONTENT_TYPE)

    @api.get("/healthz", summary="Does it live")
    async def health() -> Health:
        """Answered by the same loop that answers everything else."""
        return Health(status="ok")

    @api.get(
        "/readyz", summary="Is it usable", response_model=Readiness, responses={503: {"model": Readiness}}
    )
    async def ready() -> JSONResponse:
        """200 once a real embedding, a nearest-neighbour search and a word search have worked."""
        state = house.readiness()
        return JSONResponse(state.model_dump(), status_code=200 if state.ready else 503)
