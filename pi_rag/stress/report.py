"""A run for people and for programs: lines for a screen, and JSON that has all of it and can be read again.

Nothing private is in either (`private.py`). It measures nothing and knows no service; `page.py` makes a page
for a browser of the same.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pi_rag.errors import RequestInvalid
from pi_rag.stress.private import cleaned, without_names
from pi_rag.stress.tally import Tally
from pi_rag.stress.types import LOST, Check, Mark, Probe, Record, Sample

SCHEMA = 1
"""Of the JSON. It changes when a reader of before would misread it."""

FILE_MIB_MAX = 256
"""A larger file is no report of ours."""

WHICH = "Give a report.json that pi-rag stress wrote."

_ROWS: Mapping[str, type] = {"samples": Sample, "probes": Probe, "marks": Mark, "checks": Check}
_PLAIN = tuple(each.name for each in fields(Record) if each.name not in {*_ROWS, "answers", "tally"})
_WANTED: Mapping[type, Mapping[str, Any]] = {kind: get_type_hints(kind) for kind in (Record, *_ROWS.values())}
"""Of each field its type: what a stranger wrote is used only when it fits."""

_OF_ALL: Mapping[str, Any] = {"seed": int, "command": str, "is_well": bool}
"""Of the report itself."""


@dataclass
class Report:
    """Scenarios that were run one after the other with one seed."""

    seed: int
    command: str
    """What was typed, without folders: with it and the seed a run is replayed."""
    runs: list[Record] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether every run ended as it must. None at all shows nothing."""
        return bool(self.runs) and all(each.is_well for each in self.runs)


def to_json(report: Report) -> dict[str, Any]:
    """Plain objects; single answers are left out, since the tally has them all."""
    told = {
        "schema": SCHEMA,
        "what": "pi-rag stress",
        "seed": report.seed,
        "command": report.command,
        "is_well": report.is_well,
        "runs": [_run_to_json(each) for each in report.runs],
    }
    return dict(cleaned(told))


def _run_to_json(record: Record) -> dict[str, Any]:
    plain = {name: getattr(record, name) for name in _PLAIN}
    rows = {name: _columns(getattr(record, name), kind) for name, kind in _ROWS.items()}
    # A copy: guests may still be answered while an interrupted run is written.
    return {
        **plain,
        "is_kept": record.is_kept,
        "is_well": record.is_well,
        **rows,
        "tally": record.tally.to_json(),
    }


def _columns(rows: list[Any], kind: type) -> dict[str, list[Any]]:
    """A list for each field: the names would be most of the file otherwise."""
    whole = [asdict(each) for each in list(rows)]
    return {each.name: [row[each.name] for row in whole] for each in fields(kind)}


def from_json(told: Any) -> Report:
    """What `to_json` gave. Raises RequestInvalid for what is none."""
    if not isinstance(told, dict) or told.get("what") != "pi-rag stress":
        raise RequestInvalid("This is no report of pi-rag stress.", hint=WHICH)
    if told.get("schema") != SCHEMA:
        raise RequestInvalid(
            f"This report has schema {told.get('schema')!r}, and this version reads {SCHEMA}.",
            hint="Render it with the version of pi-rag that wrote it.",
        )
    try:
        for name, kind in _OF_ALL.items():
            if not _fits(told[name], kind):
                raise _damaged(name)
        return Report(told["seed"], told["command"], [_run_from_json(each) for each in told["runs"]])
    except KeyError as error:
        raise RequestInvalid(f"The report is damaged: it has no {error}.", hint=WHICH) from error
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise RequestInvalid(
            "The report is damaged: one of its runs is not as pi-rag stress writes it.", hint=WHICH
        ) from error


def _damaged(name: str) -> RequestInvalid:
    return RequestInvalid(f"The report is damaged: what stands under {name!r} cannot be there.", hint=WHICH)


def _run_from_json(told: Mapping[str, Any]) -> Record:
    values: dict[str, Any] = {name: _fitting(Record, name, told[name]) for name in _PLAIN}
    values |= {name: _rows(told[name], kind) for name, kind in _ROWS.items()}
    return Record(**values, tally=Tally.from_json(told["tally"]))


def _rows(columns: Mapping[str, list[Any]], kind: type) -> list[Any]:
    names = [each.name for each in fields(kind)]
    values = zip(*(columns[name] for name in names), strict=True)
    return [
        kind(**{name: _frozen(_fitting(kind, name, value)) for name, value in zip(names, row, strict=True)})
        for row in values
    ]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fitting(kind: type, name: str, value: Any) -> Any:
    """The value, if the field may have it. Raises RequestInvalid."""
    if not _fits(value, _WANTED[kind][name]):
        raise _damaged(name)
    return value


def _fits(value: Any, wanted: Any) -> bool:
    """Whether plain objects are what a field of this type has in JSON."""
    kind, inner = get_origin(wanted), get_args(wanted)
    if kind is None:
        return _is_plain(value, wanted)
    if kind is Literal:
        return value in inner
    if kind is UnionType:
        return any(_fits(value, each) for each in inner)
    if kind in (dict, Mapping):
        return isinstance(value, dict) and all(_fits(each, inner[1]) for each in value.values())
    return isinstance(value, list) and all(_fits(each, inner[0]) for each in value)


def _is_plain(value: Any, wanted: type) -> bool:
    """JSON has one kind of numbers; true and false are none of them here."""
    if isinstance(value, bool):
        return wanted is bool
    if wanted is float:
        # An int with more digits than a float has room for is an OverflowError.
        return isinstance(value, (int, float)) and math.isfinite(value)
    return isinstance(value, wanted)


def read(path: Path) -> Report:
    """A report.json. Raises RequestInvalid for what is none or cannot be read."""
    try:
        if path.stat().st_size > FILE_MIB_MAX << 20:
            raise RequestInvalid(f"{path} has more than {FILE_MIB_MAX} MiB.", hint=WHICH)
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestInvalid(f"{path} cannot be read: {error.strerror}.", hint=WHICH) from error
    except (ValueError, RecursionError) as error:
        raise RequestInvalid(f"{path} is no report of pi-rag stress.", hint=WHICH) from error
    return from_json(told)


def write(path: Path, text: str) -> None:
    """A file that is there whole or as it was before. Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def lines(report: Report) -> Iterator[str]:
    """For a screen: what held and what did not, scenario by scenario, and one line of all."""
    for record in report.runs:
        yield from _of_run(record)
        yield ""
    yield verdict(report)


def verdict(report: Report) -> str:
    """All of it in one line."""
    well = sum(each.is_well for each in report.runs)
    told = f"{well} of {len(report.runs)} scenarios ended as they must"
    told += _not_seen(sum(each.not_seen for each in report.runs))
    return f"{'WELL' if report.is_well else 'NOT WELL'}: {told}. Replay: {report.command}"


def _not_seen(count: int) -> str:
    """Of promises; nothing when all were looked at."""
    return f", {count} not looked at" if count else ""


def _of_run(record: Record) -> Iterator[str]:
    form = "quick" if record.is_quick else "whole"
    yield f"{record.scenario}: {outcome(record)}   ({record.seconds:.0f} s, {form} form, seed {record.seed})"
    for each in record.notes:
        yield f"  note: {without_names(each)}"
    for check in record.checks:
        told = f"{check.name}: {check.seen}   [asked: {check.asked}]"
        yield f"  {word(check):<9} {without_names(told)}"
    yield from _figures(record.figures)


def outcome(record: Record) -> str:
    """How one scenario went."""
    if record.ending != "whole":
        return without_names(f"{record.ending.upper()}: {record.reason}")
    broken = sum(each.is_kept is False for each in record.checks)
    if record.must_fail:
        return "well: the loss was found" if record.is_well else f"NOT WELL: {_missed(record)}"
    if len(record.checks) == record.not_seen:
        return "NOT WELL: nothing was looked at"
    if broken:
        return f"NOT WELL: {broken} of {len(record.checks)} promises broken"
    return f"all promises kept{_not_seen(record.not_seen)}"


def _missed(record: Record) -> str:
    """Of a canary that is not well."""
    broken = {each.name for each in record.checks if each.is_kept is False}
    return "the loss was not found" if LOST not in broken else f"{len(broken) - 1} more than the loss"


def word(check: Check) -> str:
    """Of one promise."""
    return "not seen" if check.is_kept is None else "kept" if check.is_kept else "BROKEN"


def _figures(figures: Mapping[str, float]) -> Iterator[str]:
    """Several on a line, in columns."""
    cells = [f"{name} {value:g}" for name, value in sorted(figures.items())]
    width = max((len(each) for each in cells), default=0) + 3
    columns = max(1, 108 // width)
    for first in range(0, len(cells), columns):
        yield ("    " + "".join(each.ljust(width) for each in cells[first : first + columns])).rstrip()
