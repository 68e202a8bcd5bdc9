"""The queue's hands: claim the next document, have its story told, and record how it ended.

The queue itself is durable and lives in the store; this room only works it off. What becomes of a document
follows from whose fault a failure is: the document's own refuses it with its reason; one that it may have had
a part in is tried again after a while, and given up in the end; one of the service (no embedder, a full disk)
costs it nothing, and the hands rest for a moment. It knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, TypeVar

from pi_rag import log
from pi_rag.clock import Clock, tick_s
from pi_rag.config import IngestSettings, Settings
from pi_rag.errors import (
    DiskStuck,
    DocumentRefused,
    DocumentStalled,
    InternalError,
    MemoryShort,
    NotFound,
    PiRagError,
    ReaderUnavailable,
    Stopping,
    StoreBusy,
    StoreError,
    TryLater,
)
from pi_rag.ingest.disk import Disk
from pi_rag.ingest.pace import Bounds, Gauges, Readings, Room, pace
from pi_rag.ingest.pause import Bell, Pause
from pi_rag.ingest.reading import Reader
from pi_rag.ingest.story import Story, Took
from pi_rag.processes import confinement
from pi_rag.store import Connection, job_rows, jobs, removal, sources, steering, watches
from pi_rag.store.removal import Gone
from pi_rag.store.store import Store
from pi_rag.types import Embedder, Item, JobRow, NewItem, Priority, Refusal

REST_S = 1.0
"""How long a hand rests when the service cannot go on. Short enough to resume soon, long enough to idle."""

START_S = 60.0
"""A service that has lasted so long did not end because of what it began with."""

LOOK_S = 1.0
"""How often the machine's memory and heat are looked at while there is something in hand, and that itself."""

NO_GAUGES = Gauges()
"""Of a machine that tells nothing of itself."""

OVERDUE_S = 10.0
"""A document that is still in hand so long after its lease has run out cannot even be let go."""

RATE_WINDOW_S = 30.0
"""The rate shown is the mean of this long, so that one large document does not make it jump."""

_log = log.logger("ingest")

T = TypeVar("T")


class _Cancelled(Exception):
    """The job of a document in hand was cancelled. It never leaves this room."""


@dataclass(slots=True)
class _InHand:
    """A document being worked on, and how many of its passages have their vectors."""

    item: Item
    lease: asyncio.Timeout
    begun_s: float
    has_lasted: bool = False
    chunks: int = 0
    cancelled: bool = False


class Runner:
    """Works off the durable queue, with more hands than workers: while some wait for these, others read."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        refusal: PiRagError | None,
        settings: Settings,
        clock: Clock,
        *,
        tokens_max: int,
        gauges: Gauges = NO_GAUGES,
    ) -> None:
        self._store = store
        self._settings = settings.ingest
        self._bounds = Bounds.of(settings)
        self._gauges = gauges
        self._readings = Readings(None, None, None)
        self._searched_s: float | None = None
        self._pace = pace(self._readings, self._bounds)
        self._documents, self._passages = Room(self._pace.documents), Room(self._pace.passages)
        self._refusal = refusal
        self._clock = clock
        self._reader = Reader(settings.ingest, clock, nice=settings.embedder.ingest_nice)
        self._reader_lacks = confinement.lacking()
        self.disk = Disk(settings.ingest, clock, settings.data_path)
        self._story = Story(
            store,
            embedder,
            self._reader,
            self.disk,
            settings,
            clock,
            tokens_max=tokens_max,
            passages=self._passages,
        )
        self._pause = Pause()
        self._work: asyncio.Task[None] | None = None
        self._queued = Bell(self._bounds.documents_max)
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._current: dict[int, _InHand] = {}
        self._waiting_for: str | None = None
        self._is_held = False
        self._is_short = False
        self._paused: steering.Paused | None = None
        self._embedded: deque[tuple[float, int]] = deque()
        self.beat: Callable[[], None] = lambda: None
        """Called while the queue is worked off as it should be, be that to wait for the disk."""

    @property
    def reader_pid(self) -> int | None:
        """The reading child, while there is one."""
        return self._reader.pid

    @property
    def is_stopping(self) -> bool:
        """Whether no more is begun, since the service ends."""
        return self._stopping.is_set()

    @property
    def hindrances(self) -> tuple[str | None, str | None]:
        """The code of the error that it waits out, and why nothing is begun until a person says so."""
        return self._waiting_for, self._paused

    def start(self) -> asyncio.Task[None]:
        """Begin, with what an earlier run left unfinished. The task ends early only by a fault of ours."""
        if self._reader_lacks:
            _log.warning("reader_less_confined", lacks=self._reader_lacks)
        self._work = asyncio.create_task(self._run(), name="ingest")
        return self._work

    async def enqueue(
        self,
        collection: str,
        items: Sequence[NewItem],
        *,
        priority: Priority = "normal",
        key: str | None = None,
        also: Callable[[Connection], object] | None = None,
    ) -> int:
        """Queue documents durably; they are safe when this returns the job's id, and so is what is `also`
        written: both, or nothing.

        With a `key` that was used before it is the job of then. Raises KeyReused, Busy, Stopping, StoreError
        kinds, and ModelError kinds when no document could ever be taken.
        """
        if self._stopping.is_set():
            raise Stopping("The service is stopping and takes no more documents.")
        if self._refusal is not None:
            raise self._refusal.again()
        if self._is_short:
            raise MemoryShort("The service is short of memory and takes in no documents now.")
        job_id, closed = await self._store.write(
            _enqueued, collection, items, self._settings, self._clock.wall_s(), priority, key, also
        )
        if closed:
            _log.warning("dead_letters_closed", documents=closed)
        self._queued.ring()
        return job_id

    async def job(self, job_id: int, *, brief: bool = False) -> JobRow:
        """A job as it stands, with the passages of documents in hand counted. Raises JobNotFound.

        `brief`: without what was not taken, for who asks again and again.
        """
        shown_max = 0 if brief else self._settings.refusals_shown_max
        job = await self._store.read(job_rows.job, job_id, shown_max)
        if job.finished_at is not None:
            return job
        in_hand = sum(each.chunks for each in self._current.values() if each.item.job_id == job_id)
        return replace(job, chunks=job.chunks + in_hand)

    async def finished(self, job_id: int) -> JobRow:
        """A job once it has ended. Raises Stopping when the service stops first; the job goes on later."""
        while True:
            # Taken before the look, so that no change can slip in between the look and the wait.
            changed = self._changed
            try:
                if (await self.job(job_id, brief=True)).finished_at is not None:
                    return await self.job(job_id)
            except StoreBusy:
                await asyncio.sleep(REST_S)
                continue
            if self._stopping.is_set():
                raise Stopping(f"Job {job_id} is kept and goes on when the service starts again.")
            await changed.wait()

    async def pause(self, job_id: int | None = None) -> None:
        """Begin nothing more, of one job or at all, also after a restart. Raises JobNotFound, JobEnded."""
        if job_id is None:
            await self._store.write(steering.pause_all)
            self._paused = "paused"
        else:
            await self._store.write(steering.pause, job_id, is_paused=True)

    async def resume(self, job_id: int | None = None) -> None:
        """Go on, with one job or with all that has no pause of its own. Raises JobNotFound, JobEnded."""
        if job_id is None:
            await self._store.write(steering.resume_all)
            self._paused = None
        else:
            await self._store.write(steering.pause, job_id, is_paused=False)
        self._queued.ring()

    async def cancel(self, job_id: int) -> int:
        """Forget what a job still has to do; how many documents that were. Raises JobNotFound, JobEnded."""
        count = await self._store.write(steering.cancel, job_id, self._clock.wall_s())
        for in_hand in self._current.values():
            in_hand.cancelled |= in_hand.item.job_id == job_id
        self._tell_changed()
        return count

    async def remove(self, which: Callable[..., Gone], *names: Any) -> Gone:
        """Remove documents by a function of `store/removal.py`, and let go of what is in hand of them."""
        gone = await self._store.write(which, *names, self._clock.wall_s())
        for in_hand in self._current.values():
            in_hand.cancelled |= in_hand.item.id in gone.withdrawn
        self._tell_changed()
        return gone

    async def forget_below(self, folder: str, collection: str | None) -> Gone:
        """Let go of all that waits to be stored from below a folder; forget why something there was not."""
        withdrawn: frozenset[int] = frozenset()
        reasons, is_all = 0, False
        while not is_all:
            gone = await self.remove(removal.below, folder, collection)
            withdrawn, reasons = withdrawn | gone.withdrawn, reasons + gone.reasons
            is_all = len(gone.withdrawn) < removal.AT_ONCE
        return Gone(0, withdrawn, reasons)

    async def retry(self, job_id: int | None = None) -> int:
        """Try again what was given up, of one job or of all; how many. Raises JobNotFound, Busy."""
        items_max, bytes_max = self._settings.queue_items_max, self._settings.queue_mib_max * 2**20
        count = await self._store.write(steering.retry, job_id, items_max, bytes_max)
        self._queued.ring()
        return count

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Inside it no document is in hand: what was begun has ended. The queue goes on afterwards."""
        self._is_held = True
        try:
            async with self._pause.held():
                yield
        finally:
            self._is_held = False

    def follow(self, embedder: Embedder, tokens_max: int, refusal: PiRagError | None = None) -> None:
        """Another model takes the documents from now on. Only while they are held, lest one meets two.

        `refusal`: none does, for another reason than before.
        """
        self._refusal = refusal
        self._story.follow(embedder, tokens_max)

    def tell_times(self, took: Took) -> None:
        """From now on `took` gets the seconds of every stage of a document: see `Story.took`."""
        self._story.took = took

    def refuse(self, *, refuse: bool) -> None:
        """While memory is short: queue nothing more and begin nothing; what is in hand goes on."""
        if self._is_short and not refuse:
            self._queued.ring_all()
        self._is_short = refuse

    def give_up_reader(self) -> None:
        """End the reading child for its memory; its document is begun again later."""
        self._reader.give_up()

    def searched(self) -> None:
        """A search begins: what is begun from now on makes way for it."""
        self._searched_s = self._clock.monotonic_s()
        self._keep_to_pace()

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
            "waiting_for": self._why_waiting(),
            "disks_stuck": self.disk.stuck(),
            "reader_lacks": self._reader_lacks,
            "pace": asdict(self._pace),
        }

    def _why_waiting(self) -> str | None:
        """What keeps it from going on; None when nothing does."""
        if self._is_held:
            return "reindex"
        # A pause comes first: it holds when all else has passed, and nothing shows meanwhile whether it has.
        return self._paused or (MemoryShort.code if self._is_short else self._waiting_for)

    async def drain(self, seconds: float) -> None:
        """Finish the documents in hand within `seconds`; the rest stays queued."""
        self._stopping.set()
        self._queued.ring_all()
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
        self._paused = await self._insist(_after_start, self._settings, self._clock.wall_s())
        if self._paused is not None:
            _log.warning("ingest_waits", code=self._paused)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._last(), name="ingest-start")
            group.create_task(self._look(), name="ingest-look")
            for number in range(self._bounds.documents_max):
                group.create_task(self._hand(), name=f"ingest-{number}")

    async def _last(self) -> None:
        """Once the service has lasted a while, its start is no failed one."""
        await _within(self._stopping.wait(), START_S)
        if not self._stopping.is_set():
            await self._insist(steering.settled)

    async def _look(self) -> None:
        """At the machine, and at what is in hand."""
        while not self._stopping.is_set():
            self._beat()
            if self._current or self._pace.why != "full":
                gauges = self._gauges
                self._readings = Readings(None, gauges.available_mib(), gauges.temperature_c())
                self._keep_to_pace()
            for each in [*self._current.values()]:
                if self._clock.monotonic_s() - each.begun_s >= START_S:
                    await self._lasts(each)
            await self._look_for_what_waits()
            await _within(self._stopping.wait(), tick_s(self._clock, LOOK_S))

    def _beat(self) -> None:
        over_s = asyncio.get_running_loop().time() - OVERDUE_S
        if all((each.lease.when() or over_s) >= over_s for each in self._current.values()):
            self.beat()

    async def _look_for_what_waits(self) -> None:
        """What was held up may be gone, as when it was cancelled: then nothing is held up any more."""
        if self._waiting_for is not None:
            with contextlib.suppress(TryLater, StoreError):
                if await self._store.read(jobs.is_empty):
                    self._waiting_for = None

    async def _lasts(self, in_hand: _InHand) -> None:
        """What a crash may have left, and is worked on alone, is not what ends the service: others begin."""
        if in_hand.item.attempts > 1 and not in_hand.has_lasted:
            in_hand.has_lasted = True
            await self._insist(steering.lasted, in_hand.item, self._clock.wall_s())
            self._queued.ring()

    def _keep_to_pace(self) -> None:
        """As it follows from the last readings, with the search that began last."""
        ago_s = None if self._searched_s is None else self._clock.monotonic_s() - self._searched_s
        self._pace = pace(replace(self._readings, query_ago_s=ago_s), self._bounds)
        self._documents.size, self._passages.size = self._pace.documents, self._pace.passages

    async def _hand(self) -> None:
        while not self._stopping.is_set():
            async with self._documents.of(), self._pause.piece():
                # One time for both questions, or what comes due in between is neither found nor waited for.
                now = self._clock.wall_s()
                may_begin = not self._stopping.is_set() and not self._is_short
                found = may_begin and await self._one(now)
            if not found:
                # Claiming may have given up the last document of a job.
                self._tell_changed()
                due_in_s = LOOK_S if self._is_short else await self._due_in_s(now)
                await _within(self._queued.heard(), due_in_s)

    async def _one(self, now: float) -> bool:
        """Work on the next document that is due at this wall time; False when there is none."""
        claiming = (self._settings.attempts_max, now, self._settings.retry_s_max)
        item = await self._insist(jobs.claim, *claiming)
        if item is None:
            return False
        # Where one item was there may be more: another hand looks too.
        self._queued.ring()
        await self._take_in(item)
        # An item with the same source may have waited for this one.
        self._queued.ring()
        return True

    async def _due_in_s(self, now: float) -> float | None:
        """Seconds until a document is due that waits for its next attempt; None when none does."""
        try:
            return await self._store.read(jobs.due_in_s, now)
        except (TryLater, StoreError):
            return REST_S

    async def _take_in(self, item: Item) -> None:
        try:
            await self._told(item)
        except asyncio.CancelledError:
            # Should even that fail, the next start does it.
            with contextlib.suppress(PiRagError):
                await asyncio.shield(self._store.write_together(jobs.put_back, item, counted=False))
            raise
        except _Cancelled:
            return
        except (DocumentRefused, NotFound) as refused:
            await self._refuse(item, refused)
        except (DiskStuck, ReaderUnavailable) as stuck:  # all else can go on
            self._say_waiting(stuck)
            not_before = self._clock.wall_s() + (stuck.retry_after_ms or 0) / 1000
            await self._insist(jobs.put_back, item, counted=False, not_before=not_before)
        except (TryLater, StoreError) as hindered:
            await self._insist(jobs.put_back, item, counted=False)
            await self._rest(hindered)
        except PiRagError as failed:
            await self._try_again(item, failed)
        except Exception as fault:
            _log.exception("document_failed", item=item.id)
            await self._refuse(item, InternalError(f"{type(fault).__name__} while taking it in."))
        else:
            self._waiting_for = None
        finally:
            self._tell_changed()

    async def _told(self, item: Item) -> None:
        """Its story, for as long as it moves. Raises DocumentStalled, _Cancelled, and as `Story.tell`."""
        try:
            async with asyncio.timeout(self._settings.lease_s) as lease:
                in_hand = self._current[item.id] = _InHand(item, lease, self._clock.monotonic_s())
                await self._story.tell(item, partial(self._note, in_hand))
        except TimeoutError:
            raise DocumentStalled(f"Nothing moved for {self._settings.lease_s:g} s.") from None
        finally:
            self._current.pop(item.id, None)

    async def _try_again(self, item: Item, failed: PiRagError) -> None:
        """A document that may be the reason itself gets its attempts, then is given up with that reason."""
        _log.warning("document_not_taken", item=item.id, attempts=item.attempts, code=failed.code)
        now = self._clock.wall_s()
        if item.attempts >= self._settings.attempts_max:
            reason = Refusal(item.source, failed.code, failed.message, failed.hint)
            await self._insist(jobs.fail, item, reason, now)
        else:
            wait_s = waits_s(item.attempts, self._settings.retry_s_min, self._settings.retry_s_max)
            await self._insist(jobs.put_back, item, counted=True, not_before=now + wait_s)

    async def _refuse(self, item: Item, error: PiRagError) -> None:
        refusal = Refusal(item.source, error.code, error.message, error.hint)
        await self._insist(watches.refused, item, refusal, self._clock.wall_s())
        self._waiting_for = None

    async def _insist(self, write: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """A write of the queue's own books, again and again until the store can: nothing may be stranded."""
        said: str | None = None
        while True:
            try:
                found = await self._store.write_together(write, *args, **kwargs)
                if said is not None and self._waiting_for == said:
                    self._waiting_for = None
                return found
            except (TryLater, StoreError) as error:
                said = error.code
                if self._stopping.is_set():
                    # The hand ends here, as if it had been cancelled; the next start puts the books right.
                    raise asyncio.CancelledError from error
                await self._rest(error)

    async def _rest(self, error: PiRagError) -> None:
        self._say_waiting(error)
        self._beat()
        await _within(self._stopping.wait(), max(REST_S, (error.retry_after_ms or 0) / 1000))

    def _say_waiting(self, error: PiRagError) -> None:
        if self._waiting_for != error.code:
            _log.warning("ingest_waits", code=error.code, reason=error.message)
        self._waiting_for = error.code

    def _note(self, in_hand: _InHand, chunks: int) -> None:
        if in_hand.cancelled:
            raise _Cancelled
        if in_hand.lease.expired():
            return  # its end is on the way
        in_hand.lease.reschedule(asyncio.get_running_loop().time() + self._settings.lease_s)
        if chunks:
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
    settings: IngestSettings,
    now: float,
    priority: Priority,
    key: str | None,
    also: Callable[[Connection], object] | None,
) -> tuple[int, int]:
    """The new job, with the oldest finished ones forgotten, in one transaction.

    And how many of what was given up can be tried no more.
    """
    items_max, bytes_max = settings.queue_items_max, settings.queue_mib_max * 2**20
    job_id = jobs.enqueue(
        db, collection, items, items_max, now, priority=priority, key=key, queue_bytes_max=bytes_max
    )
    dead_bytes_max = settings.dead_letters_mib_max * 2**20
    closed = jobs.forget_old(db, settings.jobs_kept_max, settings.dead_letters_max, dead_bytes_max)
    sources.forget_old(db, settings.skipped_max)
    if also is not None:
        also(db)
    return job_id, closed


def _after_start(db: Connection, settings: IngestSettings, now: float) -> steering.Paused | None:
    """Put the queue in order, and tell why nothing is begun, if so."""
    steering.after_start(db, settings.starts_failed_max, settings.attempts_max, now)
    return steering.paused(db)


def waits_s(attempts: int, s_min: float, s_max: float) -> float:
    """How long a document waits after so many attempts: twice as long each time, half of it by chance."""
    return min(s_max, s_min * 2.0 ** (attempts - 1)) * random.uniform(0.5, 1.0)


async def _within(what: Coroutine[Any, Any, object], seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await what
    except TimeoutError:
        return
