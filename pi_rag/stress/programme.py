"""Scenarios one after the other, and the report after each: whatever ends the run leaves what was seen.

It knows neither flags nor signals.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pi_rag.errors import DiskFull, RequestInvalid, StoreReadOnly, StoreUnusable
from pi_rag.stress import report as reports
from pi_rag.stress.keeper import Keeper
from pi_rag.stress.page import page
from pi_rag.stress.report import Report
from pi_rag.stress.runner import Plan, Stop, new_record, run_one
from pi_rag.stress.types import Record, Scenario

WORK = "work"
"""The folder of services and their data, inside the report's; gone after the run."""

_KINDS = {
    errno.ENOSPC: DiskFull,
    errno.EDQUOT: DiskFull,
    errno.EROFS: StoreReadOnly,
    errno.EACCES: StoreReadOnly,
    errno.EPERM: StoreReadOnly,
}
"""What the system says of a disk that was sound when the run began; all else is StoreUnusable."""

Tell = Callable[[Scenario, Record | None], None]
"""Called before each scenario without a record, and after it with it."""


def run_all(
    wanted: Sequence[Scenario], plan: Plan, report: Report, out: Path, stop: Stop, tell: Tell
) -> None:
    """Fill the report and its files. Raises KeyboardInterrupt, with the files written all the same.

    That they cannot be written ends nothing: the next scenario may have room again. See `written`.
    """
    with Keeper() as keeper:
        keeper.keep(out / WORK)
        plan = replace(plan, folder=out / WORK, keep=keeper.keep, logs=out)
        try:
            for scenario in wanted:
                if stop.is_wished:
                    return
                tell(scenario, None)
                record = new_record(scenario, plan)
                report.runs.append(record)
                try:
                    run_one(scenario, plan, stop, record)
                finally:
                    _save_so_far(report, out)
                tell(scenario, record)
        finally:
            with suppress(OSError):
                (out / WORK).rmdir()


def _save_so_far(report: Report, out: Path) -> None:
    """Save it, or note in it that it could not be."""
    try:
        save(report, out)
    except OSError as error:
        report.runs[-1].notes.append(f"The report could not be written after this: {error.strerror}.")


def written(report: Report, out: Path) -> None:
    """Save it for good, after all that ran. Raises DiskFull, StoreReadOnly or StoreUnusable."""
    try:
        save(report, out)
    except OSError as error:
        kind = _KINDS.get(error.errno or 0, StoreUnusable)
        raise kind(
            f"The report cannot be written to {out}: {error.strerror}. What was seen stands above.",
            hint="Look at the disk: df -h. The run is replayed with --seed, and another folder with --out.",
        ) from error


def save(report: Report, out: Path) -> None:
    """report.json, report.html and report.txt. Raises OSError."""
    reports.write(out / "report.json", json.dumps(reports.to_json(report), ensure_ascii=False) + "\n")
    render(report, out)


def render(report: Report, out: Path) -> None:
    """What is made of a report.json. Raises OSError."""
    reports.write(out / "report.html", page(report))
    reports.write(out / "report.txt", "\n".join(reports.lines(report)) + "\n")


def made(out: Path) -> Path:
    """The report's folder, made if need be. Raises RequestInvalid when it cannot be, holds something, or is
    in use.
    """
    with _writable(out):
        out.mkdir(parents=True, exist_ok=True)
        work = out / WORK
        if work.exists():
            raise RequestInvalid(
                f"{work} exists: another run writes there, or one was killed just now.",
                hint="Wait for it, choose another --out, or remove the folder.",
            )
        _refuse_full(out)
        work.mkdir()
    return out


def rendered(report: Report, source: Path, out: Path | None) -> None:
    """What is made of the report.json `source`: beside it, or in a folder `out` that is made if need be.

    Raises RequestInvalid.
    """
    folder = out or source.parent
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if folder.resolve() != source.parent.resolve():
            _refuse_full(folder)
        render(report, folder)


def _refuse_full(out: Path) -> None:
    if any(out.iterdir()):
        raise RequestInvalid(
            f"{out} is not empty, and nothing there is written over.",
            hint="Choose a new folder with --out.",
        )


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    """Inside it, what the system says of the folder is an error of ours."""
    try:
        yield
    except OSError as error:
        reason = "it is a file" if out.is_file() else error.strerror
        raise RequestInvalid(
            f"The report cannot be written to {out}: {reason}.",
            hint="Say where it goes, a folder that you may write to: --out FOLDER",
        ) from error
