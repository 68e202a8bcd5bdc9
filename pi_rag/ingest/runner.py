"""The queue's hands: claim the next document, have its story told, and record how it ended.

The queue itself is durable and lives in the store; this room only works it off. A document that cannot be
taken is refused with its reason. When the service itself cannot go on (no embedder, a full disk) the document
goes back, unharmed and uncounted, and the hands rest for a moment. It knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Any

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import DocumentRefused, InternalError, NotFound, PiRagError, Stopping
from pi_rag.ingest.reading import Reader
from pi_rag.ingest.story import Outcome, Story
from pi_rag.store import jobs
from pi_rag.store.store import Store
from pi_rag.types import Embedder, Item, JobRow, NewItem, Refusal

REST_S = 1.0
"""How long the hands rest when the service cannot go on. Short enough to resume soon, long enough to idle."""

RATE_WINDOW_S = 30.0
"""The rate shown is the mean of this long, so that one large document does not make it jump."""

_log = log.logger("ingest")


class Runner:
    """Works off the durable queue with as many hands as there are workers."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        refusal: PiRagError | None,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._settings = settings.ingest
        self._refusal = refusal
        self._clock = clock
        self._reader = Reader(settings.ingest, clock)
        self._story = Story(store, embedder, self._reader, settings, clock)
        self._hands_count = max(2, settings.embedder.workers)
        self._hands: list[asyncio.Task[None]] = []
        self._woken = asyncio.Event()
        self._changed = asyncio.Condition()
        self._stopping = False
        self._current: dict[int, str] = {}
        self._waiting_for: str | None = None
        self._stored: deque[tuple[float, int]] = deque()

    @property
    def reader_pid(self) -> int | None:
        """The reading child, while there is one."""
        return self._reader.pid

    async def start(self) -> None:
        """Begin with what an earlier run left unfinished."""
        await self._store.write(jobs.release_running)
        await self._store.write(jobs.forget_old, self._settings.jobs_kept_max)
        self._hands = [
            asyncio.create_task(self._hand(), name=f"ingest-{number}") for number in range(self._hands_count)
        ]

    async def enqueue(self, collection: str, items: Sequence[NewItem]) -> int:
        """Queue documents durably; they are safe when this returns the job's id. Raises Busy, ModelError."""
        if self._stopping:
            raise Stopping("The service is stopping and takes no more documents.")
        if self._refusal is not None:
            raise type(self._refusal)(self._refusal.message, hint=self._refusal.hint)
        job_id: int = await self._store.write(
            jobs.enqueue, collection, items, self._settings.queue_items_max, self._clock.wall_s()
        )
        self._woken.set()
        return job_id

    async def job(self, job_id: int) -> JobRow:
        """A job as it stands. Raises JobNotFound."""
        return await self._store.read(jobs.job, job_id, self._settings.refusals_shown_max)

    async def finished(self, job_id: int) -> JobRow:
        """A job once it is done. Raises Stopping when the service stops first; the job goes on later."""
        while True:
            async with self._changed:
                # Read under the lock, so that no change can slip in between the look and the wait.
                job = await self.job(job_id)
                if job.state == "done":
                    return job
                if self._stopping:
                    raise Stopping(f"Job {job_id} is kept and goes on when the service starts again.")
                await self._changed.wait()

    def status(self) -> dict[str, Any]:
        """What is being read now, how fast, and what it waits for."""
        now_s = self._clock.monotonic_s()
        while self._stored and self._stored[0][0] < now_s - RATE_WINDOW_S:
            self._stored.popleft()
        chunks = sum(count for _, count in self._stored)
        return {
            "current": sorted(self._current.values()),
            "rate_chunks_s": round(chunks / RATE_WINDOW_S, 2),
            "waiting_for": self._waiting_for,
        }

    async def drain(self, seconds: float) -> None:
        """Finish the documents in hand within `seconds`; the rest stays queued."""
        self._stopping = True
        self._woken.set()
        await self._tell_changed()
        if self._hands:
            await asyncio.wait(self._hands, timeout=seconds)

    async def stop(self) -> None:
        """End at once; what is in hand goes back to the queue."""
        self._stopping = True
        for hand in self._hands:
            hand.cancel()
        await asyncio.gather(*self._hands, return_exceptions=True)
        await self._reader.stop()

    async def _hand(self) -> None:
        while not self._stopping:
            # Cleared before looking: what is queued from here on either is seen or wakes this hand again.
            self._woken.clear()
            try:
                item = await self._store.write(jobs.claim, self._settings.attempts_max, self._clock.wall_s())
            except PiRagError as error:
                await self._rest(error)
                continue
            if item is None:
                await self._idle()
                continue
            # Where one item was there may be more: the other hands look too.
            self._woken.set()
            await self._work(item)

    async def _idle(self) -> None:
        """Sleep until something is queued. Nobody polls: an idle service costs nothing."""
        await self._tell_changed()
        if not self._stopping:
            await self._woken.wait()

    async def _tell_changed(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _work(self, item: Item) -> None:
        self._current[item.id] = item.source
        try:
            outcome = await self._story.tell(item)
        except (DocumentRefused, NotFound) as refused:
            await self._refuse(item, refused)
        except PiRagError as error:
            await self._give_back(item)
            await self._rest(error)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(item))
            raise
        except Exception as fault:
            _log.exception("document_failed", item=item.id)
            await self._refuse(item, InternalError(f"{type(fault).__name__} while taking it in."))
        else:
            self._note(outcome)
        finally:
            self._current.pop(item.id, None)
            await self._tell_changed()

    def _note(self, outcome: Outcome) -> None:
        self._waiting_for = None
        self._stored.append((self._clock.monotonic_s(), outcome.chunks))

    async def _refuse(self, item: Item, error: PiRagError) -> None:
        refusal = Refusal(item.source, error.code, error.message, error.hint)
        with contextlib.suppress(PiRagError):
            await self._store.write(jobs.finish, item.id, "refused", 0, refusal, self._clock.wall_s())

    async def _give_back(self, item: Item) -> None:
        """Return a document to the queue, uncounted. Should even that fail, the next start does it."""
        with contextlib.suppress(PiRagError):
            await self._store.write(jobs.put_back, item.id)

    async def _rest(self, error: PiRagError) -> None:
        if self._waiting_for != error.code:
            _log.warning("ingest_waits", code=error.code, reason=error.message)
        self._waiting_for = error.code
        await asyncio.sleep(max(REST_S, (error.retry_after_ms or 0) / 1000))
