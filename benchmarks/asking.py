"""What a whole search costs at the socket over 100,000 passages: alone, and among twenty clients.

    python -m benchmarks.asking [--passages N] [--seconds S] [--root FOLDER] [--quick] [--json FILE]

The questions are those of the retrieval sets. One client asks with the query's vector known, and not known,
beside the bare engine that makes the same vectors. Then twenty ask at once, each as soon as it has its
answer: questions whose vectors are known, and questions that nobody ever asked, both of a service that keeps
no answers; and, of one as it is shipped, questions drawn by chance from all of the sets.
"""

from __future__ import annotations

import itertools
import random
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.growth import passages
from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from benchmarks.searching import vectors, whole
from benchmarks.sets import DEFAULT_ROOT, load

PASSAGES = 100_000
QUERIES = 200
SECONDS = 60.0


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--passages", type=int, default=PASSAGES, help="how many the memory has")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each crowd asks")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder of the retrieval sets")
    args = parser.parse_args()
    if not (args.root / vectors.SETS[0]).is_dir():
        print(f"There is no set {vectors.SETS[0]!r} in {args.root}.", file=sys.stderr)
        return 2
    if args.quick:
        args.passages, args.seconds = min(args.passages, 5_000), 5.0
    publish(measure(args), args.json)
    return 0


def measure(args: Namespace) -> Figures:
    """A filled folder, and two services over it, one after the other."""
    base, _ = vectors.real(args.root)
    rows = np.load(vectors.extended(base, args.passages), mmap_mode="r")[: args.passages]
    sets = [load(args.root / name) for name in vectors.SETS]
    questions = list(dict.fromkeys(each for data in sets for each in data.queries.values()))
    shuffled = [str(each) for each in np.random.default_rng(1).permutation(questions)]
    with tempfile.TemporaryDirectory(dir=vectors.KEPT) as kept:
        whole.prepare(Path(kept), rows, passages(sets), benchmark_model())
        return _asked(Path(kept), shuffled, args)


def _asked(folder: Path, questions: Sequence[str], args: Namespace) -> Figures:
    card = benchmark_model()
    with whole.service(folder, card, keeps_answers=False) as running:
        whole.wait_until_settled(running, args.passages)
        search = running.client.search
        known, stages = whole.cached(search, questions[:QUERIES])
        fresh, bare_ms = whole.uncached(search, questions[QUERIES : 2 * QUERIES], card)
        again = whole.crowd(search, itertools.cycle(questions[:QUERIES]), args.seconds)
        new = whole.crowd(search, whole.never_asked(questions), args.seconds)
    with whole.service(folder, card, keeps_answers=True) as running:
        whole.wait_until_settled(running, args.passages)
        shipped = whole.crowd(running.client.search, _drawn(questions), args.seconds)
    rows = [
        _row("one client, the query's vector is known", known),
        _row("one client, it is not", fresh),
        _row("twenty clients, vectors known", again),
        _row("twenty clients, never asked before", new),
        _row("twenty clients, as shipped, questions by chance", shipped),
    ]
    head = {
        "cached_p50_ms": known.percentile(50),
        "uncached_p50_ms": fresh.percentile(50),
        "bare_embedding_p50_ms": bare_ms,
        "uncached_allowed_ms": 1.2 * bare_ms + 5,
    }
    notes = {"stages_ms": {name: round(ms, 2) for name, ms in stages.items()}}
    about = {"passages": args.passages, "seconds": args.seconds, "questions": len(questions)}
    return Figures({name: round(ms, 2) for name, ms in head.items()}, rows, {**about, **notes})


def _drawn(questions: Sequence[str]) -> Iterator[str]:
    dice = random.Random(1)
    while True:
        yield dice.choice(questions)


def _row(searches: str, times: whole.Times) -> dict[str, Any]:
    return {
        "searches": searches,
        "answers": len(times.ms),
        "errors": times.errors,
        "degraded": times.degraded,
        "p50 ms": f"{times.percentile(50):.2f}",
        "p95 ms": f"{times.percentile(95):.2f}",
    }


if __name__ == "__main__":
    sys.exit(main())
