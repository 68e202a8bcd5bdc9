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
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import Child, PeerFailed
from benchmarks.searching.rows import Row

K = 10
INSERTED = {"batches": 10, "rows": 100}
ROWS_BESIDE = INSERTED["batches"] * INSERTED["rows"]
"""Rows that a file of vectors has beyond those that are built."""
ORDER_S_MAX = 900.0
"""Longest wait for any answer but a build's."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy counts the machine's cores and not those that it may use."""

Command = Callable[[Row], Sequence[str]]


@dataclass(frozen=True)
class Task:
    """What every row is given."""

    vectors: Path
    """A file of at least `size` + ROWS_BESIDE rows (.npy)."""
    size: int
    queries: Path
    truth: Sequence[Sequence[int]]
    """The nearest K of each query among the first `size` rows; as many queries as are asked."""
    folder: Path
    """Where the indexes are built."""
    build_s_max: float
    rounds: int
    seconds: float
    """Longest turn of a row in a round."""

    def place(self, row: Row) -> Path:
        """A row's own folder."""
        return self.folder / "".join(letter if letter.isalnum() else "-" for letter in row.name)


@dataclass
class Found:
    """What was measured of a row."""

    about: str = ""
    build_s: float = 0.0
    load_s: float = 0.0
    disk_mib: float = 0.0
    private_mib: float = 0.0
    mapped_mib: float = 0.0
    inserted_per_s: float | None = None
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


def measured(rows: Sequence[Row], task: Task, command: Command) -> Mapping[str, Found]:
    """Every row's figures by its name. Its folders are gone afterwards."""
    found = {row.name: Found() for row in rows}
    try:
        for row in rows:
            print(f"build: {row.name}", file=sys.stderr)
            with found[row.name].unless_failed():
                _build(row, found[row.name], task, command)
        with ExitStack() as stack:
            _serve(rows, found, task, lambda row: stack.enter_context(_child(command(row), **ONE_THREAD)))
    finally:
        shutil.rmtree(task.folder, ignore_errors=True)
    return found


def _build(row: Row, found: Found, task: Task, command: Command) -> None:
    folder = task.place(row)
    folder.mkdir(parents=True)
    with _child(command(row)) as child:
        found.about = _ask(child, _opening(row, task, alone=False))["about"]
        order = {"do": "build", "vectors": str(task.vectors), "rows": task.size}
        found.build_s = _ask(child, order, task.build_s_max)["seconds"]
    found.disk_mib = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def _serve(
    rows: Sequence[Row], found: Mapping[str, Found], task: Task, start: Callable[[Row], Child]
) -> None:
    children: dict[str, Child] = {}
    for row in rows:
        with found[row.name].unless_failed() as go:
            if go:
                children[row.name] = child = start(row)
                _ask(child, _opening(row, task, alone=True))
                found[row.name].load_s = _ask(child, {"do": "load"})["seconds"]
    for number in range(task.rounds + 1):
        for name, child in children.items():
            print(f"round {number} of {task.rounds}: {name}", file=sys.stderr)
            with found[name].unless_failed() as go:
                if go:
                    _turn(child, found[name], task, warm=number == 0)
    for name, child in children.items():
        with found[name].unless_failed() as go:
            if go:
                _weigh_and_insert(child, found[name], task)


def _turn(child: Child, found: Found, task: Task, *, warm: bool) -> None:
    """One round of a row. The first one only warms its caches, and asks every query for the recall."""
    order = {"do": "search", "queries": str(task.queries), "count": len(task.truth), "k": K}
    answer = _ask(child, order | {"seconds": ORDER_S_MAX if warm else task.seconds})
    if warm:
        found.recall = recall(answer["found"], task.truth)
    else:
        found.p50_ms.append(float(np.percentile(answer["ms"], 50)))
        found.p95_ms.append(float(np.percentile(answer["ms"], 95)))


def _weigh_and_insert(child: Child, found: Found, task: Task) -> None:
    weight = _ask(child, {"do": "weigh"})
    found.private_mib, found.mapped_mib = weight["private_mib"], weight["mapped_mib"]
    order = {"do": "insert", "vectors": str(task.vectors), "from": task.size, **INSERTED}
    found.inserted_per_s = _ask(child, order)["per_s"]


def recall(found: Sequence[Sequence[int]], truth: Sequence[Sequence[int]]) -> float:
    """The part of the true nearest that was found, over all queries that were asked."""
    hits = [len(set(ours) & set(true)) / len(true) for ours, true in zip(found, truth, strict=True)]
    return float(np.mean(hits))


def _opening(row: Row, task: Task, *, alone: bool) -> dict[str, Any]:
    options = {"kind": row.kind, "folder": str(task.place(row)), "options": row.options}
    return {"do": "open", "alone": alone, **options}


def _ask(child: Child, order: Mapping[str, Any], seconds_max: float = ORDER_S_MAX * 2) -> Mapping[str, Any]:
    child.send(order)
    return child.answer(seconds_max)


@contextmanager
def _child(command: Sequence[str], **environ: str) -> Iterator[Child]:
    child = Child(command, **environ)
    try:
        yield child
    finally:
        child.end()
