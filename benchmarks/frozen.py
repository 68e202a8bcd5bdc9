"""Searches while nobody reads the log, beside searches while somebody does.

    python -m benchmarks.frozen [--seconds 10] [--windows 12] [--quick] [--json FILE]

Two services, each with a pipe as its standard error, as systemd's is a socket to the journal. Each search is
a line of its log, and no answer comes from the cache. In each window the pipe of one stands still, in the
next that of the other, and the two are asked in turn, search by search, so that noise falls on both alike.
The bound of the project: p99 with a frozen journal at most 10 % above p99 without.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.stress.running import RunningService

PIPE_BYTES = 4096
"""What the kernel keeps for a reader that stands still: some twenty lines."""

ENVIRON = {
    "PI_RAG_SERVICE_LOG_LEVEL": "debug",
    "PI_RAG_SERVICE_LOG_TEXTS": "on",
    "PI_RAG_CACHE_RESULTS_MAX": "0",
}


class Journal:
    """Reads a pipe, or lets it stand still."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._reads = threading.Event()
        self._reads.set()
        self.lines_read = 0
        self.told_dropped = 0
        threading.Thread(target=self._work, daemon=True).start()

    def freeze(self) -> None:
        """Read no more after what is being read."""
        self._reads.clear()

    def thaw(self) -> None:
        """Go on."""
        self._reads.set()

    def _work(self) -> None:
        rest = b""
        while data := os.read(self._descriptor, PIPE_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            self.lines_read += len(lines)
            self.told_dropped += sum(
                int(line.rpartition(b"count=")[2]) for line in lines if b"event=log_lines_dropped" in line
            )
            self._reads.wait()


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each window (default: 10)")
    parser.add_argument("--windows", type=int, default=12, help="an even number of them (default: 12)")
    args = parser.parse_args()
    publish(measure(2.0 if args.quick else args.seconds, 2 if args.quick else args.windows), args.json)
    return 0


def measure(seconds: float, windows: int) -> Figures:
    """Both kinds in turn."""
    ms: dict[str, list[float]] = {"read": [], "frozen": []}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        sides = [stack.enter_context(_side(Path(folder) / name)) for name in ("a", "b")]
        _ask([("read", service) for service, _ in sides], seconds / 2, {"read": []})
        for number in range(windows):
            frozen = number % 2
            sides[frozen][1].freeze()
            kinds = [("frozen" if side == frozen else "read", sides[side][0]) for side in (0, 1)]
            _ask(kinds, seconds, ms)
            sides[frozen][1].thaw()
        dropped = sum(service.client.status()["log"]["lines_dropped"] for service, _ in sides)
        _ask([("read", service) for service, _ in sides], 0.5, {"read": []})
    rows = [_row(kind, values) for kind, values in ms.items()]
    read, frozen_ms = (float(row["p99_ms"]) for row in rows)
    return Figures(
        headline={"p99_ratio": round(frozen_ms / read, 3), "lines_dropped": dropped},
        rows=rows,
        notes={
            "lines_told_dropped": sum(journal.told_dropped for _, journal in sides),
            "window_s": seconds,
            "windows": windows,
        },
    )


@contextlib.contextmanager
def _side(folder: Path) -> Iterator[tuple[RunningService, Journal]]:
    """A service with some notes, and who reads its log."""
    folder.mkdir()
    reads, writes = os.pipe()
    fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    journal = Journal(reads)
    environ = {"PI_RAG_MODEL": benchmark_model().path, **ENVIRON}
    with RunningService(folder, environ, stderr=writes) as service:
        _fill(service)
        yield service, journal
    os.close(writes)


def _fill(service: RunningService) -> None:
    notes = [{"source": f"{number}", "text": f"note {number}: the power was cut"} for number in range(100)]
    service.client.add_documents(notes, wait=True)


def _ask(sides: list[tuple[str, RunningService]], seconds: float, ms: dict[str, list[float]]) -> None:
    """Search after search, in turn; milliseconds go to each one's kind."""
    end_s, count = time.monotonic() + seconds, 0
    while (begun_s := time.monotonic()) < end_s:
        kind, service = sides[count % 2]
        service.client.search(f"what survives a power cut {count // 2 % 200}")
        ms[kind].append((time.monotonic() - begun_s) * 1000)
        count += 1


def _row(kind: str, ms: list[float]) -> dict[str, Any]:
    ordered = sorted(ms)
    ranks = {f"p{percent}_ms": ordered[len(ordered) * percent // 100] for percent in (50, 95, 99)}
    return {"journal": kind, "searches": len(ms), **{name: round(value, 2) for name, value in ranks.items()}}


if __name__ == "__main__":
    sys.exit(main())
