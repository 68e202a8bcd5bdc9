"""How soon a watched folder is right again, and what adding again what has not changed costs.

    python -m benchmarks.watching [--quick] [--json FILE]

A whole service watches a folder of notes. One file at a time is made, edited, renamed and deleted, and a
search is asked again and again until it says so. Then as many files as the bound of the project names are
added twice.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.model import benchmark_model
from benchmarks.report import Figures, arguments, publish
from pi_rag.stress.running import COMMAND, RunningService

ASK_S = 0.02
"""Between two searches: what is measured is no finer."""

GIVEN_UP_S = 60.0

_LETTERS = "bcdfghjklmnpqrtvwxyz"
"""A word of its own for each round: one with a digit in it would be found by the digit too."""


def main() -> int:
    """Measure and print."""
    args = arguments(__doc__ or "").parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningService(Path(folder), {"PI_RAG_MODEL": benchmark_model().path}) as service,
    ):
        home = Path(folder).resolve()
        rows = _changes(service, home / "watched", notes=200, rounds=3 if args.quick else 20)
        again = _again(service, home / "again", files=1000 if args.quick else 10_000)
    headline = {"right_again_s_max": max(row["s_max"] for row in rows), "add_again_s": again["add_again_s"]}
    publish(Figures(headline=headline, rows=rows, notes=again), args.json)
    return 0


def _changes(service: RunningService, folder: Path, *, notes: int, rounds: int) -> list[dict[str, Any]]:
    """Each kind of change some times: how long until a search by words answers as the folder is."""
    _fill(folder, notes)
    service.client.watch(str(folder), collection="default")
    _wait(lambda: _documents(service) == notes)
    took: dict[str, list[float]] = {"made": [], "edited": [], "renamed": [], "deleted": []}
    file, to = folder / "one.md", folder / "other.md"
    for number in range(rounds):
        heron, otter = f"heron{_LETTERS[number]}", f"otter{_LETTERS[number]}"
        steps: list[tuple[str, Callable[[], object], str, list[str]]] = [
            ("made", partial(file.write_text, heron), heron, [str(file)]),
            ("edited", partial(file.write_text, otter), otter, [str(file)]),
            ("renamed", partial(file.rename, to), otter, [str(to)]),
            ("deleted", to.unlink, otter, []),
        ]
        for name, change, word, found in steps:
            took[name].append(_until_told(service, change, word, found))
    return [
        {"change": name, "s_median": round(statistics.median(times), 2), "s_max": round(max(times), 2)}
        for name, times in took.items()
    ]


def _until_told(service: RunningService, change: Callable[[], object], word: str, found: list[str]) -> float:
    begun_s = time.monotonic()
    change()
    _wait(lambda: [hit["source"] for hit in service.client.search(word, mode="text")["hits"]] == found)
    return time.monotonic() - begun_s


def _again(service: RunningService, folder: Path, *, files: int) -> dict[str, float]:
    """`pi-rag add` of the same files, twice, as a person types it."""
    _fill(folder, files)
    first_s = _add(service, folder)
    before = service.client.status()["ingest"]["passages"]
    second_s = _add(service, folder)
    after = service.client.status()["ingest"]["passages"]
    return {
        "files": files,
        "add_s": round(first_s, 2),
        "add_again_s": round(second_s, 2),
        "embedded_again": after["embedded"] - before["embedded"],
    }


def _add(service: RunningService, folder: Path) -> float:
    begun_s = time.monotonic()
    subprocess.run([*COMMAND, "add", str(folder)], env=service.environ, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun_s


def _documents(service: RunningService) -> int:
    return int(service.client.status()["counts"]["documents"])


def _fill(folder: Path, files: int) -> None:
    for number, name in enumerate(_names(files)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Note {number}. The boiler of house {number} was serviced in year {number % 70}.\n")


def _names(files: int) -> Iterable[str]:
    return (f"{number // 100:03}/{number}.md" for number in range(files))


def _wait(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + GIVEN_UP_S
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError("The service did not come to it.")
        time.sleep(ASK_S)


if __name__ == "__main__":
    sys.exit(main())
