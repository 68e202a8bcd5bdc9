"""The queue's hands: claim the next document, have its story told, and record how it ended.

The queue itself is durable and lives in the store; this room only works it off. What becomes of a document
follows from whose fault a failure is: the document's own refuses it with its reason; one that it may have had
a part in is tried again and counted; one of the service (no embedder, a full disk) costs it nothing, and the
hands rest for a moment. It knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import (
    DocumentRefused,
    InternalError,
    NotFound,
    PiRagError,
    Stopping,
    StoreBusy,
    StoreError,
    TryLater,
)
from pi_rag.ingest.pause import Pause
from pi_rag.ingest.reading import Reader
from pi_rag.ingest.story import Story
from pi_rag.store import Connection, jobs
from pi_rag.store.store import Store
from pi_rag.types import Embedder, Item, JobRow, NewItem, Refusal

REST_S = 1.0
"""How long a hand rests when the service cannot go on. Short enough to resume soon, long enough to idle."""

RATE_WINDOW_S = 30.0
"""The rate shown is the mean of this long, so that one large document does not make it jump."""

_log = log.logger("ingest")

T = TypeVar("T")


@dataclass(slots=True)
class _InHand:
    """A document being worked on, and how many of its passages have their vectors."""

    item: Item
    chunks: int = 0


class Runner:
    """Works off the durable queue with as many hands as there are workers."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        refusal: PiRagError | None,
        settings: Settings,
        clock: Clock,
        *,
        tokens_max: int,
    ) -> None:
        self._store = store
        self._settings = settings.ingest
        self._refusal = refusal
        self._clock = clock
        self._reader = Reader(settings.ingest, clock)
        self._story = Story(store, embedder, self._reader, settings, clock, tokens_max=tokens_max)
        self._hands = max(2, settings.embedder.workers_wanted)
        self._pause = Pause()
        self._work: asyncio.Task[None] | None = None
        self._queued = asyncio.Event()
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._current: dict[int, _InHand] = {}
        self._waiting_for: str | None = None
        self._embedded: deque[tuple[float, int]] = deque()

    @property
    def reader_pid(self) -> int | None:
        """The reading child, while there is one."""
        return self._reader.pid

    def start(self) -> asyncio.Task[None]:
        """Begin, with what an earlier run left unfinished. The task ends early only by a fault of ours."""
        self._work = asyncio.create_task(self._run(), name="ingest")
        return self._work

    async def enqueue(self, collection: str, items: Sequence[NewItem]) -> int:
        """Queue documents durably; they are safe when this returns the job's id.

        Raises Busy, Stopping, StoreError kinds, and ModelError kinds when no document could ever be taken.
        """
        if self._stopping.is_set():
            raise Stopping("The service is stopping and takes no more documents.")
        if self._refusal is not None:
            raise self._refusal.again()
        job_id = await self._store.write(
            _enqueued,
            collection,
            items,
            self._settings.queue_items_max,
            self._settings.jobs_kept_max,
            self._clock.wall_s(),
        )
        self._queued.set()
        return job_id

    async def job(self, job_id: int) -> JobRow:
        """A job as it stands, with the passages of documents in hand counted. Raises JobNotFound."""
        job = await self._store.read(jobs.job, job_id, self._settings.refusals_shown_max)
        if job.state == "done":
            return job
        in_hand = sum(each.chunks for each in self._current.values() if each.item.job_id == job_id)
        return replace(job, chunks=job.chunks + in_hand)

    async def finished(self, job_id: int) -> JobRow:
        """A job once it is done. Raises Stopping when the service stops first; the job goes on later."""
        while True:
            # Taken before the look, so that no change can slip in between the look and the wait.
            changed = self._changed
            try:
                job = await self.job(job_id)
            except StoreBusy:
                await asyncio.sleep(REST_S)
                continue
            if job.state == "done":
                return job
            if self._stopping.is_set():
                raise Stopping(f"Job {job_id} is kept and goes on when the service starts again.")
            await changed.wait()

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Inside it no document is in hand: what was begun has ended. The queue goes on afterwards."""
        self._waiting_for = "reindex"
        try:
            async with self._pause.held():
                yield
        finally:
            self._waiting_for = None

    def follow(self, embedder: Embedder, tokens_max: int) -> None:
        """Another model takes the documents from now on. Only while they are held, lest one meets two."""
        self._refusal = None
        self._story.follow(embedder, tokens_max)

    async def cut_anew(self, document_id: int) -> None:
        """Make a stored document's passages again, from its text. Raises as `Story.cut_anew`."""
        async with self._pause.piece():
            await self._story.cut_anew(document_id)

    def status(self) -> dict[str, Any]:
        """What is being read now, how fast, and what it waits for."""
        self._forget_old_rates()
        chunks = sum(count for _, count in self._embedded)
        return {
            "current": sorted(each.item.source for each in self._current.values()),
            "rate_chunks_s": round(chunks / RATE_WINDOW_S, 2),
            "passages": dict(self._story.passages),
            "waiting_for": self._waiting_for,
        }

    async def drain(self, seconds: float) -> None:
        """Finish the documents in hand within `seconds`; the rest stays queued."""
        self._stopping.set()
        self._queued.set()
        self._tell_changed()
        if self._work is not None:
            await asyncio.wait({self._work}, timeout=seconds)

    async def stop(self) -> None:
        """End at once; what is in hand goes back to the queue."""
        await self.drain(0)
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})
        await self._reader.stop()

    async def _run(self) -> None:
        await self._insist(jobs.release_running)
        async with asyncio.TaskGroup() as group:
            for number in range(self._hands):
                group.create_task(self._hand(), name=f"ingest-{number}")

    async def _hand(self) -> None:
        while not self._stopping.is_set():
            # Cleared before looking: what is queued from here on either is seen or wakes this hand again.
            self._queued.clear()
            async with self._pause.piece():
                found = await self._one()
            if not found:
                # Claiming may have given up the last document of a job.
                self._tell_changed()
                await self._queued.wait()

    async def _one(self) -> bool:
        """Work on the next document; False when there is none."""
        item = await self._insist(jobs.claim, self._settings.attempts_max, self._clock.wall_s())
        if item is None:
            return False
        # Where one item was there may be more: the other hands look too.
        self._queued.set()
        await self._take_in(item)
        # An item with the same source may have waited for this one.
        self._queued.set()
        return True

    async def _take_in(self, item: Item) -> None:
        in_hand = self._current[item.id] = _InHand(item)
        try:
            await self._story.tell(item, partial(self._note, in_hand))
        except asyncio.CancelledError:
            # Should even that fail, the next start does it.
            with contextlib.suppress(PiRagError):
                await asyncio.shield(self._store.write(jobs.put_back, item.id, counted=False))
            raise
        except (DocumentRefused, NotFound) as refused:
            await self._refuse(item, refused)
        except (TryLater, StoreError) as hindered:
            await self._insist(jobs.put_back, item.id, counted=False)
            await self._rest(hindered)
        except PiRagError as failed:
            await self._try_again(item, failed)
        except Exception as fault:
            _log.exception("document_failed", item=item.id)
            await self._refuse(item, InternalError(f"{type(fault).__name__} while taking it in."))
        else:
            self._waiting_for = None
        finally:
            self._current.pop(item.id, None)
            self._tell_changed()

    async def _try_again(self, item: Item, failed: PiRagError) -> None:
        """A document that may be the reason itself gets its attempts, then is refused with that reason."""
        _log.warning("document_not_taken", item=item.id, attempts=item.attempts, code=failed.code)
        if item.attempts >= self._settings.attempts_max:
            await self._refuse(item, failed)
        else:
            await self._insist(jobs.put_back, item.id, counted=True)

    async def _refuse(self, item: Item, error: PiRagError) -> None:
        refusal = Refusal(item.source, error.code, error.message, error.hint)
        await self._insist(jobs.finish, item.id, "refused", 0, refusal, self._clock.wall_s())
        self._waiting_for = None

    async def _insist(self, write: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """A write of the queue's own books, again and again until the store can: nothing may be stranded."""
        while True:
            try:
                return await self._store.write(write, *args, **kwargs)
            except (TryLater, StoreError) as error:
                if self._stopping.is_set():
                    # The hand ends here, as if it had been cancelled; the next start puts the books right.
                    raise asyncio.CancelledError from error
                await self._rest(error)

    async def _rest(self, error: PiRagError) -> None:
        if self._waiting_for != error.code:
            _log.warning("ingest_waits", code=error.code, reason=error.message)
        self._waiting_for = error.code
        await _within(self._stopping.wait(), max(REST_S, (error.retry_after_ms or 0) / 1000))

    def _note(self, in_hand: _InHand, chunks: int) -> None:
        in_hand.chunks += chunks
        self._embedded.append((self._clock.monotonic_s(), chunks))
        self._forget_old_rates()

    def _forget_old_rates(self) -> None:
        now_s = self._clock.monotonic_s()
        while self._embedded and self._embedded[0][0] < now_s - RATE_WINDOW_S:
            self._embedded.popleft()

    def _tell_changed(self) -> None:
        """Wake everybody who waits for a job. The next ones wait for the next change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _enqueued(
    db: Connection,
    collection: str,
    items: Sequence[NewItem],
    queue_items_max: int,
    jobs_kept_max: int,
    now: float,
) -> int:
    """The new job, with the oldest finished ones forgotten, in one transaction."""
    job_id = jobs.enqueue(db, collection, items, queue_items_max, now)
    jobs.forget_old(db, jobs_kept_max)
    return job_id


async def _within(event: Awaitable[object], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event
    except TimeoutError:
        return
