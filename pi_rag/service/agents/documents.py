"""What agents do with documents: search, read, store, and see how the service is.

Each function is one tool: it takes the house, what was given and who asks, and returns what is answered. What
becomes of it is decided by the desks. Errors are those of `errors.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from pi_rag import __version__
from pi_rag.config import AgentsSettings
from pi_rag.errors import DocumentNotFound, RequestInvalid
from pi_rag.query import Hit, Question
from pi_rag.service import intake
from pi_rag.service.agents import answers as shown
from pi_rag.service.agents import arguments, reading
from pi_rag.service.agents.asker import Asker
from pi_rag.service.house import House
from pi_rag.service.schemas import DocumentGiven, DocumentsRequest
from pi_rag.store import documents, sources
from pi_rag.types import DocumentRow, JobRow, Scope

COLLECTIONS_SHOWN_MAX = 50
"""An agent that wants more of them has no use for their names."""

LOOK_S_BETWEEN = 0.5
"""Between two tellings of how far a job is."""


def budget(given: int | None, settings: AgentsSettings) -> int:
    """The tokens of one answer."""
    return min(settings.answer_tokens if given is None else given, settings.answer_tokens_max)


async def search(house: House, asked: arguments.Search, asker: Asker) -> shown.SearchAnswer:
    """Passages of documents. What does not fit into the budget is on the next page."""
    del asker
    k_max = house.settings.query.k_max
    if asked.skip >= k_max:
        raise RequestInvalid(
            f"skip is {asked.skip}; at most {k_max} hits are found.", hint="Ask more narrowly.", param="skip"
        )
    answer = await house.results.search(_question(asked, min(asked.skip + asked.limit + 1, k_max)))
    house.metrics.searched(answer)
    page = answer.hits[asked.skip : asked.skip + asked.limit]
    tokens = budget(asked.token_budget, house.settings.agents)
    fitting = reading.fitting((_text(hit) for hit in page), tokens)
    end = asked.skip + fitting
    return shown.SearchAnswer(
        hits=[_hit(hit, tokens) for hit in page[:fitting]],
        next=end if len(answer.hits) > end else None,
        degraded=list(answer.degraded),
    )


def _question(asked: arguments.Search, k: int) -> Question:
    scope = Scope(asked.collection, asked.filter, asked.under, asked.kind, asked.since, asked.until)
    return Question(
        asked.query,
        k,
        asked.mode,
        scope,
        match=asked.match,
        unique=asked.unique,
        neighbours=asked.neighbours,
    )


def _text(hit: Hit) -> str:
    return f"{hit.before}{hit.text}{hit.after}"


def _hit(hit: Hit, tokens: int) -> shown.Hit:
    passage, text = hit.passage, _text(hit)
    kept = reading.cut(text, tokens)
    start = hit.start - len(hit.before)
    return shown.Hit(
        document_id=passage.document_id,
        chunk_id=passage.chunk_id,
        collection=passage.collection,
        source=passage.source,
        title=passage.title,
        heading=passage.heading,
        page=passage.page,
        start=start,
        end=start + len(kept),
        score=round(hit.score, 6),
        trust=shown.trust_of(passage.source),
        text=kept,
        cut=True if len(kept) < len(text) else None,
    )


async def document(house: House, asked: arguments.Get) -> shown.GetAnswer:
    """A page of a document. Raises DocumentNotFound."""
    row = await house.store.read(documents.get, await _document_id(house, asked))
    tokens = budget(asked.token_budget, house.settings.agents)
    page = reading.cut((row.text or "")[asked.start :], tokens)
    end = min(asked.start, row.char_count) + len(page)
    return shown.GetAnswer(
        type="document",
        id=row.id,
        text=page,
        start=asked.start,
        end=end,
        chars=row.char_count,
        next=end if end < row.char_count else None,
        trust=shown.trust_of(row.source),
        source=row.source,
        title=row.title,
        collection=row.collection,
        updated_at=shown.iso(row.updated_at),
    )


async def _document_id(house: House, asked: arguments.Get) -> int:
    if asked.source is None:
        assert asked.document_id is not None
        return asked.document_id
    rows = await house.store.read(sources.listing, under=asked.source, limit=COLLECTIONS_SHOWN_MAX)
    found = (row.document_id for row in rows if row.source == asked.source and row.document_id is not None)
    if (document_id := next(found, None)) is None:
        raise DocumentNotFound(f"No document has the source {asked.source!r}.", hint="Find it with `search`.")
    return document_id


async def ingest(house: House, asked: arguments.Ingest, asker: Asker) -> shown.JobShown:
    """Queue documents durably, and wait until they are stored, telling how far that is."""
    request = DocumentsRequest(
        documents=[] if asked.text is None else [_given(asked)],
        paths=asked.paths,
        collection=asked.collection,
        metadata=asked.metadata,
    )
    job_id = await house.runner.enqueue(request.collection, intake.items(request), key=asked.key)
    job = await (_followed(house, job_id, asker) if asked.wait else house.runner.job(job_id))
    return _job(job)


def _given(asked: arguments.Ingest) -> DocumentGiven:
    if asked.source is None:
        raise RequestInvalid(
            "A text needs a `source`.",
            hint="Name it as it should be found, such as notes/plan.md.",
            param="source",
        )
    return DocumentGiven(source=asked.source, title=asked.title, text=asked.text)


async def _followed(house: House, job_id: int, asker: Asker) -> JobRow:
    """The job when it has ended, or as it stands when the wait had to end; it goes on by itself."""
    if house.waiting.locked():
        return await house.runner.job(job_id)
    loop = asyncio.get_running_loop()
    until_s = asker.until_s
    if not asker.wants_progress:
        until_s = min(until_s, loop.time() + house.settings.agents.wait_s_max)
    async with house.waiting:
        ended = asyncio.ensure_future(house.runner.finished(job_id))
        try:
            while not ended.done() and loop.time() < until_s:
                await asyncio.wait({ended}, timeout=min(LOOK_S_BETWEEN, until_s - loop.time()))
                if asker.wants_progress and not ended.done():
                    await _tell(await house.runner.job(job_id, brief=True), asker)
            return ended.result() if ended.done() else await house.runner.job(job_id)
        finally:
            ended.cancel()


async def _tell(job: JobRow, asker: Asker) -> None:
    await asker.progress(_ended(job), job.items_total, job.current)


def _ended(job: JobRow) -> int:
    return job.items_done + job.items_unchanged + job.items_refused + job.items_failed + job.items_cancelled


def _job(job: JobRow) -> shown.JobShown:
    return shown.JobShown(
        job_id=job.id,
        state=job.state,
        finished=job.finished_at is not None,
        total=job.items_total,
        done=job.items_done,
        unchanged=job.items_unchanged,
        refused=job.items_refused,
        failed=job.items_failed,
        passages=job.chunks,
        refusals=[shown.RefusalShown(**asdict(each)) for each in job.refusals],
    )


async def status(house: House, asked: arguments.Status, asker: Asker) -> shown.StatusShown:
    """How the service is, and what it holds."""
    job = None if asked.job_id is None else _job(await house.runner.job(asked.job_id))
    tally = await house.tally.now()
    counts = tally.counts if tally else None
    card = house.meaning.card
    return shown.StatusShown(
        version=__version__,
        state=house.state,
        degraded=list(house.degraded()),
        documents=counts.documents if counts else None,
        passages=counts.chunks if counts else None,
        jobs_open=counts.jobs_open if counts else None,
        waiting=counts.items_queued if counts else None,
        collections=await house.store.read(documents.collections, COLLECTIONS_SHOWN_MAX),
        model=card.name if card else None,
        scopes=[shown.ScopeShown.model_validate(each) for each in await house.memory.usage(asker.caller)],
        read_only=asker.read_only,
        job=job,
    )


async def page_of_documents(house: House, limit: int, after: int) -> list[DocumentRow]:
    """Documents without their texts, by id."""
    return await house.store.read(documents.listing, None, limit, after)
