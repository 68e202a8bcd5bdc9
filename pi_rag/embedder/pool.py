"""The pool: the door of the embedder. Texts go in, unit vectors come out, whatever becomes of a worker.

It keeps one nursery running, tells a model that cannot boot from workers that crash, and leaves both alone
for a while when too much fails. `staff` gives out the work and `place` keeps each worker. It does not know
documents, prefixes or the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder import calls, compose, wire
from pi_rag.embedder.backoff import Backoff
from pi_rag.embedder.calls import Call
from pi_rag.embedder.curve import GUESS, Curve
from pi_rag.embedder.lanes import Lanes
from pi_rag.embedder.links import NurseryLink
from pi_rag.embedder.order import Order
from pi_rag.embedder.place import CircuitOpen, Place
from pi_rag.embedder.staff import Staff
from pi_rag.errors import (
    DeadlineExceeded,
    EmbedderUnavailable,
    InternalError,
    ModelError,
    PiRagError,
    Stopping,
)
from pi_rag.processes import right_of_way
from pi_rag.processes.states import Circuit

if TYPE_CHECKING:
    from pi_rag.embedder.calls import Part
    from pi_rag.types import Lane, ModelCard, Text, Vectors

STEADY_S = 5.0
"""A nursery that lived so long was sound: the next one is started without a wait."""

STOP_GRACE_S = 2.0

REPLACE_S = 1.0
"""How long a worker that is to be replaced may take to finish what it is at. Shorter than
`budget.SETTLE_S`, or it would be replaced twice."""

ASIDE = 0.25
"""The part of `silence_s_max` that a worker may stand aside over a batch, and not be taken for one that
hangs."""

LOOK_S = 1.0
"""How often a model file that could not be used is looked at, until it is another one."""

MIB = 1024 * 1024


class Pool:
    """Implements types.Embedder with worker processes. One event loop, in the main thread."""

    def __init__(
        self,
        card: ModelCard,
        settings: EmbedderSettings,
        clock: Clock,
        curve: Curve = GUESS,
        *,
        flash_tokens_min: int | None = None,
    ) -> None:
        """`flash_tokens_min` None follows from the curve; a text's vector depends on it."""
        self._card = card
        self._settings = settings
        self._clock = clock
        self._log = log.logger("embedder")
        self._tokens_max = min(settings.tokens_max, card.tokens_max)
        self._frame_bytes_max = settings.frame_mib_max * MIB
        self._circuit = Circuit(
            failures_max=settings.circuit_failures_max,
            window_s=settings.circuit_window_s,
            open_s=settings.circuit_open_s,
        )
        self._staff = Staff(_lanes(settings, curve), clock, self._news)
        # For the pool's whole life, whatever curve comes later.
        self._flash_tokens_min = flash_tokens_min or curve.flash_tokens_min
        ingests = [True] * settings.workers_wanted + [False] * settings.query_workers
        self._staff.places = [Place(self._staff, self._circuit, settings, ingests=each) for each in ingests]
        self._calls: set[Call] = set()
        self._nursery: NurseryLink | None = None
        self._nursery_restarts = 0
        self._failure: PiRagError | None = None
        self._settled = asyncio.Event()
        self._awake = asyncio.Event()
        self._awake.set()
        self._stopping = False
        self._ending = False
        """Python 3.11 may lose a cancel in a TaskGroup that fails in the same moment; this is not lost."""
        self._keeper: asyncio.Task[None] | None = None

    @property
    def curve(self) -> Curve:
        """What batches are composed with. A new one is used from the next batch on."""
        return self._staff.lanes.curve

    @curve.setter
    def curve(self, curve: Curve) -> None:
        self._staff.lanes.curve = curve

    @property
    def words(self) -> int | None:
        """Another number whenever a worker has been heard, be it only a beat.

        None while the circuit leaves workers alone, and while its one attempt decides: nobody can be heard.
        """
        is_closed = self._circuit.state(self._clock.monotonic_s()) == "closed"
        return self._staff.words if is_closed else None

    def begin(self) -> None:
        """Have processes started, and kept until `stop`. Nobody waits for them yet; twice is harmless."""
        if self._keeper is None and not self._stopping:
            self._keeper = asyncio.create_task(self._keep_nursery(), name="embedder")

    async def start(self) -> None:
        """Return when the first worker is ready.

        Raises ModelError and its kinds or EmbedderUnavailable when it cannot be; the pool then goes on
        trying in the background, until `stop`. Raises Stopping when that comes first.
        """
        self.begin()
        await self._settled.wait()
        if self._stopping:
            raise Stopping("The embedder is stopping.")
        if self._failure is not None:
            raise self._failure.again()

    async def stop(self, *, grace_s: float = STOP_GRACE_S) -> None:
        """Refuse new calls, let running ones end within `grace_s`, then end every process."""
        self._stopping = True
        self._settled.set()
        try:
            if self._calls:
                await asyncio.wait([call.answer for call in self._calls], timeout=grace_s)
        finally:
            # Also when cancelled, which only means that there is no time for grace.
            self._ending = True
            self._fail_all(Stopping("The embedder is stopping."))
            if self._keeper is not None:
                self._keeper.cancel()
                await asyncio.wait({self._keeper})
                self._keeper = None

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        """Shape (len(texts), dimensions), unit rows in the order of `texts`; at most `deadline_s` from now.

        A text longer than the window is cut; an empty one has a vector too. Raises Busy, Stopping,
        DeadlineExceeded, EmbedderUnavailable, VectorInvalid, TextNotEmbedded, TokensInvalid.
        """
        parts = await self._call("embed", texts, lane, deadline_s)
        return calls.stacked(cast("list[Vectors]", parts), self._card.dimensions)

    async def count_tokens(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[int]:
        """Tokens of each text without [CLS] and [SEP]. Raises as `embed` does, and RequestTooLarge."""
        return cast("list[int]", await self._call("count", texts, lane, deadline_s))

    async def recycle(self, pid: int) -> None:
        """Have a fresh worker take this one's place; what it is at is finished, by itself or by another."""
        for place in self._staff.places:
            if place.pid == pid:
                await place.replace(REPLACE_S)

    def hold_to(self, workers: int) -> None:
        """Keep no more workers that ingest than this, and one at least. Those for queries alone stay."""
        ingesting = [place for place in self._staff.places if place.ingests]
        for number, place in enumerate(ingesting):
            place.hold(is_open=number < max(1, workers))

    def rest(self, *, rest: bool) -> None:
        """End every process until it is called off; whoever asks meanwhile gets EmbedderUnavailable."""
        if not rest:
            self._awake.set()
        elif self._awake.is_set():
            self._awake.clear()
            self._failure = _resting()
            if self._nursery is not None:
                self._nursery.kill()

    def status(self) -> dict[str, Any]:
        """What `GET /v1/status` shows of it."""
        workers = [
            {"pid": place.pid, "state": place.state, "lane": place.lane, "restarts": place.restarts}
            for place in self._staff.places
        ]
        return {
            "state": self._state(),
            "reason": self._failure.message if self._failure else None,
            "circuit": self._circuit.state(self._clock.monotonic_s()),
            "workers": workers,
            "nursery_pid": self._nursery.pid if self._nursery else None,
            "engine": self._nursery.engine if self._nursery else None,
            "restarts": self._nursery_restarts + sum(place.restarts for place in self._staff.places),
            "queued": self._staff.lanes.queued(),
            "batches": self._staff.batches,
            "shared": self._staff.lanes.shared,
        }

    def _state(self) -> Literal["ready", "starting", "unavailable"]:
        if self._staff.ready:
            return "ready"
        return "unavailable" if self._failure else "starting"

    async def _call(
        self, task: wire.Task, texts: Sequence[Text], lane: Lane, deadline_s: float
    ) -> list[Part]:
        """The answers for all texts, in order."""
        self._check_open(deadline_s)
        if not texts:
            return []
        now_s = self._clock.monotonic_s()
        call, shared = Call(task, len(texts), lane, now_s + deadline_s), self._staff.lanes.shared
        self._staff.lanes.admit(call, [self._prepared(text, task) for text in texts], now_s)
        self._calls.add(call)
        self._staff.dispatch()
        try:
            async with asyncio.timeout(deadline_s):
                with _way(lane, joins=self._staff.lanes.shared > shared):
                    return await call.answer
        except TimeoutError:
            raise DeadlineExceeded(f"No vector came within {deadline_s:g} s.") from None
        finally:
            self._calls.discard(call)
            self._staff.lanes.withdraw(call)
            self._staff.dispatch()

    def _prepared(self, text: Text, task: wire.Task) -> tuple[bytes, int]:
        """As it will travel, and its tokens."""
        encoded = calls.encoded(text, task, self._frame_bytes_max)
        return encoded, calls.tokens_about(text, task, self._tokens_max)

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

    async def _keep_nursery(self) -> None:
        """One nursery after another, until cancelled."""
        backoff = Backoff(self._settings.backoff_s_max)
        while True:
            await self._rested()
            try:
                if await self._one_nursery() >= STEADY_S:
                    backoff.worked()
            except PiRagError as error:
                self._circuit.failed(self._clock.monotonic_s())
                self._failed(error)
            except Exception:
                # A fault of ours must not leave the service without an embedder until it is restarted.
                self._log.exception("embedder_fault")
                self._failed(InternalError("The embedder's own bookkeeping failed."))
            if self._ending:
                return
            # The wait is for the failures before this one: the first nursery to follow comes at once.
            wait_s = backoff.wait_s
            backoff.failed()
            await self._pause(max(wait_s, self._circuit.wait_s(self._clock.monotonic_s())))

    async def _rested(self) -> None:
        """Until somebody wants the processes to be there."""
        if not self._awake.is_set():
            self._failed(_resting())
            await self._awake.wait()
            self._failure = None

    async def _pause(self, wait_s: float) -> None:
        """Wait before the next nursery. A file that is no model stays none until it changes."""
        if not isinstance(self._failure, ModelError):
            await asyncio.sleep(wait_s)
            return
        seen = look(self._card.path)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.backoff_s_max):
                while look(self._card.path) == seen:  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(LOOK_S)

    async def _one_nursery(self) -> float:
        """Boot a nursery and live with it until it is gone; seconds it lived. Raises as its boot does."""
        nursery = await NurseryLink.boot(self._order(), self._card.dimensions, self._settings.boot_s_max)
        began_s = self._clock.monotonic_s()
        try:
            await self._live_with(nursery)
        finally:
            self._nursery = None
            code = await nursery.end(STOP_GRACE_S / 2)
        self._nursery_restarts += 1
        self._log.warning("nursery_ended", pid=nursery.pid, code=code)
        now_s = self._clock.monotonic_s()
        if code != -signal.SIGKILL:
            self._circuit.failed(now_s)
        return now_s - began_s

    async def _live_with(self, nursery: NurseryLink) -> None:
        """Keep every place filled until the nursery is gone. Raises EmbedderUnavailable at many failures."""
        self._nursery = nursery
        if not self._awake.is_set():
            nursery.kill()
        try:
            async with asyncio.TaskGroup() as group:
                keepers = [group.create_task(each.keep(nursery)) for each in self._staff.places]
                await nursery.listen(self._worker_ended)
                for keeper in keepers:
                    keeper.cancel()
        except* CircuitOpen:
            raise EmbedderUnavailable(
                f"Workers failed {self._settings.circuit_failures_max} times within "
                f"{self._settings.circuit_window_s:g} s; the next attempt comes in "
                f"{self._settings.circuit_open_s:g} s."
            ) from None

    def _order(self) -> Order:
        settings = self._settings
        return Order(
            path=self._card.path,
            sha256=self._card.sha256,
            tokens_max=self._tokens_max,
            texts_per_call_max=settings.texts_per_call_max,
            flash_tokens_min=self._flash_tokens_min,
            threads=settings.threads_wanted,
            nice=settings.ingest_nice,
            # Of several threads only one would stand aside, and the others would wait for it at full speed.
            ingest_share=settings.ingest_share if settings.threads_wanted == 1 else 1.0,
            aside_s_max=settings.silence_s_max * ASIDE,
            beat_s=settings.beat_s,
            frame_bytes_max=self._frame_bytes_max,
        )

    def _worker_ended(self, pid: int, code: int) -> None:
        if not self._stopping:
            self._log.warning("worker_ended", pid=pid, code=code)

    def _news(self, failure: PiRagError | None) -> None:
        """A worker has become ready, or could not be started and why."""
        if failure is not None:
            self._failed(failure)
        else:
            self._failure = None
            self._settled.set()

    def _failed(self, error: PiRagError) -> None:
        """Something could not be started. When nothing runs, whoever waits is told now."""
        self._log.error("embedder_failed", code=error.code, reason=error.message)
        self._failure = error
        self._settled.set()
        if self._state() == "unavailable":
            self._fail_all(self._unavailable())

    def _fail_all(self, error: PiRagError) -> None:
        for call in list(self._calls):
            call.fail(error)


def _way(lane: Lane, *, joins: bool) -> AbstractContextManager[None]:
    """Documents stand aside for a question, unless it waits for a text that may be one of theirs."""
    way = right_of_way.ours()
    if lane == "ingest":
        return contextlib.nullcontext()
    return way.hurried() if joins else way.taken()


def _resting() -> EmbedderUnavailable:
    return EmbedderUnavailable("The service is short of memory, and does without the embedder meanwhile.")


def _lanes(settings: EmbedderSettings, curve: Curve) -> Lanes:
    rules = compose.Rules(
        texts_max=settings.batch_texts_max,
        bytes_max=settings.batch_kib_max * 1024,
        ingest_wait_s_max=settings.ingest_wait_s_max,
    )
    return Lanes(
        curve,
        rules,
        query_calls_max=settings.query_queue_max,
        ingest_calls_max=settings.ingest_queue_max,
    )


def look(path: str | Path) -> tuple[int, ...] | None:
    """What tells one file from another without reading it; None when there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    # The last is for one that may now be read and might not before.
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
