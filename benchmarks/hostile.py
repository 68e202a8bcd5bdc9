"""What strangers' worst files cost those who search meanwhile.

    python -m benchmarks.hostile [--root FOLDER] [--each] [--quick] [--json FILE]

A service that holds the project's own pages is asked one question after another, first at rest and then while
it takes in a folder of hostile files. What counts is how the slow answers of both compare (the 95th of a
hundred), that every file ends as stored or as refused with a reason, and how long all of it takes. `--each`
takes in one file after another, and has a row for each.

In between it is asked beside a program that is no part of it and only counts, at the lowest priority: what a
machine, or its host, takes from one processor for what another does is not the service's.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.stress.running import RunningService

ROOT = Path(__file__).resolve().parents[1]
HOSTILE = ROOT.parent / "shared" / "data" / "docs" / "hostile"
IDLE_ASKED, IDLE_ASKED_QUICK = 1000, 200
WHOLE_S_MAX = 600.0
LOOK_S_BETWEEN = 0.25


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--root", type=Path, default=HOSTILE, help="the folder of hostile files")
    parser.add_argument("--each", action="store_true", help="one file after another, with a row for each")
    args = parser.parse_args()
    publish(measure(args.root, IDLE_ASKED_QUICK if args.quick else IDLE_ASKED, each=args.each), args.json)
    return 0


def measure(root: Path, idle_asked: int, *, each: bool) -> Figures:
    """Ask at rest, then beside the files; the rows are what was taken in, one by one or all at once."""
    card = benchmark_model()
    places = [path for path in sorted(root.rglob("*")) if path.is_file()] if each else [root]
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningService(Path(folder), {"PI_RAG_MODEL": card.path}) as service,
    ):
        _fill(service)
        asker = _Asker(service)
        asker.ask(idle_asked // 4)  # until caches and curves are warm
        idle_ms = asker.ask(idle_asked)
        with _stranger():
            strangely_ms = asker.ask(idle_asked)
        rows = [_taken_in(service, asker, path, root, idle_ms) for path in places]
        assert service.client.status()["ready"], "the service is not what it was"
    beside_ms = [ms for row in rows for ms in row.pop("asked_ms")]
    alone = {"at rest": idle_ms, "beside a program that counts": strangely_ms}
    return Figures(
        headline={
            "p95_ratio": p95(beside_ms) / p95(idle_ms),
            "p95_ratio_beside_a_stranger": p95(strangely_ms) / p95(idle_ms),
            "seconds": sum(row["seconds"] for row in rows),
        },
        rows=[
            *(
                {"what": what, "seconds": 0.0, **_answers(ms, idle_ms), "ended": ""}
                for what, ms in alone.items()
            ),
            *rows,
        ],
        notes={"model": f"{card.name} {card.quantisation}", "asked beside": len(beside_ms)},
    )


def p95(asked_ms: Sequence[float]) -> float:
    """The 95th of a hundred, by linear interpolation."""
    return quantiles(asked_ms, n=20, method="inclusive")[18] if len(asked_ms) > 1 else max(asked_ms)


@contextlib.contextmanager
def _stranger() -> Iterator[None]:
    """A program that only counts, at the lowest priority."""
    process = subprocess.Popen([sys.executable, "-c", "import os\nos.nice(19)\nwhile True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _fill(service: RunningService) -> None:
    pages = [str(ROOT / "docs" / name) for name in ("start.md", "architecture.md", "operate.md")]
    added = service.run("add", *pages, timeout_s=WHOLE_S_MAX)
    if added.returncode:
        raise RuntimeError(added.stdout + added.stderr)


class _Asker:
    """One client, one question after another, no two alike."""

    def __init__(self, service: RunningService) -> None:
        self._client = service.client
        self._number = 0

    def ask(self, count: int) -> list[float]:
        """So many; how long each took, in milliseconds."""
        return [self._once() for _ in range(count)]

    def ask_until(self, ended: Callable[[], bool]) -> list[float]:
        """At least one."""
        asked_ms = [self._once()]
        while not ended():
            asked_ms.append(self._once())
        return asked_ms

    def _once(self) -> float:
        self._number += 1
        begun_s = time.perf_counter()
        answer = self._client.search(f"what survives a power cut, asked for the {self._number}th time")
        took_ms = (time.perf_counter() - begun_s) * 1000
        assert answer["hits"] and not answer["degraded"], answer["degraded"]
        return took_ms


def _taken_in(
    service: RunningService, asker: _Asker, path: Path, root: Path, idle_ms: Sequence[float]
) -> dict[str, Any]:
    """One file or the whole folder, asked beside from its first moment to its last."""
    begun_s = time.monotonic()
    job = _Job(service, path)
    asked_ms = asker.ask_until(job.ended.is_set)
    ended = job.result()
    return {
        "what": str(path.relative_to(root)) if path != root else root.name,
        "seconds": time.monotonic() - begun_s,
        **_answers(asked_ms, idle_ms),
        "ended": ended,
        "asked_ms": asked_ms,
    }


class _Job:
    """A path in the queue, looked after by a thread of its own, so that the client only asks."""

    def __init__(self, service: RunningService, path: Path) -> None:
        self.ended = threading.Event()
        self._client = service.client
        self._id = self._client.add_paths([str(path)])["job"]["id"]
        self._row: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        end_s = time.monotonic() + WHOLE_S_MAX
        try:
            while time.monotonic() < end_s:
                self._row = self._client.job(self._id)["job"]
                if self._row["state"] == "done":
                    return
                time.sleep(LOOK_S_BETWEEN)
        finally:
            self.ended.set()

    def result(self) -> str:
        """How many were stored, and how many refused for which reason. Raises RuntimeError when some hang."""
        self._thread.join()
        row = self._row
        if row.get("state") != "done":
            raise RuntimeError(f"It was not done after {WHOLE_S_MAX:.0f} s: {row}")
        codes = Counter(each["code"] for each in row["refusals"])
        taken = {"stored": row["items_done"] + row["items_unchanged"], **dict(sorted(codes.items()))}
        assert sum(taken.values()) == row["items_total"]
        return ", ".join(f"{count} {code}" for code, count in taken.items() if count)


def _answers(asked_ms: Sequence[float], idle_ms: Sequence[float]) -> dict[str, float]:
    return {
        "median_ms": median(asked_ms),
        "p95_ms": p95(asked_ms),
        "max_ms": max(asked_ms),
        "p95_ratio": p95(asked_ms) / p95(idle_ms),
    }


if __name__ == "__main__":
    sys.exit(main())
