"""The processes of one row: started, asked in turn, weighed, ended.

It knows the protocol of `peer.py` and nothing of what is behind it.
"""

from __future__ import annotations

import base64
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.child import Child
from benchmarks.embedding.rows import Row
from benchmarks.environment import peers_python
from pi_rag.host.memory import pss_mib

if TYPE_CHECKING:
    from pi_rag.types import Vectors

OWN = [sys.executable, "-m", "benchmarks.embedding.own"]
WEIGH_EVERY_S = 0.25
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Turn:
    """What one turn of a row gave."""

    texts_per_s: float
    texts_per_core_s: float
    """Per second of processor time, which a stranger on the same machine disturbs less."""


class Runner:
    """All processes of one row, ready inside the block."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.about = ""
        self._children: list[Child] = []

    def __enter__(self) -> Runner:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.end()

    def start(self) -> None:
        """Start and open every process. Raises PeerFailed."""
        order = self.row.order()
        command = (
            OWN if self.row.own else [str(peers_python("peers")), str(Path(__file__).with_name("peer.py"))]
        )
        self._children = [Child(command) for _ in range(self.row.processes)]
        self.about = self._all([order] * len(self._children))[0]["about"]

    def end(self) -> None:
        """End every process."""
        for child in self._children:
            child.end()
        self._children = []

    def rate(self, texts: Sequence[str], seconds: float) -> Turn:
        """How fast the list is embedded, each process with its share of it. Raises PeerFailed."""
        count = len(self._children)
        shares = [texts[at::count] for at in range(count)]
        before_s = self._core_s()
        answers = self._all([{"do": "rate", "texts": share, "seconds": seconds} for share in shares])
        spent_s = max(self._core_s() - before_s, 1 / TICKS_PER_S)
        per_s = sum(each["texts"] / each["seconds"] for each in answers)
        return Turn(per_s, sum(each["texts"] for each in answers) / spent_s)

    def latencies_ms(self, texts: Sequence[str], seconds: float) -> list[float]:
        """Milliseconds of one text at a time, asked of one process."""
        return list(self.ask({"do": "latency", "texts": texts, "seconds": seconds})["ms"])

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (texts, dimensions). Raises PeerFailed."""
        count = len(self._children)
        shares = [texts[at::count] for at in range(count)]
        answers = self._all([{"do": "vectors", "texts": share} for share in shares])
        rows = np.empty((len(texts), answers[0]["dimensions"]), dtype=np.float32)
        for at, each in enumerate(answers):
            part = np.frombuffer(base64.b64decode(each["vectors"]), dtype=np.float32)
            rows[at::count] = part.reshape(-1, rows.shape[1])
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def ask(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """One order to the first process. Raises PeerFailed."""
        self._children[0].send(order)
        return self._children[0].answer()

    def pss_mib(self) -> float:
        """Proportional set size of its processes and all below them, in MiB."""
        return sum(pss_mib(pid) or 0 for pid in self._pids())

    def _core_s(self) -> float:
        """Processor time that they have used so far, in seconds."""
        return sum(_core_s(pid) for pid in self._pids())

    def _pids(self) -> list[int]:
        return [pid for child in self._children for pid in _family(child.process.pid)]

    def _all(self, orders: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        for child, order in zip(self._children, orders, strict=True):
            child.send(order)
        return [child.answer() for child in self._children]


class Scale:
    """Weighs a runner as long as the block runs; `peak_mib` is the most it found."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._weigh, daemon=True)
        self.peak_mib = 0.0

    def __enter__(self) -> Scale:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _weigh(self) -> None:
        last = False
        while not last:
            last = self._over.wait(WEIGH_EVERY_S)
            self.peak_mib = max(self.peak_mib, self._runner.pss_mib())


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        below = [int(each) for task in tasks for each in (task / "children").read_text().split()]
    except OSError:
        return []
    return [pid, *(each for child in below for each in _family(child))]


def _core_s(pid: int) -> float:
    """Processor time of one process: fields 14 and 15 of /proc/PID/stat (proc(5)); 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
