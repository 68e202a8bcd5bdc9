"""The watchdog of memory: look, decide by `budget.py`, act, and say so in one line for each step.

It runs for the life of the service and must never end by itself: what fails in a look or an act is logged,
and the next look comes. How a step is carried out is the `Hands`' affair.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Protocol

from pi_rag import log
from pi_rag.budget import Cause, Decision, Process, Sample, State, Step, Terms, decide
from pi_rag.clock import Clock, tick_s
from pi_rag.config import Settings
from pi_rag.host import memory
from pi_rag.host.heat import undervoltage
from pi_rag.ingest.aside import apart
from pi_rag.service.sampling import Known, Sampler
from pi_rag.store.store import Store

STEPS_KEPT = 20
"""How many of the last steps /v1/status tells."""

SHED_S_BETWEEN = 5.0
"""How often what is cached is dropped until there is room again."""

_log = log.logger("memory")


class Hands(Protocol):
    """What the watchdog acts through. Everything may be asked again, and then changes nothing."""

    def processes(self) -> Known:
        """All processes of the service, and what they are for."""
        ...

    @property
    def workers(self) -> int:
        """How many may embed documents in good times; other settings may change it."""
        ...

    async def shed(self) -> None:
        """Drop what is cached."""
        ...

    def refuse(self, refuse: bool) -> None:
        """Take in no more documents, or do so again."""
        ...

    async def recycle(self, pid: int) -> None:
        """Have another process take this one's place."""
        ...

    def hold_to(self, workers: int) -> None:
        """Have no more than so many workers embed documents."""
        ...

    def rest(self, rest: bool) -> None:
        """End the embedder, or start it again."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A step of the ladder, or a process that was replaced, with the figures that caused it."""

    at: float
    """Seconds since 1970."""
    event: str
    """`memory_step` or `memory_recycle`."""
    step: str
    before: str
    cause: str | None
    """`budget`, `cgroup`, `pressure` or `available`; None on the way down."""
    figure: float | None
    bound: float | None
    """Of that cause: MiB, or percent for `pressure`."""
    used_mib: float
    budget_mib: float
    available_mib: float | None
    pressure_percent: float | None
    fattest: str
    """The role of the process that holds most of its own."""
    fattest_pid: int
    fattest_mib: float


Listener = Callable[[Taken], None]


def of(settings: Settings, store: Store, clock: Clock) -> Watchdog:
    """The watchdog of a service with these settings, which are `sizing.sized`."""
    terms = Terms(settings.memory.budget_mib, settings.embedder.workers_wanted, settings.memory)
    sampler = Sampler(settings.memory, clock, sqlite_mib=lambda: store.memory_mib, undervoltage=undervoltage)
    return Watchdog(terms, sampler, clock)


class Watchdog:
    """One for the life of the service. It does nothing until `start`."""

    def __init__(self, terms: Terms, sampler: Sampler, clock: Clock) -> None:
        self._terms = terms
        self._sampler = sampler
        self._clock = clock
        self._state = State(since_s=clock.monotonic_s())
        self._workers = terms.workers
        self._sample = Sample(())
        self._steps: deque[Taken] = deque(maxlen=STEPS_KEPT)
        self._listeners: list[Listener] = []
        self._hands: Hands | None = None
        self._task: asyncio.Task[None] | None = None
        self._recycling: asyncio.Task[None] | None = None
        self._shedding: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._shed_s = float("-inf")
        self.beat: Callable[[], None] = lambda: None
        """Called by the loop that looks, to say that it works."""

    @property
    def step(self) -> Step:
        """How far up the ladder the service is."""
        return self._state.step

    @property
    def used_share(self) -> float | None:
        """Of the budget, as at the last look; None before the first."""
        return self._sample.used_mib / self._terms.budget_mib if self._sample.processes else None

    @property
    def room_mib(self) -> float | None:
        """What may still be taken until something is given up: nothing while something is. None: unknown."""
        if not self._sample.processes:
            return None
        room_mib = self._terms.budget_mib * self._terms.settings.shed_percent / 100 - self._sample.used_mib
        return 0.0 if self.step > Step.NORMAL else max(0.0, room_mib)

    def available_mib(self) -> float | None:
        """What the board has left for caches and ingest: nothing while caches are shed. None: not known."""
        return 0.0 if self.step >= Step.SHED else memory.available_mib()

    def listen(self, listener: Listener) -> None:
        """Have every step and every replaced process told; the listener must not raise or wait."""
        self._listeners.append(listener)

    def use(self, hands: Hands) -> None:
        """What it looks at and acts through. Once, before all else."""
        self._hands = hands

    def start(self) -> asyncio.Task[None]:
        """Begin. The task ends only by `stop`."""
        assert self._hands is not None, "somebody has said what to look at"
        told = memory.told()
        _log.info("memory_watched", budget_mib=self._terms.budget_mib, **told)
        self._task = asyncio.create_task(self._keep(), name="memory")
        return self._task

    async def stop(self) -> None:
        """Watch no more. Twice is harmless."""
        tasks = {each for each in (self._task, self._recycling, self._shedding) if each is not None}
        self._task = self._recycling = self._shedding = None
        for each in tasks:
            each.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def status(self, *, well: bool = True) -> dict[str, Any]:
        """How memory is, as /v1/status shows it in `memory`: measured now, or, not `well`, as it is known."""
        sample = await self._look(well=well)
        group = sample.group
        return {
            "step": self.step.word,
            "since_s": round(self._clock.monotonic_s() - self._state.since_s, 1),
            "budget_mib": self._terms.budget_mib,
            "pss_mib_total": round(sample.used_mib, 1),
            "processes": [asdict(each) for each in sample.processes],
            "sqlite_mib": sample.sqlite_mib,
            "available_mib": sample.available_mib,
            "pressure_percent": sample.pressure_percent,
            "cgroup": asdict(group) if group is not None else None,
            "workers_max": self._workers,
            "recycled_h": len(self._state.recycled_s),
            "sampling_ms": self._sampler.cost_ms,
            "steps": [asdict(each) for each in self._steps],
        }

    async def _keep(self) -> None:
        while True:
            self.beat()
            try:
                if self._is_due():
                    await self.look()
            except Exception:
                # Whatever it is, the next look may do better, and a watchdog that has ended does nothing.
                _log.exception("memory_fault")
            await asyncio.sleep(tick_s(self._clock, self._terms.settings.look_s))

    def _is_due(self) -> bool:
        """Whether to look as a whole. A process that moves is seen all the same."""
        assert self._hands is not None
        return self.step > Step.NORMAL or not self._sampler.may_rest(self._hands.processes())

    async def look(self) -> None:
        """Once, and do what follows from it."""
        # While something is given up, it should be taken back as soon as may be.
        hands, self._sample = self._hands, await self._look(often=self.step > Step.NORMAL)
        assert hands is not None, "somebody has said what to act through"
        before, self._terms = self._state.step, replace(self._terms, workers=hands.workers)
        decision = decide(
            self._sample,
            self._state,
            self._terms,
            self._clock.monotonic_s(),
            is_recycling=not _is_free(self._recycling),
        )
        self._state = decision.state
        for step in decision.entered:
            self._tell("memory_step", step, before, decision.cause, _fattest(self._sample))
            before = step
        self._act(decision, hands)

    async def _look(self, *, often: bool = False, well: bool = False) -> Sample:
        assert self._hands is not None
        async with self._turn:
            look = partial(self._sampler.look, self._hands.processes(), often=often, well=well)
            return await apart(look)

    def _act(self, decision: Decision, hands: Hands) -> None:
        """Carry out all that the step asks for; most of it is so already.

        What takes time has a task of its own: a store in the middle of a write must not put off any look.
        """
        step = decision.state.step
        hands.refuse(step >= Step.REFUSE)
        self._hold_to(decision, hands)
        hands.rest(step >= Step.WORDS)
        if decision.recycle is not None:
            self._tell("memory_recycle", step, step, decision.cause, decision.recycle)
            self._recycling = _begun(partial(hands.recycle, decision.recycle.pid), "recycle")
        if step >= Step.SHED and decision.state.calm_since_s is None:
            self._shed(hands)

    def _shed(self, hands: Hands) -> None:
        """Once a step, and again now and then until that is enough; one after the other.

        What was in use at the first time is given back by a later one: searches go on meanwhile.
        """
        now_s = self._clock.monotonic_s()
        is_due = self._shed_s < self._state.since_s or now_s - self._shed_s >= SHED_S_BETWEEN
        if is_due and _is_free(self._shedding):
            self._shed_s = now_s
            self._shedding = _begun(hands.shed, "shed")

    def _hold_to(self, decision: Decision, hands: Hands) -> None:
        hands.hold_to(decision.workers)
        if decision.workers != self._workers:
            weak = bool(self._sample.undervoltage)
            _log.warning("memory_workers", workers=decision.workers, before=self._workers, undervoltage=weak)
            self._workers = decision.workers

    def _tell(
        self, event: str, step: Step, before: Step, cause: Cause | None, fattest: Process | None
    ) -> None:
        """One line in the log, in the status, and to who listens."""
        sample = self._sample
        taken = Taken(
            at=round(self._clock.wall_s(), 3),
            event=event,
            step=step.word,
            before=before.word,
            cause=cause.source if cause else None,
            figure=round(cause.figure, 1) if cause else None,
            bound=cause.bound if cause else None,
            used_mib=round(sample.used_mib, 1),
            budget_mib=self._terms.budget_mib,
            available_mib=sample.available_mib,
            pressure_percent=sample.pressure_percent,
            fattest=fattest.role if fattest else "",
            fattest_pid=fattest.pid if fattest else 0,
            fattest_mib=(fattest.private_mib if fattest else None) or 0.0,
        )
        self._steps.append(taken)
        _log.warning(**{name: value for name, value in asdict(taken).items() if value is not None})
        for listener in self._listeners:
            listener(taken)


def _is_free(task: asyncio.Task[None] | None) -> bool:
    return task is None or task.done()


def _begun(act: Callable[[], Awaitable[None]], name: str) -> asyncio.Task[None]:
    async def carried_out() -> None:
        try:
            await act()
        except Exception:
            _log.exception("memory_fault")

    return asyncio.create_task(carried_out(), name=name)


def _fattest(sample: Sample) -> Process | None:
    return max(sample.processes, key=lambda each: each.private_mib or 0.0, default=None)
