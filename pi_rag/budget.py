"""How much RAM the service may take, and what it gives up, step by step, as it comes near that. Pure.

The ladder: `normal`; `shed` drops what is cached; `refuse` takes in no documents; `recycle` replaces the
fattest worker, one at a time; `fewer` leaves one worker for documents; `words` ends the embedder, so that
searches are answered from words alone. It is climbed as far as the figures call for, and come down one step
at a time. It knows neither where the figures come from nor how a step is carried out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

from pi_rag.config import MemorySettings


class Step(IntEnum):
    """How far up the ladder. Each step keeps what those below it do."""

    NORMAL = 0
    SHED = 1
    REFUSE = 2
    RECYCLE = 3
    FEWER = 4
    WORDS = 5

    @property
    def word(self) -> str:
        """As people and programs read it."""
        return self.name.lower()


Source = Literal["budget", "cgroup", "pressure", "available"]
"""What called for a step: the sum over our processes, the kernel's own limit, stalls for want of memory, or
what the board has left."""

STEPS_PERCENT = (0.0, 3.0, 6.0, 10.0, 14.0)
"""So far above `shed_percent` each step begins. With 90: at 90, 93, 96, 100 and 104 % of the budget."""

SLACK_PERCENT = 10.0
"""So far below where it began a step is left again, so that it does not come and go with every page."""

AVAILABLE_TIMES = (2.0, 1.0, 0.5, 0.5)
"""At how many times `available_mib_min` the board's want of memory calls for shed, refuse, recycle and fewer.
Never for more: what is short may be somebody else's doing, and searches should not pay for it."""

SETTLE_S = 1.5
"""What a recycled worker, or one fewer, needs to show in the figures; it has a second to finish
what it is at. Until then nothing more is given up."""

WORTH_MIB = 24.0
"""A process with less of its own is not worth replacing: a fresh worker has some 10 MiB."""

WEAK_S = 60.0
"""How long the board counts as short of power after its supply was last seen too weak."""

HOUR_S = 3600.0

TUNER = "tuner"
"""The role of what measures the machine, and of all that it starts."""

UNCOUNTED = frozenset({"reader", TUNER})
"""The roles that may be ended as often as there is a reason: they begin anew, or not at all."""

REPLACED = UNCOUNTED | {"worker", "reindex worker"}
"""The roles that can be ended at any moment, and whose work is then done by another, or later."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the service. None: it was gone, or hides it."""

    pid: int
    role: str
    pss_mib: float | None
    """Its share of RAM: pages that several use are divided among them."""
    private_mib: float | None
    """What would be free if it ended."""


@dataclass(frozen=True, slots=True)
class Group:
    """What the memory cgroup says, in MiB."""

    current_mib: float
    """With the page cache, which the kernel takes back when it needs it."""
    anon_mib: float
    """Without."""
    max_mib: float | None
    """At which it kills; None: at none."""
    kills: int
    """How often it has."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is known at one moment; None where nobody says."""

    processes: tuple[Process, ...]
    sqlite_mib: float | None = None
    group: Group | None = None
    pressure_percent: float | None = None
    """Share of the last ten seconds in which something waited for memory: PSI's `some avg10`."""
    available_mib: float | None = None
    undervoltage: bool | None = None

    @property
    def used_mib(self) -> float:
        """Of all processes together."""
        return sum(each.pss_mib or 0.0 for each in self.processes)


@dataclass(frozen=True, slots=True)
class Terms:
    """What it is held to."""

    budget_mib: float
    workers: int
    """That embed documents, in good times."""
    settings: MemorySettings


@dataclass(frozen=True, slots=True)
class Cause:
    """Which figure called for which step."""

    step: Step
    source: Source
    figure: float
    bound: float
    """What the figure is held against: MiB, or percent for `pressure`."""


@dataclass(frozen=True, slots=True)
class State:
    """Where it stands; times are of one monotonic clock."""

    step: Step = Step.NORMAL
    since_s: float = 0.0
    calm_since_s: float | None = None
    """Since when the figures have called for less."""
    recycled_s: tuple[float, ...] = ()
    """When workers were replaced, of the last hour."""
    replaced_s: float = float("-inf")
    """When the last one was, those that are not counted too."""
    weak_until_s: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now."""

    state: State
    entered: tuple[Step, ...]
    """The steps that begin now, in order: several up, or the one that is come down to."""
    cause: Cause | None
    """The figure that calls for most; None when none calls for anything."""
    recycle: Process | None
    """Who is to be replaced."""
    workers: int
    """How many may embed documents; at least one."""


def decide(
    sample: Sample, state: State, terms: Terms, now_s: float, *, is_recycling: bool = False
) -> Decision:
    """The step for these figures, and what follows from it. While one is replaced no other is chosen."""
    cause = _called_for(sample, terms)
    step = cause.step if cause else Step.NORMAL
    is_up = step > state.step
    after = _climbed(sample, state, step, now_s) if is_up else _held(sample, state, terms, now_s)
    entered = _between(state.step, after.step)
    fat = None if is_recycling else _to_recycle(sample, after, step, terms, now_s)
    if fat is not None:
        counted = () if fat.role in UNCOUNTED else (now_s,)
        after = replace(after, replaced_s=now_s, recycled_s=_last_hour(after, now_s) + counted)
    if sample.undervoltage:
        after = replace(after, weak_until_s=now_s + WEAK_S)
    return Decision(after, entered, cause, fat, _workers(after, terms, now_s))


def causes(sample: Sample, terms: Terms, slack_percent: float = 0.0) -> Iterator[Cause]:
    """What each source calls for. With slack: what it takes to keep a step that was begun."""
    settings, slack = terms.settings, slack_percent / 100
    shares = tuple((settings.shed_percent + more) / 100 - slack for more in STEPS_PERCENT)
    yield _cause("budget", sample.used_mib, terms.budget_mib, shares)
    if sample.group is not None and sample.group.max_mib:
        yield _cause("cgroup", sample.group.anon_mib, sample.group.max_mib, shares)
    if sample.pressure_percent is not None and settings.pressure_percent_max:
        times: tuple[float, ...] = (1.0 - 5 * slack, 2.0 - 5 * slack)
        yield _cause("pressure", sample.pressure_percent, settings.pressure_percent_max, times)
    if sample.available_mib is not None and settings.available_mib_min:
        times = tuple(each * (1 + 2 * slack) for each in AVAILABLE_TIMES)
        yield _cause("available", sample.available_mib, settings.available_mib_min, times)


def _cause(source: Source, figure: float, bound: float, times: tuple[float, ...]) -> Cause:
    """The highest step whose share of the bound is reached; of what is available, whose share is lost."""
    lost = source == "available"
    reached = sum((figure < bound * each) if lost else (figure >= bound * each) for each in times)
    return Cause(Step(reached), source, figure, bound)


def _called_for(sample: Sample, terms: Terms) -> Cause | None:
    worst = max(causes(sample, terms), key=lambda each: each.step)
    return worst if worst.step else None


def _climbed(sample: Sample, state: State, step: Step, now_s: float) -> State:
    """Up to `recycle` at once; beyond it only when what went before had time to show.

    Then one step at a time, while a process holds what fewer of them would give back; otherwise all at once.
    """
    if state.step < Step.RECYCLE:
        step = min(step, Step.RECYCLE)
    elif now_s - max(state.since_s, state.replaced_s) < SETTLE_S:
        return replace(state, calm_since_s=None)
    elif _fat(sample):
        step = Step(state.step + 1)
    return replace(state, step=step, since_s=now_s, calm_since_s=None)


def _held(sample: Sample, state: State, terms: Terms, now_s: float) -> State:
    """Stay, or come down one step when the figures have called for less for long enough."""
    keeps = max(each.step for each in causes(sample, terms, SLACK_PERCENT))
    if keeps >= state.step:
        return replace(state, calm_since_s=None)
    calm_since_s = now_s if state.calm_since_s is None else state.calm_since_s
    if now_s - calm_since_s < terms.settings.calm_s:
        return replace(state, calm_since_s=calm_since_s)
    return replace(state, step=Step(state.step - 1), since_s=now_s, calm_since_s=now_s)


def _between(before: Step, after: Step) -> tuple[Step, ...]:
    """Every step that is entered on the way up; on the way down there is one."""
    if after >= before:
        return tuple(Step(each) for each in range(before + 1, after + 1))
    return (after,)


def _to_recycle(sample: Sample, state: State, called: Step, terms: Terms, now_s: float) -> Process | None:
    """The process that holds most of its own, when one is to go now and is worth it."""
    if min(called, state.step) < Step.RECYCLE or now_s - state.replaced_s < SETTLE_S:
        return None
    fat = _fat(sample)
    if len(_last_hour(state, now_s)) >= terms.settings.recycles_h_max:
        fat = [each for each in fat if each.role in UNCOUNTED]
    return max(fat, key=lambda each: each.private_mib or 0.0, default=None)


def _fat(sample: Sample) -> list[Process]:
    """Who is worth replacing."""
    return [
        each for each in sample.processes if each.role in REPLACED and (each.private_mib or 0) >= WORTH_MIB
    ]


def _last_hour(state: State, now_s: float) -> tuple[float, ...]:
    return tuple(each for each in state.recycled_s if now_s - each < HOUR_S)


def _workers(state: State, terms: Terms, now_s: float) -> int:
    """One while memory is that short; half of them while the board lacks power."""
    if state.step >= Step.FEWER:
        return 1
    return max(1, terms.workers // 2) if now_s < state.weak_until_s else terms.workers
