"""The pool: the door of the embedder. Texts go in, unit vectors come out, whatever becomes of a worker.

It keeps one nursery running and as many workers as the settings want, gives each free worker the piece that
the lanes say is next, and checks every answer. A worker that dies, hangs or answers nonsense is replaced
and its piece goes to another. It does not know documents, prefixes or the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder import wire
from pi_rag.embedder.backoff import Backoff
from pi_rag.embedder.calls import Bounds, Call, Piece, joined_vectors
from pi_rag.embedder.lanes import Lanes
from pi_rag.embedder.links import LinkLost, NurseryLink, WorkerLink
from pi_rag.embedder.order import Order
from pi_rag.errors import (
    DeadlineExceeded,
    EmbedderUnavailable,
    InternalError,
    PiRagError,
    Stopping,
    TextNotEmbedded,
)

if TYPE_CHECKING:
    from pi_rag.embedder.calls import Part
    from pi_rag.types import Lane, ModelCard, Vectors

FAULTS_MAX = 2
"""A piece over which two workers crashed, hung or answered nonsense is not tried again: it is the piece."""

KILLS_MAX = 20
"""A kill -9 is nobody's fault and costs milliseconds, so it may hit a piece more often. Not for ever: it may
be the kernel, which is short of memory because of this very piece."""

STEADY_S = 5.0
"""A nursery that lived so long was sound: the next one is started without a wait."""

STOP_GRACE_S = 2.0

MIB = 1024 * 1024


@dataclass(eq=False, slots=True)
class _Place:
    """One worker's place, and who fills it."""

    state: Literal["idle", "busy", "starting"] = "starting"
    pid: int = 0
    lane: Lane | None = None
    restarts: int = 0


class Pool:
    """Implements types.Embedder with worker processes. One event loop, in the main thread."""

    def __init__(self, card: ModelCard, settings: EmbedderSettings, clock: Clock) -> None:
        self._card = card
        self._settings = settings
        self._clock = clock
        self._log = log.logger("embedder")
        frame_bytes_max = settings.frame_mib_max * MIB
        tokens_max = min(settings.tokens_max, card.tokens_max)
        self._order = Order(card.path, card.sha256, tokens_max, settings.sequences_max, frame_bytes_max)
        self._bounds = Bounds(settings.request_texts_max, settings.request_kib_max * 1024, frame_bytes_max)
        self._lanes = Lanes(
            query_calls_max=settings.query_queue_max,
            ingest_calls_max=settings.ingest_queue_max,
            ingest_workers_max=max(1, settings.workers - settings.query_workers_reserved),
        )
        self._places = [_Place() for _ in range(settings.workers)]
        self._idle: dict[_Place, asyncio.Future[Piece]] = {}
        self._calls: set[Call] = set()
        self._nursery: NurseryLink | None = None
        self._nursery_restarts = 0
        self._failure: PiRagError | None = None
        self._settled = asyncio.Event()
        self._stopping = False
        self._keeper: asyncio.Task[None] | None = None
        self._request_id = 0

    async def start(self) -> None:
        """Return when the first worker is ready.

        Raises ModelError and its kinds or EmbedderUnavailable when it cannot be; the pool then goes on
        trying in the background, until `stop`.
        """
        self._keeper = asyncio.create_task(self._keep_nursery(), name="embedder")
        await self._settled.wait()
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Refuse new calls, let running ones end within two seconds, then end every process."""
        self._stopping = True
        if self._calls:
            await asyncio.wait([call.answer for call in self._calls], timeout=STOP_GRACE_S)
        for call in list(self._calls):
            call.fail(Stopping("The embedder is stopping."))
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
            self._keeper = None

    async def embed(self, texts: Sequence[str], *, lane: Lane, deadline_s: float) -> Vectors:
        """Shape (len(texts), dimensions), unit rows in the order of `texts`; at most `deadline_s` from now.

        A text longer than the window is cut; an empty one has a vector too. Raises Busy, Stopping,
        DeadlineExceeded, EmbedderUnavailable, VectorInvalid, TextNotEmbedded.
        """
        parts = await self._call("embed", texts, lane, deadline_s)
        return joined_vectors(cast("list[Vectors]", parts), self._card.dimensions)

    async def count_tokens(self, texts: Sequence[str], *, lane: Lane, deadline_s: float) -> list[int]:
        """Tokens of each text without [CLS] and [SEP]. Raises as `embed` does, and RequestTooLarge."""
        parts = await self._call("count", texts, lane, deadline_s)
        return [count for part in cast("list[list[int]]", parts) for count in part]

    def status(self) -> dict[str, Any]:
        """What `GET /v1/status` shows of it."""
        workers = [
            {"pid": place.pid, "state": place.state, "lane": place.lane, "restarts": place.restarts}
            for place in self._places
        ]
        return {
            "state": self._state(),
            "reason": self._failure.message if self._failure else None,
            "workers": workers,
            "nursery_pid": self._nursery.pid if self._nursery else None,
            "restarts": self._nursery_restarts + sum(place.restarts for place in self._places),
            "queued": self._lanes.queued(),
        }

    def _state(self) -> Literal["ready", "starting", "unavailable"]:
        if any(place.state != "starting" for place in self._places):
            return "ready"
        return "unavailable" if self._failure else "starting"

    async def _call(self, task: wire.Task, texts: Sequence[str], lane: Lane, deadline_s: float) -> list[Part]:
        """The answers of all pieces, in order."""
        self._check_open(deadline_s)
        call = Call(task, texts, lane, self._clock.monotonic_s() + deadline_s, self._bounds)
        if not call.pieces:
            return []
        self._lanes.admit(call)
        self._calls.add(call)
        self._dispatch()
        try:
            async with asyncio.timeout(deadline_s):
                return await call.answer
        except TimeoutError:
            raise DeadlineExceeded(f"No vector came within {deadline_s:g} s.") from None
        finally:
            self._calls.discard(call)
            self._lanes.withdraw(call)

    def _check_open(self, deadline_s: float) -> None:
        if self._stopping:
            raise Stopping("The embedder is stopping.")
        if deadline_s <= 0:
            raise DeadlineExceeded("There is no time left for a vector.")
        if self._state() == "unavailable":
            raise self._unavailable()

    def _unavailable(self) -> EmbedderUnavailable:
        """A new one each time: an exception that is raised twice collects two tracebacks."""
        assert self._failure is not None
        return EmbedderUnavailable(f"The embedder is not running: {self._failure.message}")

    def _dispatch(self) -> None:
        """Give waiting pieces to idle workers."""
        while self._idle:
            piece = self._lanes.take(self._clock.monotonic_s())
            if piece is None:
                return
            _, given = self._idle.popitem()
            given.set_result(piece)

    async def _keep_nursery(self) -> None:
        """One nursery after another, until cancelled."""
        backoff = Backoff(self._settings.backoff_s_max)
        while True:
            try:
                lived_s = await self._one_nursery()
                if lived_s >= STEADY_S:
                    backoff.worked()
            except PiRagError as error:
                self._failed(error)
            except Exception:
                # A fault of ours must not leave the service without an embedder until it is restarted.
                self._log.exception("embedder_fault")
                self._failed(InternalError("The embedder's own bookkeeping failed."))
            wait_s, _ = backoff.wait_s, backoff.failed()
            await asyncio.sleep(wait_s)

    async def _one_nursery(self) -> float:
        """Boot a nursery and live with it until it is gone; seconds it lived. Raises as its boot does."""
        nursery = await NurseryLink.boot(self._order, self._card.dimensions, self._settings.boot_s_max)
        began_s = self._clock.monotonic_s()
        try:
            await self._live_with(nursery)
        finally:
            self._nursery = None
            await nursery.end(STOP_GRACE_S / 2)
        self._nursery_restarts += 1
        self._log.warning("nursery_ended", pid=nursery.pid)
        return self._clock.monotonic_s() - began_s

    async def _live_with(self, nursery: NurseryLink) -> None:
        """Keep every place filled until the nursery is gone."""
        self._nursery = nursery
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep_worker(nursery, place)) for place in self._places]
            await nursery.listen(self._worker_ended)
            for keeper in keepers:
                keeper.cancel()

    def _worker_ended(self, pid: int, code: int) -> None:
        if not self._stopping:
            self._log.warning("worker_ended", pid=pid, code=code)

    async def _keep_worker(self, nursery: NurseryLink, place: _Place) -> None:
        """One worker after another at one place, until cancelled."""
        backoff = Backoff(self._settings.backoff_s_max)
        while True:
            try:
                worker = await nursery.fork(self._settings.answer_s_max)
            except TimeoutError:
                # A fork takes milliseconds: it is the nursery that hangs.
                nursery.kill()
                return
            except (LinkLost, OSError) as error:
                # Perhaps the nursery is dying. Then this place is cancelled while it waits, and none of
                # those who wait for a worker need to hear of it: the next nursery is on its way.
                await asyncio.sleep(backoff.failed())
                self._failed(EmbedderUnavailable(str(error)))
                continue
            backoff.worked()
            self._failure = None
            place.pid, place.state = worker.pid, "idle"
            self._settled.set()
            try:
                await self._work_with(worker, place)
            finally:
                place.pid, place.state, place.lane = 0, "starting", None
                place.restarts += 1
                worker.close()

    async def _work_with(self, worker: WorkerLink, place: _Place) -> None:
        """Give a worker piece after piece until it fails one, or dies waiting."""
        while (piece := await self._next_piece(worker, place)) is not None:
            place.state, place.lane = "busy", piece.call.lane
            if not await self._done(worker, piece):
                return
            place.state, place.lane = "idle", None

    async def _next_piece(self, worker: WorkerLink, place: _Place) -> Piece | None:
        """What this worker should do next; None when it ended, or spoke without being asked."""
        given: asyncio.Future[Piece] = asyncio.get_running_loop().create_future()
        self._idle[place] = given
        self._dispatch()
        taken = False
        try:
            either: set[asyncio.Future[Any]] = {given, worker.speaking}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            taken = given.done() and not worker.speaking.done()
            return given.result() if taken else None
        finally:
            self._idle.pop(place, None)
            if given.done() and not taken:
                self._put_back(given.result())

    async def _done(self, worker: WorkerLink, piece: Piece) -> bool:
        """Have a worker do a piece. False when the worker is not to be used again; its piece is seen to."""
        self._request_id += 1
        request_id = self._request_id
        try:
            async with asyncio.timeout(self._settings.answer_s_max):
                payload = await worker.ask(piece.payload(request_id))
            part = piece.parsed(payload, request_id, self._card.dimensions)
        except LinkLost as error:
            await self._bury(worker, piece, error)
            return False
        except TimeoutError:
            self._blame(piece, TextNotEmbedded("A worker stayed silent over this text."))
            return False
        except PiRagError as error:
            self._blame(piece, error)
            return False
        except asyncio.CancelledError:
            self._put_back(piece)
            raise
        self._lanes.leave(piece)
        piece.call.add(piece, part)
        return True

    async def _bury(self, worker: WorkerLink, piece: Piece, why: LinkLost) -> None:
        """See to the piece of a worker that is gone."""
        try:
            killed = await worker.was_killed()
        except asyncio.CancelledError:
            self._put_back(piece)
            raise
        if killed and piece.kills < KILLS_MAX:
            piece.kills += 1
            self._put_back(piece)
        else:
            self._blame(piece, TextNotEmbedded(f"Workers die over this text: {why}"))

    def _blame(self, piece: Piece, error: PiRagError) -> None:
        """Another worker gets the piece, unless it has cost too many already."""
        self._log.warning("worker_failed", reason=error.message)
        piece.faults += 1
        if piece.faults >= FAULTS_MAX:
            self._lanes.leave(piece)
            piece.call.fail(error)
        else:
            self._put_back(piece)

    def _put_back(self, piece: Piece) -> None:
        self._lanes.leave(piece)
        if piece.call.open:
            self._lanes.put_back(piece)
        self._dispatch()

    def _failed(self, error: PiRagError) -> None:
        """Something could not be started. When nothing runs, whoever waits is told now."""
        self._log.error("embedder_failed", code=error.code, reason=error.message)
        self._failure = error
        self._settled.set()
        if self._state() == "unavailable":
            for call in list(self._calls):
                call.fail(self._unavailable())
