"""How fast the nearest vectors are found, how surely, and in how much RAM, beside what one would use instead.

    python -m benchmarks.search [--size N]... [--peers WORD,WORD] [--build-minutes M] [--rounds N]
                                [--root FOLDER] [--quick] [--json FILE]

Vectors of real texts, extended by mixed and perturbed copies to 100,000 and 1,000,000, and real queries. Each
row builds its index in one process and serves it from another, on one core; all wait, and one at a time
works, or where they would not fit the RAM together, one after the other. `private` is anonymous memory,
`mapped` what is resident of files, both beyond a bare interpreter with numpy. What a program reads from its
files through the page cache is in neither.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.environment import peers_python
from benchmarks.report import Figures, arguments, publish
from benchmarks.searching import table, vectors
from benchmarks.searching.rows import Row, chosen, command, rows
from benchmarks.searching.turns import ROWS_BESIDE, Found, K, Task, measured
from benchmarks.sets import DEFAULT_ROOT
from pi_rag.errors import PiRagError
from pi_rag.host.memory import available_mib

if TYPE_CHECKING:
    from pi_rag.types import Vectors

SIZES = (100_000, 1_000_000)
QUICK_SIZE = 20_000
QUERIES = 200
FLOAT_MIB = 4 / 2**20


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--size", type=int, action="append", help="vectors; may be repeated")
    parser.add_argument("--peers", default="", help="rows with one of these words in their name, by commas")
    parser.add_argument("--build-minutes", type=float, default=10.0, help="longest that a build may take")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each row")
    parser.add_argument("--seconds", type=float, default=20.0, help="longest turn")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder of the retrieval sets")
    args = parser.parse_args()
    if not (args.root / vectors.SETS[0]).is_dir():
        print(f"There is no set {vectors.SETS[0]!r} in {args.root}.", file=sys.stderr)
        return 2
    try:
        publish(measure(args, *vectors.real(args.root)), args.json)
    except PiRagError as error:
        print(f"{error.message} {error.hint or ''}", file=sys.stderr)
        return error.exit_code
    return 0


def measure(args: Namespace, base: Vectors, queries: Vectors, kept: Path = vectors.KEPT) -> Figures:
    """All sizes, one after the other. `kept` is where the vectors and, meanwhile, the indexes are."""
    sizes = args.size or ([QUICK_SIZE] if args.quick else SIZES)
    path = vectors.extended(base, max(sizes) + ROWS_BESIDE, kept)
    asked = np.random.default_rng(0).permutation(queries)[:QUERIES]
    lines: list[dict[str, Any]] = []
    head: dict[str, float] = {}
    notes: dict[str, Any] = {"queries": len(asked), "real vectors": len(base)}
    about: set[str] = set()
    for size in sizes:
        every = chosen(rows(size), [word for word in args.peers.split(",") if word], quick=args.quick)
        with tempfile.TemporaryDirectory(dir=kept) as folder:
            tasks = _tasks(every, args, path, size, asked, Path(folder))
            found: dict[str, Found] = {}
            for group in groups(tasks, size * base.shape[1] * FLOAT_MIB, available_mib() or 0.0):
                found |= measured(group, commands(every))
        lines += [table.line(size, row, found[row.name]) for row in every]
        head = table.headline(size, found)
        notes |= {f"{size}: {name}": value for name, value in table.ahead(every, found).items()}
        about |= {each.about for each in found.values() if each.about}
    return Figures(head, lines, notes | {"versions": ", ".join(sorted(about))})


def _tasks(
    every: Sequence[Row], args: Namespace, path: Path, size: int, asked: Vectors, folder: Path
) -> list[Task]:
    np.save(folder / "queries.npy", asked)
    truth = vectors.nearest(np.load(path, mmap_mode="r")[:size], asked, K)
    bounds = {"build_s_max": args.build_minutes * 60, "rounds": args.rounds, "seconds": args.seconds}
    return [Task(row, path, size, folder / "queries.npy", truth, folder, **bounds) for row in every]


def groups(tasks: Sequence[Task], each_mib: float, available_mib: float) -> list[Sequence[Task]]:
    """All together, so that a slow minute is everybody's; one by one where their files would not fit the RAM.

    Half of it is left to whatever a way needs beside the vectors.
    """
    fit = len(tasks) * each_mib <= available_mib / 2
    return [tasks] if fit else [[task] for task in tasks]


def commands(every: Sequence[Row]) -> Callable[[Row], list[str]]:
    """How each row is started. The peers are installed only when one of them is asked for."""
    python = "" if all(row.own for row in every) else str(peers_python("peers-search"))
    return lambda row: command(row, python)


if __name__ == "__main__":
    sys.exit(main())
