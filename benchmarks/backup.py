"""Searches and writes beside a backup, and beside other ways to copy a database that is in use.

    python -m benchmarks.backup [--passages 20000] [--seconds 10] [--rounds 4] [--quick] [--json FILE]

One service with the real model. In each round there is a window of each kind, so that noise falls on all
alike: quiet, `pi-rag backup` again and again, and SQLite's VACUUM INTO, which another process does. In every
window one guest searches and another adds notes. The bounds of the project: p95 of the searches beside a
backup at most 1.5 times that of the quiet, and at most 32 MiB more memory.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import Busy
from pi_rag.service.meaning import fingerprint
from pi_rag.store import identity
from pi_rag.store.store import Store
from pi_rag.stress.running import RunningService
from tests.store.making import put

ENVIRON = {"PI_RAG_CACHE_RESULTS_MAX": "0", "PI_RAG_BACKUP_SNAPSHOT_S_MAX": "3600"}

KINDS = ("quiet", "backup", "VACUUM INTO")

WORDS = "house garden water stone letter winter engine summer bread paper river window silver night".split()

VACUUM = "import apsw, sys; apsw.Connection(sys.argv[1], flags=1).execute('VACUUM INTO ?', (sys.argv[2],))"

MIB = 2**20


@dataclass
class Seen:
    """Of all windows of one kind."""

    search_ms: list[float] = field(default_factory=list)
    write_ms: list[float] = field(default_factory=list)
    copies_s: list[float] = field(default_factory=list)
    private_mib_max: float = 0.0


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--passages", type=int, default=20_000, help="in the database (default: 20000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="least of each window (default: 10)")
    parser.add_argument("--rounds", type=int, default=4, help="windows of each kind (default: 4)")
    args = parser.parse_args()
    if args.quick:
        args.passages, args.seconds, args.rounds = 2_000, 2.0, 1
    publish(measure(args.passages, args.seconds, args.rounds), args.json)
    return 0


def measure(passages: int, seconds: float, rounds: int) -> Figures:
    """All kinds in turn."""
    seen = {kind: Seen() for kind in KINDS}
    card = benchmark_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "data" / "pi-rag.db", passages)
        with RunningService(folder, {"PI_RAG_MODEL": card.path, **ENVIRON}) as service:
            database_mib = (service.data / "pi-rag.db").stat().st_size / MIB
            _window(service, Seen(), seconds, lambda: None)
            for _ in range(rounds):
                for kind in KINDS:
                    _window(service, seen[kind], seconds, _copier(kind, service, folder))
    rows = [_row(kind, each) for kind, each in seen.items()]
    quiet, backup = rows[0], rows[1]
    return Figures(
        headline={
            "search_p95_ratio": _ratio("search_p95_ms", backup, quiet),
            "write_p95_ratio": _ratio("write_p95_ms", backup, quiet),
            "memory_more_mib": round(backup["private_mib_max"] - quiet["private_mib_max"], 1),
        },
        rows=rows,
        notes={"passages": passages, "database_mib": round(database_mib, 1), "window_s": seconds},
    )


def fill(path: Path, passages: int) -> None:
    """A database of so many passages of plain words, with vectors of the model's width."""
    import asyncio

    asyncio.run(_fill(path, passages))


async def _fill(path: Path, passages: int) -> None:
    dice, numbers, card = random.Random(1), np.random.default_rng(1), benchmark_model()
    store = Store.open(path, StoreSettings(), SystemClock())
    await store.write(identity.claim_fingerprint, fingerprint(card))
    for number in range(passages // 20):
        texts = [" ".join(dice.choices(WORDS, k=70)) for _ in range(20)]
        rows = numbers.standard_normal((20, card.dimensions), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        await store.write(put, f"letter {number}", texts, vectors=rows.tobytes())
    await store.close()


def _window(service: RunningService, seen: Seen, seconds: float, copy: Callable[[], float | None]) -> None:
    """Search, write and copy until the time is over and the copy in hand is made."""
    over = threading.Event()
    with _asking(service, seen, over), _sampling(service.pid, seen, over):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            took_s = copy()
            if took_s is None:
                time.sleep(max(0.0, end_s - time.monotonic()))
            else:
                seen.copies_s.append(took_s)


def _copier(kind: str, service: RunningService, folder: Path) -> Callable[[], float | None]:
    """What makes one copy, and says how many seconds it took; None where none is made."""
    to = folder / "copy.db"

    def backup() -> float:
        begun_s = time.monotonic()
        service.client.backup(str(to))
        while (told := service.client.backup_status())["state"] == "running":
            time.sleep(0.05)
        assert told["state"] == "done", told
        to.unlink()
        return time.monotonic() - begun_s

    def vacuum() -> float:
        begun_s = time.monotonic()
        command = [sys.executable, "-c", VACUUM, str(service.data / "pi-rag.db"), str(to)]
        subprocess.run(command, check=True)
        to.unlink()
        return time.monotonic() - begun_s

    return {"quiet": lambda: None, "backup": backup, "VACUUM INTO": vacuum}[kind]


@contextlib.contextmanager
def _asking(service: RunningService, seen: Seen, over: threading.Event) -> Iterator[None]:
    """Two guests: one searches without a pause, one adds a note some times a second."""

    def search() -> None:
        dice = random.Random(time.monotonic_ns())
        while not over.is_set():
            begun_s = time.monotonic()
            service.client.search(" ".join(dice.choices(WORDS, k=5)))
            seen.search_ms.append((time.monotonic() - begun_s) * 1000)

    def write() -> None:
        while not over.wait(0.2):
            begun_s = time.monotonic()
            with contextlib.suppress(Busy):
                service.client.add_documents([{"source": f"{time.monotonic_ns()}", "text": "a note"}])
                seen.write_ms.append((time.monotonic() - begun_s) * 1000)

    with _beside(over, search, write):
        yield


@contextlib.contextmanager
def _sampling(pid: int, seen: Seen, over: threading.Event) -> Iterator[None]:
    """The most private memory of the supervisor, looked at often."""

    def look() -> None:
        while not over.wait(0.05):
            seen.private_mib_max = max(seen.private_mib_max, _private_mib(pid))

    with _beside(over, look):
        yield


@contextlib.contextmanager
def _beside(over: threading.Event, *tasks: Callable[[], None]) -> Iterator[None]:
    """Each in a thread of its own, until the block is left. What ended one before is raised then: the figures
    of a window in which nobody searched would look like those of a quick one.
    """
    ended: list[Exception] = []

    def done(task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:
            ended.append(error)

    threads = [threading.Thread(target=done, args=(each,)) for each in tasks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    for error in ended:
        raise error


def _private_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _row(kind: str, seen: Seen) -> dict[str, Any]:
    return {
        "beside": kind,
        "searches": len(seen.search_ms),
        "search_p50_ms": _at(seen.search_ms, 0.50),
        "search_p95_ms": _at(seen.search_ms, 0.95),
        "write_p95_ms": _at(seen.write_ms, 0.95),
        "write_ms_max": _at(seen.write_ms, 1.0),
        "copies": len(seen.copies_s),
        "copy_s": _at(seen.copies_s, 0.5),
        "private_mib_max": round(seen.private_mib_max, 1),
    }


def _ratio(name: str, beside: Mapping[str, Any], quiet: Mapping[str, Any]) -> float:
    """Of one figure. Raises ValueError where a window was too short for it."""
    if not (beside[name] and quiet[name]):
        raise ValueError(f"There is no {name} of some windows, since nothing ended in them: more --seconds.")
    return float(round(beside[name] / quiet[name], 3))


def _at(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else 0.0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main())
