"""What a search by vectors, an insert and a start cost as the memory grows.

    python -m benchmarks.growth [--size N]... [--root FOLDER] [--quick] [--json FILE]

Our own store at 10,000, 100,000 and 1,000,000 passages with words of real texts and vectors of a real
distribution, side by side: each in a process of its own on one core, one at a time at work.
"""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.report import Figures, arguments, publish
from benchmarks.searching import vectors
from benchmarks.searching.rows import Row, command
from benchmarks.searching.turns import INSERTED, ROWS_BESIDE, Found, K, Task, measured
from benchmarks.sets import DEFAULT_ROOT, RetrievalSet, load

if TYPE_CHECKING:
    from pi_rag.types import Vectors

SIZES = (10_000, 100_000, 1_000_000)
QUERIES = 200
PASSAGE_CHARS = (150, 600)
"""A passage is a run of real words about this long."""
SHUFFLES = 8
"""How often the words of the corpus are cut anew, so that few passages of a million are alike."""


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--size", type=int, action="append", help="passages of a store; may be repeated")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder of the retrieval sets")
    args = parser.parse_args()
    if not (args.root / vectors.SETS[0]).is_dir():
        print(f"There is no set {vectors.SETS[0]!r} in {args.root}.", file=sys.stderr)
        return 2
    if args.quick:
        args.size = args.size or [2_000, 20_000]
    publish(measure(args), args.json)
    return 0


def measure(args: Namespace) -> Figures:
    """All sizes side by side."""
    base, asked = vectors.real(args.root)
    sizes = sorted(args.size or SIZES)
    path = vectors.extended(base, max(sizes) + ROWS_BESIDE)
    texts = passages([load(args.root / name) for name in vectors.SETS])
    with tempfile.TemporaryDirectory(dir=vectors.KEPT) as folder:
        found = _stores(
            sizes, path, np.random.default_rng(0).permutation(asked)[:QUERIES], texts, Path(folder)
        )
    lines = [_line(size, found[str(size)]) for size in sizes]
    head = {f"p50_ms_at_{sizes[-1]}": float(lines[-1]["p50 ms"])} if not found[str(sizes[-1])].failed else {}
    return Figures(head, lines, _ratios(sizes, found))


def passages(sets: Sequence[RetrievalSet]) -> list[str]:
    """Runs of the corpora's own words, the same ones every time."""
    words = [
        word for data in sets for title, text in data.corpus.values() for word in f"{title} {text}".split()
    ]
    dice, found = np.random.default_rng(0), []
    for _ in range(SHUFFLES):
        at = int(dice.integers(50))
        while at < len(words):
            count = int(dice.integers(*PASSAGE_CHARS)) // 6
            found.append(" ".join(words[at : at + count]))
            at += count
    return list(dict.fromkeys(found))


def _stores(
    sizes: Sequence[int], path: Path, asked: Vectors, texts: Sequence[str], folder: Path
) -> Mapping[str, Found]:
    """The same vectors and words in stores of every size, by the size as a word."""
    np.save(folder / "queries.npy", asked)
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    options = {"kind": "auto", "bits": 2, "texts": str(folder / "texts.json")}
    tasks = [
        Task(
            Row(str(size), "store", options, own=True),
            path,
            size,
            folder / "queries.npy",
            vectors.nearest(np.load(path, mmap_mode="r")[:size], asked, K),
            folder,
            build_s_max=7200,
            # One document a transaction, as ingest stores them.
            batch=20,
        )
        for size in sizes
    ]
    return measured(tasks, lambda row: command(row, ""))


def _line(size: int, found: Found) -> dict[str, Any]:
    if found.failed:
        return {"passages": size, **dict.fromkeys(COLUMNS, "-"), "why not": found.failed}
    p50, p95 = found.latencies_ms
    cells = (
        f"{p50:.3f}",
        f"{p95:.3f}",
        f"{found.recall:.4f}",
        f"{found.inserted_per_s or 0:.0f}",
        f"{found.load_s:.2f}",
        f"{found.rebuild_s:.2f}",
        f"{found.private_mib:.0f}",
        f"{found.disk_mib:.0f}",
        f"{size / found.build_s:.0f}",
    )
    return {"passages": size, **dict(zip(COLUMNS, cells, strict=True)), "why not": ""}


COLUMNS = (
    "p50 ms",
    "p95 ms",
    "recall@10",
    "inserted/s",
    "start s",
    "rebuild s",
    "private MiB",
    "disk MiB",
    "filled/s",
)


def _ratios(sizes: Sequence[int], found: Mapping[str, Found]) -> dict[str, Any]:
    """How latency and inserts at each size stand to those at the smallest."""
    notes: dict[str, Any] = {"inserts": f"{INSERTED} passages a turn, documents of 20, a transaction each"}
    first = found[str(sizes[0])]
    for size in sizes[1:]:
        here = found[str(size)]
        if not first.failed and not here.failed:
            latency, insert = here.latencies_ms[0] / first.latencies_ms[0], _rate(here) / _rate(first)
            notes[f"{size} to {sizes[0]}"] = f"latency {latency:.2f}, inserts {insert:.2f}"
    return notes


def _rate(found: Found) -> float:
    return found.inserted_per_s or 0.0


if __name__ == "__main__":
    sys.exit(main())
