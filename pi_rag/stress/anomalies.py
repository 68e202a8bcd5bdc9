"""Every anomaly that the harness does to a service to see whether it finds it, and as what it may be found.

Some are done from outside, with signals and processes of their own; the others inside a service that runs
under `injecting`, by an order. What was found is matched here with what was done; how it is found is in
`detecting`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pi_rag.stress import family
from pi_rag.stress.detecting import Finding, Kind
from pi_rag.stress.orders import Orders
from pi_rag.stress.signals import stopped
from pi_rag.stress.types import Stage

EARLY_S_MAX = 6.0
"""A leak is seen in a window, which may begin a little before it does."""

NOTICED_S_MAX = 20.0
"""From its beginning on, or it was not found."""

HOLDER = """
import sqlite3, sys
db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None)
db.execute("BEGIN")
db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
print("held", flush=True)
sys.stdin.read()
"""
"""Somebody's own program that begins to read the database and does not come to an end. It is a process of its
own: within the service, a second SQLite would drop the locks of the first."""

Hurt = Callable[[Stage], AbstractContextManager[Callable[[float], bool]]]
"""Inside its block the anomaly is there; it gives what lets time pass, as `Stage.pause` does."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that goes wrong for a while."""

    name: str
    about: str
    hurt: Hurt
    kinds: tuple[Kind, ...]
    """As any of these it may be found."""
    where: str = ""
    """And there, if it matters where."""
    seconds: float = 8.0
    """How long it lasts."""

    def explains(self, finding: Finding, began_s: float, ended_s: float) -> bool:
        """Whether the finding is this anomaly, which was there at this time."""
        return (
            finding.kind in self.kinds
            and self.where in finding.where
            and began_s - EARLY_S_MAX <= finding.began_s <= ended_s
        )


@dataclass(frozen=True, slots=True)
class Done:
    """An anomaly that was done, and when."""

    anomaly: Anomaly
    began_s: float
    ended_s: float

    def found_in(self, findings: Sequence[Finding]) -> list[Finding]:
        """Those that are this one."""
        return [each for each in findings if self.anomaly.explains(each, self.began_s, self.ended_s)]

    def noticed_s(self, findings: Sequence[Finding]) -> float | None:
        """How long after its beginning it was noticed; None when it was not, or too late."""
        after_s = [max(0.0, each.noticed_s - self.began_s) for each in self.found_in(findings)]
        return min((each for each in after_s if each <= NOTICED_S_MAX), default=None)


def false_ones(findings: Sequence[Finding], done: Sequence[Done]) -> list[Finding]:
    """What was found and nobody has done."""
    explained = [each for one in done for each in one.found_in(findings)]
    return [each for each in findings if each not in explained]


def orders_of(stage: Stage) -> Orders:
    """The folder in which the service of this stage looks for them."""
    return Orders(Path(stage.service.data).parent / "orders")


@contextmanager
def _ordered(amounts: Mapping[str, float], stage: Stage) -> Iterator[Callable[[float], bool]]:
    orders_of(stage).give(amounts)
    try:
        yield stage.pause
    finally:
        orders_of(stage).take_back()


@contextmanager
def _workers_in_pulses(stage: Stage) -> Iterator[Callable[[float], bool]]:
    """Each worker stands still for most of the time, and goes on before anybody calls it silent."""

    def passing(seconds: float) -> bool:
        end_s, going = stage.elapsed_s() + seconds, True
        while going and stage.elapsed_s() < end_s:
            with stopped(family.family(stage.service.pid).get("worker", [])):
                going = stage.pause(PULSE_STOP_S)
            going = going and stage.pause(PULSE_GO_S)
        return going

    yield passing


PULSE_STOP_S, PULSE_GO_S = 0.4, 0.1


@contextmanager
def _standing_still(stage: Stage) -> Iterator[Callable[[float], bool]]:
    with stopped([stage.service.pid]):
        yield stage.pause


@contextmanager
def _reader_held(stage: Stage) -> Iterator[Callable[[float], bool]]:
    """The log cannot be emptied while somebody reads from its beginning."""
    command = [sys.executable, "-c", HOLDER, str(stage.service.data / "pi-rag.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            holder.stdout.readline()
            yield stage.pause
        finally:
            holder.kill()


def _order(
    name: str, about: str, kind: Kind, where: str = "", seconds: float = 8.0, **amounts: float
) -> Anomaly:
    return Anomaly(name, about, partial(_ordered, amounts), (kind,), where, seconds)


SOON_S, LEAK_S = 6.0, 14.0

ALL = (
    _order("every-search-slow", "every search takes 60 ms more", "slow", "", SOON_S, slow=60),
    _order(
        "tenth-search-slow",
        "every tenth search takes 500 ms more",
        "slow_at_times",
        slow_tenth=500,
        seconds=15,
    ),
    Anomaly(
        "slow-embedder",
        "the workers stand still four fifths of the time",
        _workers_in_pulses,
        ("slow", "slow_at_times", "degraded"),
        seconds=10.0,
    ),
    _order("worker-leak", "a worker takes 4 MiB a second", "memory_leak", "worker", LEAK_S, worker_leak=4),
    _order(
        "supervisor-leak", "the supervisor takes 4 MiB a second", "memory_leak", "supervisor", LEAK_S, leak=4
    ),
    _order("descriptor-leak", "6 descriptors a second", "descriptor_leak", "", LEAK_S, descriptors=6),
    _order("thread-leak", "6 threads a second", "thread_leak", "", LEAK_S, threads=6),
    _order("error-burst", "half of all searches fail", "errors", "", SOON_S, errors=5),
    _order(
        "lost-words",
        "half of the passages are gone from the words",
        "recall_loss",
        "words",
        SOON_S,
        lost_words=5,
    ),
    _order("lost-meaning", "half of the vectors are gone", "recall_loss", "meaning", lost_meaning=5),
    Anomaly(
        "log-held",
        "somebody reads the database and does not end",
        _reader_held,
        ("wal_growth",),
        seconds=LEAK_S,
    ),
    Anomaly("stall", "the service stands still", _standing_still, ("stall",), seconds=3.0),
)

QUICK = ("every-search-slow", "error-burst", "lost-words")
"""Those that are found soon, for a run that has but a minute."""
