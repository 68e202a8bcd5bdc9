"""What every benchmark shares: its flags, its two numbers, its table, and the same figures as JSON.

`python -m benchmarks.report FILE` prints such a JSON file as a table in Markdown, for the pages.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figures:
    """What a run measured."""

    headline: Mapping[str, float]
    """The two numbers, by name with unit."""
    rows: Sequence[Mapping[str, Any]]
    """The table, a row a mapping, all with the same keys."""
    notes: Mapping[str, Any]
    """What one must know to compare: model, machine, sizes."""


def arguments(description: str) -> argparse.ArgumentParser:
    """The flags of every benchmark; one may add its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", metavar="FILE", help="write the same figures to a file")
    parser.add_argument("--quick", action="store_true", help="a form that ends within a minute")
    return parser


def publish(figures: Figures, json_path: str | None) -> None:
    """Print the two numbers and the table; write the JSON when asked."""
    for name, value in figures.headline.items():
        print(f"{name}: {value:g}")
    print()
    _table(figures.rows)
    for name, value in figures.notes.items():
        print(f"{name}: {value}")
    if json_path:
        notes = {**figures.notes, **circumstances()}
        body = {"headline": figures.headline, "rows": list(figures.rows), "notes": notes}
        Path(json_path).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


def circumstances() -> dict[str, str]:
    """What a page says of how a result came to be."""
    module = Path(sys.argv[0]).stem
    flags = [each for each in sys.argv[1:] if each != "--json" and not each.endswith(".json")]
    return {
        "command": " ".join(["python -m", f"benchmarks.{module}", *flags]),
        "measured": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    cells = [list(rows[0])] + [[_shown(value) for value in row.values()] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    print()


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def table(rows: Sequence[Mapping[str, Any]], wanted: Sequence[str] | None = None) -> str:
    """Rows as the pages have them: these columns, or all that are not empty throughout."""
    names = wanted or [name for name in rows[0] if any(row[name] != "" for row in rows)]
    lines = [names, ["---"] * len(names)]
    lines += [[_shown(row[name]) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(figures: Figures) -> str:
    """The table, then the notes."""
    notes = "\n".join(f"- {name}: {value}" for name, value in {**figures.headline, **figures.notes}.items())
    return f"{table(figures.rows)}\n\n{notes}"


if __name__ == "__main__":
    print(markdown(Figures(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
