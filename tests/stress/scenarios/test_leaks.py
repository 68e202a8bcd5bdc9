"""Steady use is judged by what was seen of it, and by what could have been seen."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from pi_rag.config import Settings
from pi_rag.stress.scenarios import leaks
from pi_rag.stress.types import Record, Sample, Stage
from pi_rag.types import ModelCard
from tests.stress.scenarios.staging import Noted, Said, broken, ran


def judged(samples: list[Sample]) -> Noted:
    stage = Noted()
    leaks.judge(cast("Stage", stage), samples)
    return stage


def steady(seconds: int = 1800, mib_h: float = 0.0, **more: float) -> list[Sample]:
    """A service with some noise, which takes so much more an hour, and of `more` so many."""
    dice = random.Random(9)
    return [_sample(dice, second, mib_h * second / 3600, second / 3600, more) for second in range(seconds)]


def _sample(dice: random.Random, second: int, mib: float, hours: float, more: dict[str, float]) -> Sample:
    private = {
        "supervisor": round(90.0 + mib + dice.gauss(0, 0.3), 1),
        "worker": 21.0,
        **({"reader": 50.0} if second % 7 == 0 else {}),
    }
    return Sample(
        float(second),
        private,
        private,
        {},
        descriptors=30 + dice.randrange(3) + int(hours * more.get("descriptors", 0)),
        threads=15 + int(hours * more.get("threads", 0)),
        wal_mib=1.0 + hours * more.get("wal_mib", 0),
        disk_free_mib=1000.0,
        queued=0,
        is_ready=True,
    )


def test_steady_use_is_well() -> None:
    """Half an hour of it shows that nothing grows, and from what on a leak would have been seen."""
    stage = judged(steady())

    assert set(stage.kept.values()) == {True}
    assert "would have seen a leak from" in stage.seen["private memory, supervisor"]
    assert stage.figures["supervisor_growth_seen_from_mib_h"] < leaks.SEEN_MIB_H_MAX
    assert "private memory, reader" not in stage.kept, "it comes and goes"


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"mib_h": 10.0}, {"private memory, supervisor", "private memory, whole"}),
        ({"descriptors": 20.0}, {"descriptors"}),
        ({"threads": 20.0}, {"threads"}),
        ({"wal_mib": 40.0}, {"write-ahead log"}),
    ],
)
def test_what_grows_is_told(more: dict[str, float], names: set[str]) -> None:
    """It, and nothing else."""
    assert {name for name, kept in judged(steady(**more)).kept.items() if kept is False} == names  # type: ignore[arg-type]


def test_a_run_that_is_too_short_cannot_tell() -> None:
    """It neither clears a service of a leak nor accuses it."""
    for mib_h in (0.0, 10.0):
        stage = judged(steady(40, mib_h=mib_h, descriptors=1000.0))
        names = ("private memory, supervisor", "descriptors", "threads")
        assert [stage.kept[name] for name in names] == [None, None, None]


def test_a_run_that_saw_nothing_says_so() -> None:
    """Without samples there is one check, and it is not kept."""
    assert judged([]).kept == {"steady use": None}


def test_a_role_without_figures_is_left_out() -> None:
    """A sample in which a service was away has no memory in it, and is not taken for none."""
    samples = [replace(each, private_mib={}) if each.at_s % 50 == 0 else each for each in steady()]

    assert judged(samples).kept["private memory, whole"] is True


def test_a_supervisor_that_is_gone_has_not_closed_anything() -> None:
    """What was left open before shows, though there is nothing of it in the end."""
    samples = steady(descriptors=40.0)
    gone = [replace(each, descriptors=0, threads=0) for each in samples[1350:]]

    kept = judged(samples[:1350] + gone).kept
    assert kept["descriptors"] is False
    assert judged([replace(each, threads=0) for each in samples]).kept["threads"] is None


class Steady(Noted):
    """A stage with guests to whom this was said, and no samples."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.record = Record("leaks", 1, 1.0)
        self._code = code

    def left_s(self) -> float:
        return 1.0

    def elapsed_s(self) -> float:
        return 1.0

    def pause(self, _seconds: float) -> bool:
        return True

    def crowd(self, *_: object, **__: object) -> Said:
        return Said({"search": [self._code, "busy"]})


@pytest.mark.parametrize(("code", "is_kept"), [("", True), ("service_down", False), ("busy", False)])
def test_what_guests_are_told_counts(code: str, is_kept: bool) -> None:
    """A service that answers nobody does not grow, and is not well."""
    stage = Steady(code)
    leaks.run(cast("Stage", stage))
    assert stage.kept["guests are answered all the while"] is is_kept


def test_its_bound_of_the_log_is_what_it_sets() -> None:
    """And lower than what is shipped, so that it is reached."""
    assert leaks.SCENARIO.environ["PI_RAG_STORE_WAL_MIB_MAX"] == str(leaks.WAL_MIB_MAX)
    assert Settings().store.wal_mib_max > leaks.WAL_MIB_MAX


@pytest.mark.model
@pytest.mark.slow
def test_steady_use_of_a_real_service(tmp_path: Path, minilm: ModelCard, long_form: bool) -> None:
    """Ten seconds in the short form, which can only tell a very fast leak; half an hour in the whole form."""
    scenario = replace(leaks.SCENARIO, quick_minutes=0.2)
    record = ran(scenario, tmp_path, minilm, long_form=long_form)

    assert broken(record) == []
    assert {"private memory, supervisor", "private memory, worker", "descriptors", "threads"} <= {
        each.name for each in record.checks
    }
