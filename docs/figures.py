"""Fills the places for figures in a page with what benchmarks have written, so that no figure is typed.

A page with figures is written from `benchmarks/pages/NAME.md`. A result is `benchmarks/results/NAME.json`, as
`python -m benchmarks.X --json` writes it. Places:

    {{table NAME}}                  all rows and columns that are not empty
    {{table NAME: one, other}}      these columns
    {{NAME: key}}                   a number of the headline, or a note
    {{NAME: row | column}}          one cell; the row whose first cell it is
    {{NAME: key :.1f}}              either, in this form
    {{file PATH}}                   a file of the project, such as settings that a page shows

It knows nothing of what is measured. A place that names nothing is an error.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.report import Figures, table

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"

_FILE = re.compile(r"\{\{file ([\w./-]+)\}\}")

_PLACE = re.compile(
    r"\{\{(?P<table>table )?(?P<name>[\w-]+)(?:: (?P<what>[^}]+?))?(?: :(?P<form>[^}]+))?\}\}"
)


def filled(text: str, results: Path = RESULTS) -> str:
    """The page. Raises LookupError for a place that names no result, row, column or key."""
    shown = _PLACE.sub(lambda place: _shown(place, results), text)
    return _FILE.sub(lambda place: (ROOT / place[1]).read_text(encoding="utf-8").rstrip("\n"), shown)


def names(text: str) -> list[str]:
    """The results that a page shows, each once."""
    return list(dict.fromkeys(place["name"] for place in _PLACE.finditer(text)))


def _shown(place: re.Match[str], results: Path) -> str:
    figures, what = _read(results / f"{place['name']}.json"), place["what"]
    if place["table"]:
        return table(figures.rows, what.split(", ") if what else None)
    if what is None:
        raise LookupError(f"{place[0]} says nothing of what it wants of the result.")
    value = _value(figures, what)
    return format(value, place["form"]) if place["form"] else str(value)


def _value(figures: Figures, what: str) -> Any:
    """A number of the headline, a note, or a cell."""
    row, bar, column = what.partition(" | ")
    if not bar:
        return {**figures.notes, **figures.headline}[what]
    cells = {str(next(iter(each.values()))): each for each in figures.rows}
    return cells[row][column]


def _read(path: Path) -> Figures:
    if not path.exists():
        raise LookupError(f"There is no result {path.name}: a benchmark writes it with --json.")
    return Figures(**json.loads(path.read_text(encoding="utf-8")))
