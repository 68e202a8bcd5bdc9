"""Where a report goes: a folder of its own, in which nothing is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.errors import RequestInvalid
from pi_rag.stress import programme
from pi_rag.stress.report import Report
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
