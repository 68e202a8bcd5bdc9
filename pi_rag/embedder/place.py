"""One place of the pool, where one worker after another lives.

A worker is forked, proves itself, is given batch after batch, and is examined now and then: does it still
compute what it did at first, and has it grown? One that dies, hangs or answers nonsense is replaced, and its
texts are seen to. It does not know who asked for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pi_rag import log
from pi_rag.config import EmbedderSettings
from pi_rag.embedder import wire
from pi_rag.embedder.backoff import Backoff
from pi_rag.embedder.calls import Batch
from pi_rag.embedder.links import LinkLost, NurseryLink, WorkerLink, WorkerSilent
from pi_rag.embedder.order import CANARY
from pi_rag.embedder.staff import Staff
from pi_rag.errors import BadInput, EmbedderUnavailable, PiRagError, TextNotEmbedded, VectorInvalid
from pi_rag.host.memory import private_mib
from pi_rag.processes.states import Circuit, Life

if TYPE_CHECKING:
    from pi_rag.types import Lane

FAULTS_MAX = 2
"""A text over which two workers crashed, hung or answered nonsense is not tried again: it is the text."""

KILLS_MAX = 20
"""A kill -9 is nobody's fault and costs milliseconds, so it may hit a text more often. Not for ever: it may
be the kernel, which is short of memory because of this very text."""

COSINE_MIN = 0.999
"""How near the canary's vector must stay to what it was. The same worker gives it bit by bit."""

EXAMINE_AGAIN_S = 1.0
"""How long an examination is put off while another worker is examined."""


class CircuitOpen(Exception):
    """Too many failures in too short a time: the nursery and all its workers are to be left alone a while."""


class Place:
    """Where a worker lives. `ingests` tells whether it takes documents, or answers queries alone."""

    def __init__(self, staff: Staff, circuit: Circuit, settings: EmbedderSettings, *, ingests: bool) -> None:
        self.ingests = ingests
        self.pid = 0
        self.restarts = 0
        self.lane: Lane | None = None
        self._staff = staff
        self._circuit = circuit
        self._settings = settings
        self._life = Life()
        self._log = log.logger("embedder")
        self._successor: WorkerLink | None = None
        self._private_mib: float | None = None
        self._worker: WorkerLink | None = None
        self._asked_to_leave: asyncio.Future[None] | None = None
        self._left: asyncio.Future[None] | None = None
        self._open = asyncio.Event()
        self._open.set()

    @property
    def state(self) -> str:
        """As in processes.states."""
        return self._life.state

    @property
    def ready(self) -> bool:
        """True while a worker lives here that answers."""
        return self._life.ready

    def hold(self, *, is_open: bool) -> None:
        """Whether anybody is to work here. Who is at something finishes it first."""
        if is_open:
            self._open.set()
        elif self._open.is_set():
            self._open.clear()
            self._ask_to_leave()

    async def replace(self, grace_s: float) -> None:
        """Have another take over when what is at hand is done; after `grace_s` without waiting for it."""
        worker, left = self._worker, self._left
        if worker is None or left is None:
            return
        self._ask_to_leave()
        await asyncio.wait({left}, timeout=grace_s)
        if not left.done():
            worker.kill()

    def _ask_to_leave(self) -> None:
        if self._asked_to_leave is not None and not self._asked_to_leave.done():
            self._asked_to_leave.set_result(None)

    async def keep(self, nursery: NurseryLink) -> None:
        """One worker after another, until cancelled or until the nursery is of no use. Raises CircuitOpen."""
        backoff = Backoff(self._settings.backoff_s_max)
        try:
            while not nursery.given_up:
                if not self._open.is_set():
                    self._close_successor()
                    await self._open.wait()
                worker = await self._found(nursery, backoff)
                if worker is not None:
                    backoff.worked()
                    await self._live(worker, nursery)
        finally:
            self._close_successor()

    def _close_successor(self) -> None:
        if self._successor is not None:
            self._successor.close()
            self._successor = None

    async def _found(self, nursery: NurseryLink, backoff: Backoff) -> WorkerLink | None:
        """The one who is to work here next, or None when none could be started."""
        self._life.move("starting")
        worker, self._successor = self._successor, None
        try:
            worker = worker or await self._started(nursery, backoff)
        finally:
            if worker is None:
                self._life.move("ended")
        return worker

    async def _live(self, worker: WorkerLink, nursery: NurseryLink) -> None:
        """A worker's life here, from its first batch to its end."""
        self.pid, self._private_mib, self._worker = worker.pid, None, worker
        loop = asyncio.get_running_loop()
        self._asked_to_leave, self._left = loop.create_future(), loop.create_future()
        if not self._open.is_set():
            self._ask_to_leave()  # the place was closed while this one was born
        worker.on_word = self._staff.heard
        self._life.move("idle")
        self._circuit.worked(self._now_s)
        self._staff.news(None)
        try:
            await self._work(worker, nursery)
        finally:
            self.pid, self.lane, self._worker = 0, None, None
            self._left.set_result(None)
            self._life.move("ended")
            self.restarts += 1
            worker.close()

    async def _started(self, nursery: NurseryLink, backoff: Backoff) -> WorkerLink | None:
        """A worker that has proved itself; None, and somebody is told why, when there is none."""
        try:
            return await self._born(nursery)
        except TimeoutError:
            # A fork takes milliseconds: it is the nursery that hangs.
            self._circuit.failed(self._now_s)
            nursery.kill()
        except (LinkLost, OSError) as error:
            # Perhaps the nursery is dying. Then this place is cancelled while it waits, and none of those
            # who wait for a worker need to hear of it: the next nursery is on its way.
            await asyncio.sleep(backoff.failed())
            if backoff.failures > 1:
                # A single one may have been killed before it could sing; that is nobody's fault.
                self._could_not_start(EmbedderUnavailable(str(error)))
        except (VectorInvalid, WorkerSilent) as error:
            # What a fresh fork cannot do, its nursery has unlearnt.
            nursery.kill()
            self._could_not_start(EmbedderUnavailable(f"A new worker failed its first test: {error}"))
        return None

    async def _born(self, nursery: NurseryLink) -> WorkerLink:
        """Fork a worker and have it prove itself. Raises as `fork` and `_prove` do."""
        worker = await nursery.fork(self._settings.silence_s_max)
        try:
            await self._prove(worker, nursery.canary)
        except BaseException:
            worker.close()
            raise
        return worker

    async def _prove(self, worker: WorkerLink, known: Sequence[float]) -> None:
        """The canary's vector is what it was at the nursery's boot.

        Raises VectorInvalid, LinkLost, WorkerSilent.
        """
        request_id = self._staff.next_request_id()
        payload = await worker.ask(wire.request(request_id, "embed", [wire.encoded_text(CANARY)]))
        [found] = wire.parsed_vectors(payload, request_id, 1, len(known))
        cosine = float(found @ np.array(known, dtype=np.float32))
        if cosine < COSINE_MIN:
            raise VectorInvalid(f"The canary's vector has a cosine of {cosine:.4f} to what it was.")

    async def _work(self, worker: WorkerLink, nursery: NurseryLink) -> None:
        """Batch after batch until the worker fails one, dies waiting, or leaves for another."""
        examine_s = self._now_s + self._settings.examine_s
        while True:
            try:
                if self._is_asked_to_leave:
                    await self._leave(nursery)
                    return
                if self._now_s >= examine_s and self._staff.examining.locked():
                    # Somebody else is at it, and may be hanging: there is work to do meanwhile.
                    examine_s = self._now_s + EXAMINE_AGAIN_S
                elif self._now_s >= examine_s:
                    if not await self._examined(worker, nursery):
                        return
                    examine_s = self._now_s + self._settings.examine_s
                batch = await self._next_batch(worker, examine_s - self._now_s)
                if batch is not None and not await self._done(worker, batch):
                    return
            except WorkerSilent as error:
                await self._end_silent(worker, str(error))
                self._circuit.failed(self._now_s)
                self._check_circuit()
                return
            except (LinkLost, PiRagError) as error:
                self._log.warning("worker_lost", pid=worker.pid, reason=str(error))
                if not (isinstance(error, LinkLost) and await worker.was_killed()):
                    self._circuit.failed(self._now_s)
                    self._check_circuit()
                return

    async def _next_batch(self, worker: WorkerLink, wait_s: float) -> Batch | None:
        """What this worker should do next; None when nothing came in time.

        Raises LinkLost when it ended, WorkerSilent, VectorInvalid when it spoke without being asked.
        """
        given = self._staff.offer(self)
        taken = False
        try:
            assert self._asked_to_leave is not None, "somebody lives here"
            either: set[asyncio.Future[Any]] = {given, worker.speaking, self._asked_to_leave}
            await asyncio.wait(either, timeout=max(0.0, wait_s), return_when=asyncio.FIRST_COMPLETED)
            if worker.speaking.done():
                worker.heard()
                raise VectorInvalid("A worker spoke without being asked.")
            taken = given.done()
            return given.result() if taken else None
        finally:
            self._staff.leave(self)
            if given.done() and not taken:
                self._staff.put_back(given.result())

    async def _done(self, worker: WorkerLink, batch: Batch) -> bool:
        """Have a worker do a batch. False when the worker is not to be used again; its texts are seen to."""
        request_id = self._staff.next_request_id()
        self._life.move("busy")
        self.lane = batch.lane
        try:
            payload = await worker.ask(batch.payload(request_id))
            parts = batch.parsed(payload, request_id, worker.dimensions)
        except LinkLost as error:
            await self._bury(worker, batch, error)
        except WorkerSilent as error:
            self._blame(batch, TextNotEmbedded("A worker stayed silent over this text."))
            await self._end_silent(worker, str(error))
        except BadInput as error:
            self._refuse(batch, error)
            self._idle_again()
            return True
        except PiRagError as error:
            self._blame(batch, error)
        except BaseException:
            # Cancelled, or a fault of ours: whatever it is, these texts must not be forgotten.
            self._staff.put_back(batch)
            raise
        else:
            self._staff.lanes.done(batch, parts)
            self._idle_again()
            return True
        self._check_circuit()
        return False

    def _idle_again(self) -> None:
        self.lane = None
        self._life.move("idle")

    async def _bury(self, worker: WorkerLink, batch: Batch, why: LinkLost) -> None:
        """See to the texts of a worker that is gone."""
        try:
            killed = await worker.was_killed()
        except asyncio.CancelledError:
            self._staff.put_back(batch)
            raise
        if killed:
            self._excuse(batch)
        else:
            self._blame(batch, TextNotEmbedded(f"Workers die over this text: {why}"))

    def _excuse(self, batch: Batch) -> None:
        """A kill is held against nobody, unless it comes again and again."""
        for item in batch.items:
            item.kills += 1
            if item.kills > KILLS_MAX:
                item.fail(TextNotEmbedded("Workers are killed over this text, again and again."))
        self._staff.put_back(batch)

    def _blame(self, batch: Batch, error: PiRagError) -> None:
        """Another worker gets the texts, each alone so that the guilty one is found, or it is found now."""
        self._log.warning("worker_failed", reason=error.message, texts=len(batch.items))
        for item in batch.items:
            item.faults += 1
            item.alone = True
        first = batch.items[0]
        if len(batch.items) == 1 and first.faults >= FAULTS_MAX:
            # Two workers that had proved themselves: it was the text, and they are forgiven.
            self._circuit.forgive(first.faults - 1)
            first.fail(error)
        else:
            self._circuit.failed(self._now_s)
        self._staff.put_back(batch)

    def _refuse(self, batch: Batch, error: PiRagError) -> None:
        """One text cannot be taken as it is. Which one shows when each goes alone."""
        if len(batch.items) == 1:
            batch.items[0].fail(error)
        for item in batch.items:
            item.alone = True
        self._staff.put_back(batch)

    async def _examined(self, worker: WorkerLink, nursery: NurseryLink) -> bool:
        """True when the worker may stay. Raises VectorInvalid, LinkLost, WorkerSilent."""
        async with self._staff.examining:
            self._life.move("examined")
            await self._prove(worker, nursery.canary)
            if await self._grown(worker) and await self._relieved(nursery):
                self._life.move("leaving")
                return False
            self._life.move("idle")
            return True

    @property
    def _is_asked_to_leave(self) -> bool:
        return self._asked_to_leave is not None and self._asked_to_leave.done()

    async def _leave(self, nursery: NurseryLink) -> None:
        """Make room for another, who is there first where one is wanted and can be had."""
        async with self._staff.examining:
            self._life.move("examined")
            if self._open.is_set():
                await self._relieved(nursery)
            self._life.move("leaving")

    async def _relieved(self, nursery: NurseryLink) -> bool:
        """Whether another is there to take over. Who has grown still answers: better than nobody."""
        try:
            self._successor = await self._born(nursery)
        except (LinkLost, WorkerSilent, OSError, PiRagError) as error:
            self._log.warning("worker_not_relieved", reason=str(error))
            return False
        return True

    async def _grown(self, worker: WorkerLink) -> bool:
        """Whether its private memory has grown too much since it was first examined."""
        now_mib = await asyncio.to_thread(private_mib, worker.pid)
        if now_mib is None or self._private_mib is None:
            self._private_mib = now_mib
            return False
        grown_mib = now_mib - self._private_mib
        if grown_mib <= self._settings.growth_mib_max:
            return False
        self._log.warning("worker_grown", pid=worker.pid, private_mib=now_mib, grown_mib=round(grown_mib, 1))
        return True

    async def _end_silent(self, worker: WorkerLink, why: str) -> None:
        """Ask a silent worker where it hangs; who keeps this place kills it then."""
        self._life.move("silent")
        self._log.warning("worker_silent", pid=worker.pid, reason=why)
        await worker.tell_its_stack()

    def _could_not_start(self, error: EmbedderUnavailable) -> None:
        self._circuit.failed(self._now_s)
        self._staff.news(error)
        self._check_circuit()

    def _check_circuit(self) -> None:
        if self._circuit.state(self._now_s) == "open":
            raise CircuitOpen

    @property
    def _now_s(self) -> float:
        return self._staff.clock.monotonic_s()
