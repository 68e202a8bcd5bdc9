"""How long reads wait while documents are written as fast as the disk takes them, and how far the log grows.

    python -m benchmarks.waits [--quick] [--seconds N] [--json FILE]

One writer stores documents with real words and random vectors; eight readers search by words, compare
vectors, read passages and list documents without a pause. The same readers alone, in the same run, say what
of it is the writer's doing. A wait is the time from asking the store until the first row is read.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Figures, arguments, publish
from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import StoreBusy
from pi_rag.store import Connection, citing, documents, folder, identity, vectors
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store
from pi_rag.types import Chunk, Fingerprint, NewDocument

DIMENSIONS = 384
PASSAGES = 10
READERS = 8
WORDS = [f"word{number}" for number in range(5000)]
WAIT_MS = 50.0
"""The bound of the project, on the 99th percentile."""


@dataclass
class Rush:
    """What was seen of some seconds of traffic. Times in milliseconds."""

    waits: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    busy: int = 0
    wal_mib_max: float = 0.0


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long each of the two parts takes (60)"
    )
    args = parser.parse_args()
    seconds = 10.0 if args.quick else args.seconds
    with tempfile.TemporaryDirectory() as place:
        figures = asyncio.run(measure(Path(place) / "pi-rag.db", seconds))
    publish(figures, args.json)
    return 0


async def measure(path: Path, seconds: float) -> Figures:
    """Fill a store, then read it alone and beside a writer."""
    store = await filled(path, 500)
    alone = await rush(store, seconds, writing=False)
    beside = await rush(store, seconds, writing=True)
    checkpoints = store.stats()["writer"]
    await store.close()
    rows = [_row("alone", alone), _row("beside the writer", beside)]
    return Figures(
        headline={"wait_ms_p99": round(_at(beside.waits, 0.99), 2), "store_busy": beside.busy},
        rows=rows,
        notes={"seconds": seconds, "readers": READERS, "writer": checkpoints},
    )


async def filled(path: Path, count: int, settings: StoreSettings | None = None) -> Store:
    """An open store with so many documents."""
    store = Store.open(path, settings or StoreSettings(), SystemClock())
    await store.write(identity.claim_fingerprint, Fingerprint("random", "0" * 64, "mean", "", DIMENSIONS, 1))
    dice = random.Random(0)
    for number in range(count):
        await store.write(put, f"filled {number}", dice)
    return store


async def rush(store: Store, seconds: float, *, writing: bool) -> Rush:
    """Eight readers, and a writer when wanted, for so long. A refusal is counted, not raised."""
    seen, end_s = Rush(), time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number in range(READERS):
            group.create_task(_reading(store, seen, random.Random(number), end_s))
        if writing:
            group.create_task(_writing(store, seen, random.Random(-1), end_s))
    return seen


async def _reading(store: Store, seen: Rush, dice: random.Random, end_s: float) -> None:
    while time.monotonic() < end_s:
        asked_s = time.monotonic()
        try:
            begun_s = await store.read(_timed, dice.choice(READS), dice)
        except StoreBusy:
            seen.busy += 1
            continue
        seen.waits.append((begun_s - asked_s) * 1000)
        seen.reads.append((time.monotonic() - asked_s) * 1000)


async def _writing(store: Store, seen: Rush, dice: random.Random, end_s: float) -> None:
    path = Path(store.stats()["path"])
    while time.monotonic() < end_s:
        asked_s = time.monotonic()
        await store.write(put, f"written {dice.randrange(10_000)}", dice)
        seen.writes.append((time.monotonic() - asked_s) * 1000)
        seen.wal_mib_max = max(seen.wal_mib_max, folder.size_mib(folder.wal_path(path)))


def _timed(db: Connection, read: Callable[[Connection, random.Random], Any], dice: random.Random) -> float:
    """Do it, and say when its first row was there."""
    value(db, "SELECT count(*) FROM meta")
    begun_s = time.monotonic()
    read(db, dice)
    return begun_s


def _words(db: Connection, dice: random.Random) -> None:
    sql = "SELECT rowid, rank FROM chunks_fts WHERE chunks_fts MATCH ? ORDER BY rank LIMIT 100"
    all_rows(db, sql, (" OR ".join(dice.choices(WORDS, k=3)),))


def _vectors(db: Connection, dice: random.Random) -> None:
    vectors.of(db, [dice.randrange(1, 5000) for _ in range(100)])


def _passages(db: Connection, dice: random.Random) -> None:
    citing.passages(db, [dice.randrange(1, 5000) for _ in range(8)])


def _listing(db: Connection, dice: random.Random) -> None:
    documents.listing(db, None, 100, dice.randrange(400))


READS: list[Callable[[Connection, random.Random], None]] = [_words, _vectors, _passages, _listing]


def put(db: Connection, source: str, dice: random.Random) -> None:
    """Store a document of ten passages of a hundred words, under this source."""
    texts = [" ".join(dice.choices(WORDS, k=100)) for _ in range(PASSAGES)]
    text = "\n".join(texts)
    new = NewDocument("default", source, source, "text", text, hashlib.sha256(text.encode()).hexdigest(), {})
    rows = np.random.default_rng(dice.randrange(2**32)).standard_normal(
        (PASSAGES, DIMENSIONS), dtype=np.float32
    )
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    documents.put(db, new, list(_cut(texts)), rows.tobytes(), 1.0)


def _cut(texts: list[str]) -> Iterator[Chunk]:
    start = 0
    for number, text in enumerate(texts):
        yield Chunk(number, start, start + len(text), text, "", None, 100)
        start += len(text) + 1


def _row(name: str, seen: Rush) -> dict[str, Any]:
    return {
        "readers": name,
        "reads": len(seen.reads),
        "wait p50 ms": _at(seen.waits, 0.5),
        "p99": _at(seen.waits, 0.99),
        "max": _at(seen.waits, 1.0),
        f"over {WAIT_MS:g} ms": sum(wait > WAIT_MS for wait in seen.waits),
        "read p50 ms": _at(seen.reads, 0.5),
        "read p99": _at(seen.reads, 0.99),
        "busy": seen.busy,
        "writes": len(seen.writes),
        "write p50 ms": _at(seen.writes, 0.5),
        "write p99": _at(seen.writes, 0.99),
        "log MiB": seen.wal_mib_max,
    }


def _at(values: list[float], share: float) -> float:
    """The value that so large a part does not exceed; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


if __name__ == "__main__":
    raise SystemExit(main())
