"""Large files, made by the harness: each ends as stored or as refused with a reason of the closed list, in
bounded time and memory, and searches are answered meanwhile.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_rag.client import Client
from pi_rag.errors import DocumentRefused, JobEnded, every_kind
from pi_rag.stress import ending, making, workload
from pi_rag.stress.types import Scenario, Stage

BUDGET_MIB = 1024
"""Of the service: what a small board can spare."""
OVER_SHARE_MAX = 0.05
"""So much more it may take for a moment: the service looks at its memory now and then, and must see what it
is to give up."""
BUDGET_SEEN = "memory within its budget"
GUESTS, PACE_S = 2, 0.5
LOOK_S = 0.5
UNLIKE_SHARE = 0.02
"""Of the lines of a large text that are like no other. All of them would show how fast the model is, and take
hours: a passage whose very text is there already is not embedded again."""
PARAGRAPH_LINES = 12
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Large:
    """One file."""

    name: str
    make: Callable[[Path, random.Random], None]
    ends_s_max: float


def text(mib: float) -> Callable[[Path, random.Random], None]:
    """So much of it; the last line has a word that only this file has."""

    def make(path: Path, dice: random.Random) -> None:
        with path.open("w", encoding="utf-8") as file:
            size = 0
            for paragraph in _paragraphs(dice):
                size += file.write(paragraph)
                if size >= mib * MIB:
                    break
            file.write(f"This was written by {_word(path)}.\n")

    return make


def pdf(pages: int) -> Callable[[Path, random.Random], None]:
    """So many pages with a line each; the last one has a word that only this file has."""

    def make(path: Path, dice: random.Random) -> None:
        lines = [_line(dice, page) for page in range(pages - 1)]
        path.write_bytes(making.pdf([*lines, f"This was written by {_word(path)}."]))

    return make


def _paragraphs(dice: random.Random) -> Iterator[str]:
    """Endless: most are one and the same."""
    same = "\n".join(_line(dice, line) for line in range(PARAGRAPH_LINES)) + "\n\n"
    number = 0
    while True:
        number += 1
        yield f"{_line(dice, number)}\n\n" if dice.random() < UNLIKE_SHARE else same


def _line(dice: random.Random, number: int) -> str:
    return (
        f"The {dice.choice(workload.THINGS)} number {number} was {dice.choice(workload.ACTS)} in the spring."
    )


def _word(path: Path) -> str:
    """The same letters for a name each time, and no others for it."""
    return workload.marker(sum(path.name.encode()), len(path.name))


WHOLE = (
    Large("text-1.txt", text(1), 300.0),
    Large("text-10.txt", text(10), 1200.0),
    Large("text-100.txt", text(100), 60.0),
    Large("pages-1000.pdf", pdf(1000), 600.0),
    Large("pages-5000.pdf", pdf(5000), 1800.0),
)
QUICK = (
    Large("text-quick.txt", text(0.2), 120.0),
    Large("text-100.txt", text(100), 60.0),
    Large("pages-100.pdf", pdf(100), 120.0),
)
REASONS = frozenset(kind.code for kind in every_kind(DocumentRefused))


def run(stage: Stage) -> None:
    """One after the other, and what became of each."""
    client = stage.service.client
    client.add_documents([{"source": "lamp", "text": "the lamp in the hall is lit"}], wait=True)
    folder = stage.folder / "large"
    folder.mkdir()
    with stage.crowd(GUESTS, {"search": 1.0}, pace_s=PACE_S) as crowd:
        for large in QUICK if stage.is_quick else WHOLE:
            if not stage.left_s():
                stage.check(large.name, "stored or refused", ending.why(stage), None)
                continue
            _one(stage, client, large, folder / large.name)
    _searches(stage, crowd.seen("search").codes)
    _memory(stage, BUDGET_MIB)


def _one(stage: Stage, client: Client, large: Large, path: Path) -> None:
    large.make(path, stage.dice)
    stage.mark(large.name, f"{path.stat().st_size / MIB:.1f} MiB")
    began_s = stage.elapsed_s()
    job = client.add_paths([str(path)])["job"]["id"]
    ended = ending.seen(stage, lambda: client.job(job)["job"]["state"] == "done", large.ends_s_max, LOOK_S)
    took_s = stage.elapsed_s() - began_s
    became, is_right = _became(client, client.job(job)["job"], path)
    path.unlink()
    asked = f"stored to its end, or refused with a reason, within {large.ends_s_max:g} s"
    seen = f"{became} after {took_s:.1f} s"
    if ended is None:
        stage.check(large.name, asked, f"{seen}, when {ending.why(stage)}", None)
        return
    stage.figure(f"{large.name.replace('-', '_').replace('.', '_')}_s", took_s)
    stage.check(large.name, asked, seen, ended and is_right)


def _became(client: Client, job: dict[str, Any], path: Path) -> tuple[str, bool]:
    """What became of the file, and whether that is one of the ends a file may have."""
    if job["state"] != "done":
        with contextlib.suppress(JobEnded):
            client.steer_jobs("cancel", job["id"])
        return str(job["state"]), False
    if job["refusals"]:
        code = str(job["refusals"][0]["code"])
        return f"refused: {code}", code in REASONS
    hits = client.search(_word(path), mode="text", k=3)["hits"]
    found = [hit for hit in hits if hit["source"] == str(path)]
    return f"stored, {job['chunks']} passages, its end {'' if found else 'not '}found", bool(found)


def _searches(stage: Stage, codes: dict[str, int]) -> None:
    count, errors = (
        sum(codes.values()),
        {code: n for code, n in codes.items() if code not in ("", "degraded")},
    )
    seen = f"{count} searches, errors: {errors or 'none'}, by words alone: {codes.get('degraded', 0)}"
    stage.check("searches are answered meanwhile", "no error", seen, not errors if count else None)


def _memory(stage: Stage, budget_mib: float) -> None:
    """The most that all processes took together, at any second."""
    most = max((sum(sample.pss_mib.values()) for sample in stage.record.samples), default=0.0)
    stage.figure("memory_mib_max", most)
    bound_mib = budget_mib * (1 + OVER_SHARE_MAX)
    is_kept = most <= bound_mib if most else None
    stage.check(BUDGET_SEEN, f"at most {bound_mib:.0f} MiB", f"{most:.0f} MiB at most", is_kept)


SCENARIO = Scenario(
    name="files",
    about="files of 1 to 100 MB, PDFs of thousands of pages: stored or refused, searches answered meanwhile",
    minutes=60.0,
    quick_minutes=6.0,
    run=run,
    environ={"PI_RAG_MEMORY_BUDGET_MIB": str(BUDGET_MIB)},
)
