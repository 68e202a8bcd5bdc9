"""The harness finds by itself what is done to a real service, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from pi_rag.stress import anomalies
from pi_rag.stress.anomalies import Done
from pi_rag.stress.detecting import Finding
from pi_rag.stress.scenarios.anomalies import QUICK, SCENARIO, WHOLE, Run, _check_run
from pi_rag.stress.types import Stage
from pi_rag.types import ModelCard
from tests.stress.scenarios.staging import Noted, broken, ran


@pytest.mark.model
@pytest.mark.slow
def test_what_is_done_is_found(tmp_path: Path, minilm: ModelCard, long_form: bool) -> None:
    """Three in the short form, after a while in which there is nothing to find; in the whole form all, each
    on a service of its own, and three clean runs.
    """
    record = ran(SCENARIO, tmp_path, minilm, long_form=long_form)

    assert broken(record) == []
    assert record.figures["anomalies_done"] == len(anomalies.ALL if long_form else anomalies.QUICK)
    assert record.figures["anomalies_found"] == record.figures["anomalies_done"]
    assert record.figures["false_findings"] == 0
    assert any(mark.name.startswith("found ") for mark in record.marks)


def test_the_time_is_enough() -> None:
    """A run that is not told otherwise comes to its end."""
    plans = [[each] for each in anomalies.ALL] + [[], [], []]

    assert sum(WHOLE.of([*chosen]) for chosen in plans) < SCENARIO.minutes * 60
    quick = [each for each in anomalies.ALL if each.name in anomalies.QUICK]
    assert QUICK.of(quick) + QUICK.clean < SCENARIO.quick_minutes * 60


def test_a_clean_run_has_done_nothing() -> None:
    """Whatever is found in it is false."""
    assert Run((), ()).false_ones == []


def checked(one: Run) -> set[bool | None]:
    stage = Noted()
    _check_run(cast("Stage", stage), "the run", one)
    return {*stage.kept.values()}


def test_who_asked_no_known_question_has_found_nothing_and_missed_nothing() -> None:
    """With questions, what was done and not found is broken; a false finding is broken without them too."""
    stall = next(each for each in anomalies.ALL if each.name == "stall")
    done, false = Done(stall, 10.0, 13.0), Finding("errors", 1.0, 2.0, 3.0, 1.0, "", "")

    assert checked(Run((), ())) == {None}
    assert checked(Run((done,), ())) == {None}
    assert checked(Run((), (), probes=9)) == {True}
    assert checked(Run((done,), (), probes=9)) == {True, False}
    assert checked(Run((), (false,))) == {False}
