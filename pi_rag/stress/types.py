"""What the pieces of the harness say to each other. It knows neither service nor disk.

All times are seconds since the run began, by a clock that only goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from pi_rag.stress.tally import Histogram, Tally

if TYPE_CHECKING:
    from pi_rag.stress.running import RunningService

Operation = Literal["search", "add", "remove", "remember", "event", "recall"]
LOST = "nothing acknowledged is lost"
"""The name of the promise that the canary breaks."""

Ending = Literal["whole", "interrupted", "failed"]
"""`failed`: the harness could not go on. A run in which a promise was not kept is whole all the same."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request."""

    at_s: float
    """When it was answered."""
    operation: Operation
    latency_ms: float
    code: str
    """Empty when all is well, `degraded` when it said so, else the error's code, such as `busy`."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What became of one question whose answer is known."""

    at_s: float
    """When it was answered."""
    way: Literal["words", "meaning"]
    latency_ms: float
    waited_ms: float
    """How long those whom it had to pass stood in line for a processor meanwhile: a busy machine's doing, and
    not the service's. 0 where the kernel does not say."""
    code: str
    """As an answer's."""
    is_found: bool
    """Whether the one right document was among the hits."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something was done to the service, or a part of the run began: a line in the plots."""

    at_s: float
    name: str
    """A fault's name, as `pi-rag stress --list` has it, or a phase's."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """Machine and service at one moment, once a second. By role: supervisor, nursery, worker, reader."""

    at_s: float
    pss_mib: Mapping[str, float]
    private_mib: Mapping[str, float]
    processor_share: Mapping[str, float]
    """Of one core, since the sample before."""
    descriptors: int
    threads: int
    """Of the supervisor, as the descriptors."""
    wal_mib: float
    disk_free_mib: float
    queued: int
    """Documents that wait, by the service's own account; -1 when it did not answer."""
    is_ready: bool
    degraded: tuple[str, ...] = ()
    temperature_c: float | None = None
    is_throttled: bool | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One promise and what was seen of it."""

    name: str
    asked: str
    seen: str
    is_kept: bool | None
    """None: it could not be looked at here, and `seen` says why."""


@dataclass
class Record:
    """All that is known of one run, kept up to date while it goes on: an interrupted one has a report."""

    scenario: str
    seed: int
    minutes: float
    began: str = ""
    """The wall clock's, ISO 8601; nothing is computed from it."""
    machine: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    ending: Ending = "interrupted"
    reason: str = ""
    """Why it was interrupted or failed."""
    answers: list[Answer] = field(default_factory=list)
    """The newest ones, bounded; `tally` has counted them all."""
    tally: Tally = field(default_factory=Tally)
    samples: list[Sample] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    """Units last: `search_p95_ms`."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know of the circumstances, a sentence each."""
    is_quick: bool = False
    must_fail: bool = False
    """As its scenario's."""

    @property
    def is_kept(self) -> bool:
        """Whether the run came to its end, and of its promises some were kept and none was broken."""
        seen = [each.is_kept for each in self.checks if each.is_kept is not None]
        return self.ending == "whole" and bool(seen) and all(seen)

    @property
    def not_seen(self) -> int:
        """How many of its promises could not be looked at."""
        return sum(each.is_kept is None for each in self.checks)

    @property
    def is_well(self) -> bool:
        """Whether it ended as it must: of the canary, that the loss was found, and nothing else."""
        if not self.must_fail:
            return self.is_kept
        return self.ending == "whole" and [c.name for c in self.checks if c.is_kept is False] == [LOST]


class Stage(Protocol):
    """What a scenario may do: one service of its own, one source of chance, one record, an end in time."""

    service: RunningService
    dice: random.Random
    """Seeded; chance comes from nowhere else."""
    seed: int
    folder: Path
    """For whatever it writes; gone after the run."""
    record: Record

    @property
    def is_quick(self) -> bool:
        """Whether the short form was asked for: fewer rounds, the same promises."""

    def elapsed_s(self) -> float:
        """Since the run began."""

    def left_s(self) -> float:
        """Until the run's time is over, or 0 as soon as somebody asks it to stop. Loops ask this."""

    def pause(self, seconds: float) -> bool:
        """Let so much time pass; False at once when the run is to end."""

    def mark(self, name: str, detail: str = "") -> None:
        """Note what was done just now."""

    def check(self, name: str, asked: str, seen: str, is_kept: bool | None) -> None:
        """Note a promise and what was seen of it."""

    def figure(self, name: str, value: float) -> None:
        """Note a measured figure."""

    def acknowledged(self, documents: Iterable[Mapping[str, str]]) -> None:
        """Note acknowledged documents, {"source", "text"}: they must be there in the end.

        A crowd notes its own.
        """

    def restarted(
        self, environ: Mapping[str, str] | None = None, *, under: Sequence[str] | None = None
    ) -> RunningService:
        """The service ended as systemd ends it, and started again, with other settings if any are given, and
        under another program if one is. Only the main thread may ask for it."""

    def crowd(self, clients: int, mix: Mapping[Operation, float], *, pace_s: float = 0.0) -> Crowd:
        """So many guests, each asking again when it has its answer and `pace_s` are over, until told to stop.

        They live in processes of their own, so that the harness's interpreter is not what is measured.
        """


class Crowd(Protocol):
    """Guests that ask all the while. Their answers come into the stage's record each second."""

    def __enter__(self) -> Crowd: ...
    def __exit__(self, *_: object) -> None: ...

    def seen(self, operation: Operation) -> Histogram:
        """What became of these guests' requests of one kind; whole once the crowd has gone."""


@dataclass(frozen=True)
class Scenario:
    """One way to use or misuse the service, by name."""

    name: str
    about: str
    """One line, for `pi-rag stress --list`."""
    minutes: float
    """How long it runs by itself; `--minutes` says otherwise."""
    quick_minutes: float
    run: Callable[[Stage], None]
    environ: Mapping[str, str] = field(default_factory=dict)
    """Settings of its service."""
    under: tuple[str, ...] = ()
    """A program that becomes its service, as `RunningService` takes it."""
    must_fail: bool = False
    """The canary: it is well when a loss is found, and nothing else."""
    disk_mib: int = 512
    """How much room its data and files may take."""
