"""Files that are far larger than others."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from pi_rag.client import Client
from pi_rag.stress import ending
from pi_rag.stress.scenarios import files
from pi_rag.stress.types import Stage
from pi_rag.types import ModelCard
from tests.stress.reported import sample

from .staging import Timed, broken, ran


@pytest.mark.model
@pytest.mark.slow
def test_large_files_are_stored_to_their_end_or_refused(
    tmp_path: Path, minilm: ModelCard, long_form: bool
) -> None:
    """Within their time and the budget of memory, and searches are answered meanwhile."""
    record = ran(files.SCENARIO, tmp_path, minilm, long_form=long_form)
    became = {check.name: check.seen for check in record.checks}

    assert broken(record) == []
    assert became["text-100.txt"].startswith("refused: document_too_large")
    large = files.WHOLE if long_form else files.QUICK
    assert all(became[each.name].startswith("stored") for each in large if each.name != "text-100.txt")


def test_a_large_text_has_its_size_and_its_word_at_its_end(tmp_path: Path) -> None:
    """Of two files no word is the same; the same chance makes the same file."""
    paths = [tmp_path / name for name in ("one.txt", "other.txt", "again.txt")]
    for path in paths:
        files.text(0.1)(path, random.Random(1))
    one, other, again = (path.read_text(encoding="utf-8").splitlines() for path in paths)

    assert 0.1 <= paths[0].stat().st_size / files.MIB < 0.11
    assert one[:-1] == other[:-1] == again[:-1]
    assert len({lines[-1] for lines in (one, other, again)}) == 3


class Reading(Client):
    """Of a service that reads a file and does not come to its end."""

    def __init__(self) -> None:
        self.is_cancelled = False

    def add_paths(self, paths: list[str], **_: object) -> dict[str, Any]:  # type: ignore[override]
        assert Path(paths[0]).exists()
        return {"job": {"id": 7}}

    def job(self, job_id: int) -> dict[str, Any]:
        assert job_id == 7
        return {"job": {"id": 7, "state": "running"}}

    def steer_jobs(self, what: str, job_id: int | None = None) -> dict[str, Any]:
        assert (what, job_id) == ("cancel", 7)
        self.is_cancelled = True
        return {}


LARGE = files.Large("text-1.txt", files.text(0.001), 300.0)


def read(stage: Timed, folder: Path) -> Timed:
    """It is told of one file."""
    client = Reading()
    files._one(cast("Stage", stage), client, LARGE, folder / LARGE.name)
    assert client.is_cancelled
    assert not (folder / LARGE.name).exists()
    return stage


def test_a_file_for_which_the_time_did_not_last_is_not_seen(tmp_path: Path) -> None:
    """It is waited for no longer than the run lasts, and has broken nothing."""
    stage = read(Timed(60.0), tmp_path)

    assert stage.elapsed_s() == 60.0
    assert stage.kept == {LARGE.name: None}
    assert stage.seen[LARGE.name] == f"running after 60.0 s, when {ending.OVER}"
    assert not stage.figures, "how long it takes was not seen"


def test_a_file_that_takes_too_long_is_told(tmp_path: Path) -> None:
    """Though there is time left."""
    stage = read(Timed(600.0), tmp_path)

    assert stage.kept == {LARGE.name: False}
    assert stage.figures == {"text_1_txt_s": 300.0}


@pytest.mark.parametrize(("mib", "is_kept"), [(1075.0, True), (1076.0, False)])
def test_what_is_asked_of_memory_is_what_it_is_held_to(mib: float, is_kept: bool) -> None:
    """To the MiB that is shown."""
    stage = Timed(60.0)
    stage.record.samples.append(replace(sample(0.0), pss_mib={"supervisor": mib}))
    files._memory(cast("Stage", stage), files.BUDGET_MIB)

    assert stage.asked == {files.BUDGET_SEEN: "at most 1075 MiB"}
    assert stage.kept == {files.BUDGET_SEEN: is_kept}
