"""Where a report goes: a folder of its own, in which nothing is written over."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from pi_rag.errors import DiskFull, PiRagError, RequestInvalid, StoreReadOnly, StoreUnusable
from pi_rag.stress import programme
from pi_rag.stress import report as reports
from pi_rag.stress.report import Report
from pi_rag.stress.runner import Plan, Stop
from pi_rag.stress.types import Check, Record, Scenario
from tests.stress.reported import small

REPORT = Report(1, "pi-rag stress --seed 1", [small("whole", True)])


def test_a_folder_is_made_and_an_empty_one_taken(tmp_path: Path) -> None:
    """With a place for the work, which says that it is in use."""
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deep"):
        assert (programme.made(tmp_path / name) / programme.WORK).is_dir()
        with pytest.raises(RequestInvalid, match="another run writes there"):
            programme.made(tmp_path / name)


def test_a_folder_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    """An earlier report, or somebody's files: they stay as they are, whatever is written there."""
    (tmp_path / "report.json").write_text("of a night")
    for write in (
        programme.made,
        lambda out: programme.rendered(REPORT, tmp_path / "x" / "report.json", out),
    ):
        with pytest.raises(RequestInvalid, match="is not empty") as refused:
            write(tmp_path)
        assert "new folder with --out" in refused.value.hint
    assert [each.read_text() for each in tmp_path.iterdir()] == ["of a night"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """Said with what to do, and left as it is."""
    (tmp_path / "passwd").write_text("root")
    for write in (programme.made, lambda out: programme.rendered(REPORT, tmp_path / "report.json", out)):
        with pytest.raises(RequestInvalid, match="passwd: it is a file") as refused:
            write(tmp_path / "passwd")
        assert "--out FOLDER" in refused.value.hint
    assert (tmp_path / "passwd").read_text() == "root"


def test_a_report_is_rendered_beside_its_file_or_elsewhere(tmp_path: Path) -> None:
    """Beside it again and again; nothing of a run is left in the folder."""
    source = tmp_path / "report.json"
    source.write_text("{}")
    for out in (None, None, tmp_path, tmp_path / "new"):
        programme.rendered(REPORT, source, out)

    assert {each.name for each in tmp_path.iterdir()} == {"report.json", "report.html", "report.txt", "new"}
    assert {each.name for each in (tmp_path / "new").iterdir()} == {"report.html", "report.txt"}


class Card:
    """A disk on which nothing can be written so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int, number: int = errno.ENOSPC) -> None:
        self._times, self._number = times, number
        self._write = reports.write
        monkeypatch.setattr(reports, "write", self)

    def __call__(self, path: Path, text: str) -> None:
        self._times -= 1
        if self._times >= 0:
            raise OSError(self._number, os.strerror(self._number), str(path))
        self._write(path, text)


def ran(out: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Three scenarios that take no time."""

    def run_one(_scenario: Scenario, _plan: Plan, _stop: Stop, record: Record) -> None:
        record.ending, record.checks = "whole", [Check("it ran", "once", "it did", True)]

    monkeypatch.setattr(programme, "run_one", run_one)
    wanted = [Scenario(name, name, 1.0, 1.0, lambda _: None) for name in ("one", "two", "three")]
    report = Report(1, "again")
    programme.run_all(wanted, Plan(1, out, {}), report, programme.made(out), Stop(), lambda *_: None)
    return report


def test_a_full_card_ends_no_later_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is room again the report is whole, and says what it had no room for."""
    Card(monkeypatch, 1)
    report = ran(tmp_path / "out", monkeypatch)

    assert [each.scenario for each in report.runs] == ["one", "two", "three"]
    assert [len(each.notes) for each in report.runs] == [1, 0, 0]
    assert "No space left" in report.runs[0].notes[0]
    assert len(json.loads((tmp_path / "out" / "report.json").read_text())["runs"]) == 3


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EROFS, StoreReadOnly),
        (errno.EIO, StoreUnusable),
    ],
)
def test_a_report_that_cannot_be_written_in_the_end_is_told_by_its_kind(
    number: int, kind: type[PiRagError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do, after all scenarios; what can be written then is."""
    Card(monkeypatch, 4, number)
    report = ran(tmp_path, monkeypatch)
    with pytest.raises(kind, match=os.strerror(number)) as told:
        programme.written(report, tmp_path)
    assert type(told.value) is kind
    assert "--out" in told.value.hint

    programme.written(report, tmp_path)
    assert (tmp_path / "report.txt").read_text().count("note: The report could not be written") == 3
