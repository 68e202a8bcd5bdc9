"""How fast files become passages that are found, beside the pool that only makes their vectors.

    python -m benchmarks.ingest [--kind WORD]... [--rounds N] [--data FOLDER] [--quick] [--json FILE]

Files of each kind go into a fresh service by `add`, from the request until the job has ended: every passage
is then searchable and on the disk. In the same rounds a pool of the same workers embeds the same texts and
does nothing else. "of bare" is the whole path's rate in parts of the pool's; "of its work" the same by
processor time, which holds on a busy machine too. The shares are of the stages run one after the other, each
alone. Then 10,000 unchanged files are added again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ingesting.bare import STAGES, Bare
from benchmarks.ingesting.kinds import KINDS
from benchmarks.ingesting.processor import processor_s
from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from benchmarks.sets import DEFAULT_ROOT
from pi_rag.config import from_values
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard

POLL_S = 0.25
"""Seldom: whoever asks takes time from what is measured. So the job's own stamps say how long it took."""
JOB_S_MAX = 1800.0
UNCHANGED = 10_000
NICE = {"PI_RAG_EMBEDDER_INGEST_NICE": "0"}
"""On both sides, so that the rest of the machine does not hold up the one more than the other."""


@dataclass
class Found:
    """What the rounds of one kind have found."""

    files: int = 0
    refused: int = 0
    passages: int = 0
    texts: list[str] = field(default_factory=list)
    whole_s: list[float] = field(default_factory=list)
    bare_s: list[float] = field(default_factory=list)
    whole_cpu_s: list[float] = field(default_factory=list)
    bare_cpu_s: list[float] = field(default_factory=list)
    stages: Mapping[str, float] = field(default_factory=dict)


def main() -> int:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--kind", action="append", help="kinds with this word; may be repeated")
    parser.add_argument("--rounds", type=int, help="turns of each side (default: 3, of the short form 1)")
    parser.add_argument("--data", type=Path, default=DEFAULT_ROOT.parent, help="folder of the documents")
    parser.add_argument("--unchanged", type=int, default=UNCHANGED, help="files added again; 0: none")
    args = parser.parse_args()
    if not (args.data / "docs").is_dir():
        print(f"There are no documents in {args.data}.", file=sys.stderr)
        return 2
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.unchanged = min(args.unchanged, 500) if args.quick else args.unchanged
    publish(asyncio.run(measure(args)), args.json)
    return 0


async def measure(args: Namespace) -> Figures:
    """Kind after kind, then the files that have not changed."""
    card, settings = benchmark_model(), from_values({"embedder.ingest_nice": 0})
    wanted = [kind for kind in KINDS if any(word in kind for word in args.kind or [""])]
    with tempfile.TemporaryDirectory() as scratch:
        async with Bare(card, settings) as bare:
            found = {kind: await _measured(kind, args, Path(scratch), card, bare) for kind in wanted}
        again = _added_again(Path(scratch), card, args.unchanged) if args.unchanged else {}
    rows = [_row(kind, each) for kind, each in found.items()]
    return Figures(
        headline={
            f"{kind}: whole path of bare": _of_bare(each.bare_s, each.whole_s) for kind, each in found.items()
        },
        rows=rows,
        notes={
            "model": f"{card.name} {card.quantisation}, {settings.embedder.workers_wanted} workers",
            "rounds": f"{args.rounds}, medians" + (" (quick: a part of it)" if args.quick else ""),
            **again,
        },
    )


async def _measured(kind: str, args: Namespace, scratch: Path, card: ModelCard, bare: Bare) -> Found:
    """Both sides in turns; whoever went first goes second in the next round."""
    folder, found = scratch / kind.replace(" ", "-"), Found()
    folder.mkdir()
    KINDS[kind](args.data, folder, quick=args.quick)
    for number in range(args.rounds):
        turns = ("whole", "bare") if number % 2 == 0 else ("bare", "whole")
        for turn in turns:
            if turn == "bare":
                before_s = processor_s(os.getpid())
                found.bare_s.append(await bare.seconds(found.texts))
                found.bare_cpu_s.append(processor_s(os.getpid()) - before_s)
                continue
            lines = await asyncio.to_thread(_whole, folder, scratch, card, found)
            found.texts = found.texts or await bare.texts(lines)
        print(f"{kind}: {found.whole_s[-1]:.2f} s, bare {found.bare_s[-1]:.2f} s", file=sys.stderr)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        found.stages = await bare.stages(files, Path(place))
    return found


def _whole(folder: Path, scratch: Path, card: ModelCard, found: Found) -> Sequence[bytes]:
    """One turn of a fresh service; what it has then, as lines of its export."""
    with _fresh(scratch, card) as running:
        before_s = processor_s(running.pid)
        job = _ended(running, folder)
        found.whole_s.append(_seconds(job))
        found.whole_cpu_s.append(processor_s(running.pid) - before_s)
        found.files, found.refused = job["items_done"], job["items_refused"] + job["items_failed"]
        found.passages = job["chunks"]
        return [] if found.texts else list(running.client.export(vectors=True))


@contextmanager
def _fresh(scratch: Path, card: ModelCard) -> Iterator[RunningService]:
    """A service that has nothing yet."""
    with (
        tempfile.TemporaryDirectory(dir=scratch) as place,
        RunningService(Path(place), {"PI_RAG_MODEL": card.path, **NICE}) as running,
    ):
        yield running


def _ended(running: RunningService, folder: Path) -> Mapping[str, Any]:
    """The job that takes a folder in, once it has ended. Raises RuntimeError when it does not."""
    number, end_s = running.client.add_paths([str(folder)])["job"]["id"], time.monotonic() + JOB_S_MAX
    while time.monotonic() < end_s:
        job: Mapping[str, Any] = running.client.job(number)["job"]
        if job["finished_at"] is not None:
            return job
        time.sleep(POLL_S)
    raise RuntimeError(f"The job has not ended after {JOB_S_MAX:.0f} s:\n{running.log_text()}")


def _added_again(scratch: Path, card: ModelCard, count: int) -> Mapping[str, Any]:
    """Seconds to add so many files once more that are stored as they are, and what was embedded then."""
    folder = scratch / "unchanged"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.txt").write_text(f"note {number}\n", encoding="utf-8")
    with _fresh(scratch, card) as running:
        first_s, before = _seconds(_ended(running, folder)), _embedded(running)
        job = _ended(running, folder)
        again_s = _seconds(job)
        assert job["items_unchanged"] == count, job
        more = _embedded(running) - before
    shutil.rmtree(folder)
    return {
        f"{count} files of one line": f"{first_s:.1f} s; unchanged, again: {again_s:.2f} s, {more} embedded"
    }


def _seconds(job: Mapping[str, Any]) -> float:
    """From the request to the end of its last document."""
    return float(job["finished_at"] - job["created_at"])


def _embedded(running: RunningService) -> int:
    return int(running.client.status()["ingest"]["passages"]["embedded"])


def _of_bare(bare: Sequence[float], whole: Sequence[float]) -> float:
    """The rate of the whole path in parts of the bare one: the median of the rounds' ratios."""
    return median(of_bare / of_whole for of_bare, of_whole in zip(bare, whole, strict=True))


def _row(kind: str, found: Found) -> dict[str, Any]:
    whole_s, all_s = median(found.whole_s), sum(found.stages.values())
    return {
        "kind": kind,
        "files": found.files,
        "refused": found.refused,
        "passages": found.passages,
        "files/s": f"{found.files / whole_s:.1f}",
        "passages/s": f"{found.passages / whole_s:.1f}",
        "of bare": f"{_of_bare(found.bare_s, found.whole_s):.2f}",
        "of its work": f"{_of_bare(found.bare_cpu_s, found.whole_cpu_s):.2f}",
        **{f"{name} %": f"{100 * found.stages[name] / all_s:.1f}" for name in STAGES},
    }


if __name__ == "__main__":
    sys.exit(main())
