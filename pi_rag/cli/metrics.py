"""`pi-rag metrics`: how the service was, minute by minute, from the files it leaves behind.

It asks nobody, so that it also tells of a service that is down. A torn or strange line is passed over.
"""

from __future__ import annotations

import json
import re
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pi_rag import owners
from pi_rag.cli.parsing import no_constant
from pi_rag.cli.printing import one_line
from pi_rag.cli.reach import settings_of
from pi_rag.errors import NotFound, PathNotFound

DESCRIPTION = """\
It shows a line for each minute: how many searches there were and how fast, what was known already,
how much memory was used, what waits to be added, how hot it was and how much was written. Between
them stand steps that were taken for want of memory, and alerts, each with its figures.
"""

EXAMPLES = """\
  pi-rag metrics
  pi-rag metrics --last 2d
  pi-rag metrics --last 30m --json | jq .p95_ms
"""

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

HEAD = (
    "time",
    "state",
    "searches",
    "p50 ms",
    "p95 ms",
    "known",
    "MiB",
    "waiting",
    "°C",
    "KiB written",
    "alerts",
)
"""The columns. `known`: searches whose answer was there. `waiting`: documents in the queue."""


def configure(parser: ArgumentParser) -> None:
    """How far back."""
    parser.add_argument(
        "--last", metavar="SPAN", type=_span_s, default=3600, help="how far back: 30m, 6h, 2d (default: 1h)"
    )


def run(args: Namespace) -> int:
    """Read and print. Raises PathNotFound where nothing was ever written, NotFound where it is forbidden."""
    settings = settings_of(args)
    lines = _since(settings.metrics_path, time.time() - args.last)
    if args.json:
        for line in lines:
            print(json.dumps(line, ensure_ascii=False))
    else:
        _show(lines)
    return 0


def latest(folder: Path, count: int) -> list[dict[str, Any]]:
    """The last lines, the oldest first. Raises PathNotFound and NotFound as `run` does."""
    kept: list[dict[str, Any]] = []
    for path in _newest_first(folder):
        kept = [*_lines(path), *kept]
        if len(kept) >= count:
            break
    return kept[-count:]


def _span_s(text: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is no span of time; write 30m, 6h or 2d")
    return int(found[1]) * SECONDS[found[2]]


def _since(folder: Path, since_s: float) -> list[dict[str, Any]]:
    """The lines from then on, the oldest first. Only as many files are read as are needed."""
    kept: list[dict[str, Any]] = []
    for path in _newest_first(folder):
        found = list(_lines(path))
        kept = [line for line in found if line["at"] >= since_s] + kept
        if found and found[0]["at"] < since_s:
            break
    return kept


def _newest_first(folder: Path) -> list[Path]:
    try:
        found = [folder / "metrics.jsonl", *sorted(folder.glob("metrics.*.jsonl"), key=_number)]
        there = [path for path in found if path.exists()]
    except PermissionError:
        raise _forbidden(folder) from None
    if not there:
        raise PathNotFound(
            f"There are no metrics in {folder}.",
            hint="The service writes the first line a minute after its start. "
            "Of the installed service: sudo -u pi-rag pi-rag metrics --config /etc/pi-rag/pi-rag.toml",
        )
    return there


def _number(path: Path) -> int:
    number = path.name.split(".")[1]
    return int(number) if number.isdigit() else 0


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return  # it has just become an older one, and is read as that
    except PermissionError:
        raise _forbidden(path.parent) from None
    for line in text.splitlines():
        try:
            found = json.loads(line, parse_constant=no_constant)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and isinstance(found.get("at"), (int, float)):
            yield found


def _forbidden(folder: Path) -> NotFound:
    return NotFound(
        f"{folder} may be read by the service's user only.",
        hint=owners.advice(folder, f"metrics --data {folder.parent}"),
    )


def _show(lines: list[dict[str, Any]]) -> None:
    """Columns with pipes between them; what happened stands in lines of its own."""
    rows = [HEAD, *((_stamp(line), *_cells(line)) for line in lines if "event" not in line)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    print(_row(HEAD, widths))
    for line in lines:
        if "event" in line:
            print(f"{_stamp(line)} | {_told(line)}")
        else:
            print(_row((_stamp(line), *_cells(line)), widths))


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    """Numbers to the right, words to the left."""
    sides = [
        cell.ljust(width) if column in {0, 1, len(HEAD) - 1} else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return " | ".join(sides).rstrip()


def _stamp(line: dict[str, Any]) -> str:
    try:
        return time.strftime("%m-%d %H:%M:%S", time.localtime(line["at"]))
    except (OverflowError, ValueError, OSError):
        return "-"


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    memory = line.get("memory_mib")
    alerts = line.get("alerts")
    return (
        one_line(line.get("state", "-")),
        _cell(line.get("searches")),
        _cell(line.get("p50_ms")),
        _cell(line.get("p95_ms")),
        _cell(line.get("answer_hits")),
        _cell(sum(memory.values()) if isinstance(memory, dict) else None),
        _cell(line.get("documents_waiting")),
        _cell(line.get("temperature_c")),
        _cell(line.get("written_kib")),
        one_line(" ".join(map(str, alerts)) if isinstance(alerts, list) else ""),
    )


def _cell(value: Any) -> str:
    """A number of a few digits; '-' where there is none."""
    if not isinstance(value, (int, float)):
        return "-"
    return f"{value:.1f}" if isinstance(value, float) and value < 100 else f"{value:.0f}"


def _told(line: dict[str, Any]) -> str:
    figures = [f"{name} {value}" for name, value in line.items() if name not in {"at", "event"}]
    return one_line(f"{line['event']}: {', '.join(figures)}")
