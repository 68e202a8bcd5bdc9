"""Building every index, then searching them all in turn, each in a process of its own.

What serves is another process than what built, so that the RAM of one does not count for the other, and the
files are what is served. Only one works at a time: a machine that is slow for a minute is so for all.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import Child, PeerFailed
from benchmarks.searching.rows import Row

K = 10
INSERT_TURNS = 3
INSERTED = 1000
"""Rows that are inserted in one turn."""
ROWS_BESIDE = INSERT_TURNS * INSERTED
"""Rows that a file of vectors has beyond those that are built."""
ORDER_S_MAX = 1800.0
"""Longest wait for any answer but a build's."""
WARM_S_MAX = 900.0
"""Longest first round, which asks every query, however slow."""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy counts the machine's cores and not those that it may use."""

Command = Callable[[Row], Sequence[str]]


@dataclass(frozen=True)
class Task:
    """What a row is given to do."""

    row: Row
    vectors: Path
    """A file of at least `size` + ROWS_BESIDE rows (.npy)."""
    size: int
    queries: Path
    truth: Sequence[Sequence[int]]
    """The nearest K of each query among the first `size` rows; as many queries as are asked."""
    folder: Path
    """Where indexes are built, each in its own folder."""
    build_s_max: float = 600.0
    rounds: int = 3
    seconds: float = 20.0
    """Longest turn of a row in a round."""
    batch: int = 100
    """Rows of one insert."""

    @property
    def place(self) -> Path:
        """The row's own folder."""
        return self.folder / "".join(letter if letter.isalnum() else "-" for letter in self.row.name)


@dataclass
class Found:
    """What was measured of a row."""

    about: str = ""
    build_s: float = 0.0
    load_s: float = 0.0
    disk_mib: float = 0.0
    private_mib: float = 0.0
    mapped_mib: float = 0.0
    rebuild_s: float = 0.0
    """Until ours can be searched when there is only the database."""
    inserts_per_s: list[float | None] = field(default_factory=list)
    """None where it takes no more rows."""
    p50_ms: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    recall: float = 0.0
    failed: str = ""
    """Why it did not get to the end; empty when it did."""

    @contextmanager
    def unless_failed(self) -> Iterator[bool]:
        """False when something failed before. What fails now is kept, and the others go on."""
        try:
            yield not self.failed
        except PeerFailed as error:
            self.failed = str(error)

    @property
    def latencies_ms(self) -> tuple[float, float]:
        """(p50, p95): medians over the rounds."""
        return statistics.median(self.p50_ms), statistics.median(self.p95_ms)

    @property
    def inserted_per_s(self) -> float | None:
        """The median over the turns."""
        known = [rate for rate in self.inserts_per_s if rate is not None]
        return statistics.median(known) if known else None


def measured(tasks: Sequence[Task], command: Command) -> Mapping[str, Found]:
    """Every row's figures by its name. Its folder is gone afterwards."""
    found = {task.row.name: Found() for task in tasks}
    try:
        for task in tasks:
            with found[task.row.name].unless_failed():
                _build(task, found[task.row.name], command(task.row))
        with ExitStack() as stack:
            children = _opened(tasks, found, command, stack)
            _take_turns(tasks, found, children)
    finally:
        for task in tasks:
            shutil.rmtree(task.place, ignore_errors=True)
    return found


def _build(task: Task, found: Found, command: Sequence[str]) -> None:
    print(f"build: {task.row.name}", file=sys.stderr)
    task.place.mkdir(parents=True)
    with child_of(command) as child:
        found.about = ask(child, _opening(task, alone=False))["about"]
        order = {"do": "build", "vectors": str(task.vectors), "rows": task.size}
        found.build_s = ask(child, order, task.build_s_max)["seconds"]
    found.disk_mib = sum(path.stat().st_size for path in task.place.rglob("*") if path.is_file()) / 2**20
    if task.row.own:
        with child_of(command) as child:
            ask(child, _opening(task, alone=True, derived=False))
            found.rebuild_s = ask(child, {"do": "load"})["seconds"]


def _opened(
    tasks: Sequence[Task], found: Mapping[str, Found], command: Command, stack: ExitStack
) -> Mapping[str, Child]:
    """A process for each index that was built, by the row's name; they end with the stack."""
    children = {}
    for task in tasks:
        name = task.row.name
        with found[name].unless_failed() as go:
            if go:
                children[name] = child = stack.enter_context(child_of(command(task.row), **ONE_THREAD))
                ask(child, _opening(task, alone=True))
                found[name].load_s = ask(child, {"do": "load"})["seconds"]
    return children


def _take_turns(tasks: Sequence[Task], found: Mapping[str, Found], children: Mapping[str, Child]) -> None:
    """Searches in rounds, then the RAM, then inserts in rounds."""

    def every(what: str, turn: Callable[[Task, Child, Found], None]) -> None:
        for task in tasks:
            name = task.row.name
            with found[name].unless_failed() as go:
                if go:
                    print(f"{what}: {name}", file=sys.stderr)
                    turn(task, children[name], found[name])

    every("recall", _warm)
    for number in range(max((task.rounds for task in tasks), default=0)):
        every(f"search {number + 1}", _search)
    every("weigh", _weigh)
    for number in range(INSERT_TURNS):
        every(f"insert {number + 1}", partial(_insert, number))


def _warm(task: Task, child: Child, found: Found) -> None:
    """Every query once, for the recall; it also fills caches."""
    found.recall = recall(ask(child, _searching(task, WARM_S_MAX))["found"], task.truth)


def _search(task: Task, child: Child, found: Found) -> None:
    taken_ms = ask(child, _searching(task, task.seconds))["ms"]
    found.p50_ms.append(float(np.percentile(taken_ms, 50)))
    found.p95_ms.append(float(np.percentile(taken_ms, 95)))


def _searching(task: Task, seconds: float) -> dict[str, Any]:
    asked = {"queries": str(task.queries), "count": len(task.truth), "k": K}
    return {"do": "search", "seconds": seconds, **asked}


def _weigh(_: Task, child: Child, found: Found) -> None:
    weight = ask(child, {"do": "weigh"})
    found.private_mib, found.mapped_mib = weight["private_mib"], weight["mapped_mib"]


def _insert(number: int, task: Task, child: Child, found: Found) -> None:
    begin = task.size + number * INSERTED
    batches = {"from": begin, "batches": INSERTED // task.batch, "rows": task.batch}
    order = {"do": "insert", "vectors": str(task.vectors), **batches}
    found.inserts_per_s.append(ask(child, order)["per_s"])


def recall(found: Sequence[Sequence[int]], truth: Sequence[Sequence[int]]) -> float:
    """The part of the true nearest that was found, over all queries that were asked."""
    hits = [len(set(ours) & set(true)) / len(true) for ours, true in zip(found, truth, strict=True)]
    return float(np.mean(hits))


def _opening(task: Task, *, alone: bool, derived: bool = True) -> dict[str, Any]:
    """`alone`: on one core. `derived`: whether what can be made from the truth may be read from its files."""
    options = task.row.options if derived else {**task.row.options, "derived": False}
    return {
        "do": "open",
        "alone": alone,
        "kind": task.row.kind,
        "folder": str(task.place),
        "options": options,
    }


def ask(child: Child, order: Mapping[str, Any], seconds_max: float = ORDER_S_MAX) -> Mapping[str, Any]:
    """Its answer to an order. Raises PeerFailed."""
    child.send(order)
    return child.answer(seconds_max)


@contextmanager
def child_of(command: Sequence[str], **environ: str) -> Iterator[Child]:
    """A child as long as the block runs."""
    child = Child(command, **environ)
    try:
        yield child
    finally:
        child.end()
