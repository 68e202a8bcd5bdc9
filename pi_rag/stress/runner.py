"""One scenario from its service's start to its end, and the record of it: the real `Stage`.

Whatever happens, the service is ended, its folder is gone, and the record tells how far it came. It knows no
scenario, no report and no command.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from pi_rag.client import Client
from pi_rag.errors import PiRagError
from pi_rag.stress import family, truth, workload
from pi_rag.stress.crowd import Guests, Place
from pi_rag.stress.ledger import Ledger
from pi_rag.stress.monitor import ANSWER_S_MAX, Monitor
from pi_rag.stress.running import RunningService
from pi_rag.stress.types import Answer, Check, Crowd, Mark, Operation, Record, Sample, Scenario

ANSWERS_MAX = 100_000
"""So many of the newest answers are kept one by one; the tally counts all. They take some 20 MiB."""

SAMPLES_MAX = 7200
"""Two hours of seconds. When there are more, every other one is let go, and from then on one is kept of twice
as many."""

LOOK_S = 0.05
"""How soon a wish to end is seen."""

MARKS_MAX = 5000
CHECKS_MAX = 1000


@dataclass(frozen=True)
class Plan:
    """What all scenarios of a run have in common."""

    seed: int
    folder: Path
    """Each scenario has a folder in it while it runs."""
    environ: Mapping[str, str]
    """Settings of every service: the model above all."""
    keep: Callable[[Path], None] = lambda _: None
    """Told of folders that must be gone in the end, even if the harness is killed."""
    logs: Path | None = None
    """Where the log of a service is put with which something was wrong."""
    minutes: float | None = None
    """None: each scenario's own."""
    is_quick: bool = False
    machine: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def minutes_of(self, scenario: Scenario) -> float:
        """How long this one may take."""
        if self.minutes is not None:
            return self.minutes
        return scenario.quick_minutes if self.is_quick else scenario.minutes


class Stop:
    """Somebody's wish that the run should end. A signal handler may set it: it is a flag and no lock."""

    def __init__(self) -> None:
        self.reason = ""

    @property
    def is_wished(self) -> bool:
        """Whether it should end."""
        return bool(self.reason)

    def wish(self, reason: str) -> None:
        """From now on nothing more is begun."""
        self.reason = self.reason or reason

    def wait(self, seconds: float) -> bool:
        """Let time pass; True as soon as somebody wishes the end."""
        end_s = time.monotonic() + seconds
        while not self.is_wished and (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(LOOK_S, left_s))
        return self.is_wished


class Running:
    """A scenario's stage. See `types.Stage` for what it offers."""

    def __init__(self, scenario: Scenario, plan: Plan, stop: Stop, record: Record) -> None:
        self.scenario = scenario
        self.seed = plan.seed
        # A scenario by itself has the same chance as in a run of all.
        self.dice = random.Random(f"{plan.seed}/{scenario.name}")
        self.record = record
        self.ledger = Ledger()
        self.folder = plan.folder / scenario.name
        self._plan = plan
        self._stop = stop
        self._began_s = time.monotonic()
        self._lock = threading.Lock()
        self._ledger_lock = threading.Lock()
        self._guests = 0
        self._crowds: list[Guests] = []
        self._sample_every = 1
        self._samples_seen = 0
        self.service = RunningService(
            self.folder, {**plan.environ, **scenario.environ}, under=scenario.under, is_tied=True
        )
        self._around = ExitStack()

    def __enter__(self) -> Running:
        self._plan.keep(self.folder)
        self._plan.keep(self.service.socket.parent)
        self.folder.mkdir(parents=True)
        self._around.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._around.callback(self._end_service)
        try:
            self.service.start()
            self.figure("started_s", self.elapsed_s())
            # The run's time is for what it is about; how long the service took to start is a figure.
            self._began_s = time.monotonic()
            budget_mib = self.service.client.status()["memory"]["budget_mib"]
            self.figure("memory_budget_mib", float(budget_mib))
            self._around.callback(self._tell_cost, monitor := self._monitor())
            self._around.enter_context(monitor)
        except BaseException:
            self._around.close()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._around.close()

    def _monitor(self) -> Monitor:
        client = Client(self.service.socket, answer_s_max=ANSWER_S_MAX)
        return Monitor(self._pid, client, self.service.data, self.elapsed_s, self._keep_sample)

    def _tell_cost(self, monitor: Monitor) -> None:
        """What looking has taken of one core: the harness is a load of its own. And how often it failed."""
        if monitor.errors:
            seen = f"{monitor.errors.total()} times not: {monitor.errors.most_common(3)}"
            self.check("the monitor sees all the while", "each second", seen, is_kept=False)
        self.figure("monitor_core_share", monitor.looking_s / max(self.elapsed_s(), 1.0))
        self.figure("memory_counted_every_s", monitor.size_every_s)

    def _pid(self) -> int | None:
        process = self.service.process
        return process.pid if process is not None else None

    def _end_service(self) -> None:
        """Ask it to end, and take the folder of its socket away; a service that does not end is killed."""
        try:
            pid = self._pid()
            everybody = family.begun(family.all_of(pid)) if pid else {}
            truth.end(self.service)
            truth.kill_left(everybody)
            self._keep_log()
        finally:
            self.service.__exit__()

    def _keep_log(self) -> None:
        """What the service said, where that may tell what was wrong. It is no part of the report."""
        if self._plan.logs is None or (self.record.is_well and not self._stop.is_wished):
            return
        if self.service.log.exists():
            (self._plan.logs / f"{self.scenario.name}.service.log").write_bytes(self.service.log_end())

    @property
    def is_quick(self) -> bool:
        """Whether the short form was asked for."""
        return self._plan.is_quick

    def elapsed_s(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._began_s

    def left_s(self) -> float:
        """Until the time is over; 0 when somebody wishes the end."""
        if self._stop.is_wished:
            return 0.0
        return max(0.0, self.record.minutes * 60 - self.elapsed_s())

    def pause(self, seconds: float) -> bool:
        """Let time pass; False when the run is to end."""
        self._stop.wait(min(seconds, self.left_s()))
        return self.left_s() > 0

    def mark(self, name: str, detail: str = "") -> None:
        """Note what was done just now."""
        if len(self.record.marks) < MARKS_MAX:
            self.record.marks.append(Mark(round(self.elapsed_s(), 3), name, detail))

    def check(self, name: str, asked: str, seen: str, is_kept: bool | None) -> None:
        """Note a promise and what was seen of it."""
        if len(self.record.checks) < CHECKS_MAX:
            self.record.checks.append(Check(name, asked, seen, is_kept))

    def figure(self, name: str, value: float) -> None:
        """Note a measured figure."""
        self.record.figures[name] = round(value, 3)

    def acknowledged(self, documents: Iterable[Mapping[str, str]]) -> None:
        """Note what must be there in the end."""
        with self._ledger_lock:
            self.ledger.take(("added", each["source"], workload.digest(each["text"])) for each in documents)

    def restarted(
        self, environ: Mapping[str, str] | None = None, *, under: Sequence[str] | None = None
    ) -> RunningService:
        """The service ended and started again, on the same data; what is given holds for this start."""
        self.service.stop()
        self.service.start(environ=environ, under=under)
        return self.service

    def crowd(self, clients: int, mix: Mapping[Operation, float], *, pace_s: float = 0.0) -> Crowd:
        """So many guests, in processes of their own."""
        first, self._guests = self._guests, self._guests + clients
        place = Place(
            socket=str(self.service.socket),
            seed=self.seed,
            began_s=self._began_s,
            keep=self._keep_answers,
            ledger=self.ledger,
            lock=self._ledger_lock,
        )
        self._crowds.append(guests := Guests(place, first, clients, mix, pace_s))
        return guests

    def lost_guests(self) -> int:
        """Processes of guests of whose last word nobody knows."""
        return sum(each.lost_processes for each in self._crowds)

    def _keep_answers(self, answers: list[Answer]) -> None:
        with self._lock:
            self.record.tally.add(answers)
            kept = self.record.answers
            kept += answers
            if len(kept) > ANSWERS_MAX:
                del kept[: len(kept) - ANSWERS_MAX * 9 // 10]

    def _keep_sample(self, sample: Sample) -> None:
        with self._lock:
            self._samples_seen += 1
            if self._samples_seen % self._sample_every:
                return
            self.record.samples.append(sample)
            if len(self.record.samples) > SAMPLES_MAX:
                del self.record.samples[::2]
                self._sample_every *= 2


def run_one(scenario: Scenario, plan: Plan, stop: Stop, record: Record) -> None:
    """Run one scenario and fill its record, which is right at any moment. Raises KeyboardInterrupt alone."""
    began_s = time.monotonic()
    try:
        with Running(scenario, plan, stop, record) as stage:
            scenario.run(stage)
            if not stop.is_wished:
                truth.looked_over(stage)
            # Within the block: what is kept of the service depends on how it went.
            record.ending, record.reason = ("interrupted", stop.reason) if stop.is_wished else ("whole", "")
    except KeyboardInterrupt:
        record.ending, record.reason = "interrupted", stop.reason or "It was interrupted."
        raise
    except Exception as error:
        # Who cuts a scenario short has it find less than it counts on.
        wished = stop.is_wished
        record.ending, record.reason = ("interrupted", stop.reason) if wished else ("failed", _why(error))
    finally:
        record.seconds = round(time.monotonic() - began_s, 1)


def _why(error: Exception) -> str:
    """One line. A service that did not start brings its whole log along, which is kept beside."""
    if isinstance(error, PiRagError):
        return f"{error.code}: {error.message}"
    told = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"{told} ({_place(error)})"


def _place(error: BaseException) -> str:
    """Where in the harness it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"


def new_record(scenario: Scenario, plan: Plan) -> Record:
    """Of a run that is about to begin."""
    return Record(
        scenario=scenario.name,
        seed=plan.seed,
        minutes=plan.minutes_of(scenario),
        began=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        machine=plan.machine,
        reason="It did not come to its end.",
        notes=list(plan.notes),
        is_quick=plan.is_quick,
        must_fail=scenario.must_fail,
    )
