"""kill -9 of one random process after another: a hundred here, a thousand with `--long`."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn, cast

import pytest

from pi_rag.memory_client import MemoryClient
from pi_rag.stress.papers import Pool
from pi_rag.stress.promises import Promises
from pi_rag.stress.scenarios import kills
from pi_rag.stress.torn import Torn
from pi_rag.stress.types import Stage
from pi_rag.types import ModelCard
from tests.stress.truth import until

from .staging import Noted, broken, ran


@pytest.mark.model
@pytest.mark.slow
def test_nothing_acknowledged_is_lost_and_nothing_is_there_by_half(
    tmp_path: Path, minilm: ModelCard, long_form: bool
) -> None:
    """Supervisor, nursery, workers and reader are killed at random moments of adding, replacing, removing,
    remembering and forgetting. After each start there is nothing that could not be; whenever all is quiet,
    all is there that must be, passage by passage. How long a start takes is shown, and not asserted.
    """
    record = ran(kills.SCENARIO, tmp_path, minilm, long_form=long_form)
    named = {check.name: check for check in record.checks}

    assert [check for check in broken(record) if not check.name.startswith("READY")] == []
    assert record.figures["kills"] == (kills.KILLS if long_form else kills.KILLS_QUICK)
    assert record.figures["databases_verified"] > 0
    for promise in ("enough happened to tell", "0 acknowledged writes lost", "0 documents by half"):
        assert named[promise].is_kept is True


@pytest.mark.parametrize(("percent", "found"), [(50, 3), (99, 5), (1, 1), (100, 5)])
def test_a_percentile_is_one_of_the_values(percent: float, found: float) -> None:
    """By nearest rank, so that the worst of a few is not averaged away."""
    assert kills.percentile([5, 1, 4, 2, 3], percent) == found


class Supervisor:
    """A service that falls in the pause after its child was killed, as its process tells."""

    pid = 1
    socket = Path("/nowhere")

    def __init__(self) -> None:
        self.process = self
        self.is_fallen = False

    def poll(self) -> int | None:
        return 1 if self.is_fallen else None

    def start(self) -> None:
        self.is_fallen = False


class House(Noted):
    """A stage with that service."""

    is_quick = True
    dice = random.Random(1)

    def __init__(self) -> None:
        super().__init__()
        self.service = Supervisor()
        self.falls = False

    def pause(self, _seconds: float) -> bool:
        self.service.is_fallen = self.falls
        return True


class Sound(MemoryClient):
    """Of a service whose database has no problem."""

    def __init__(self, *_: object) -> None:
        pass

    def status(self, *, check: bool = False) -> dict[str, Any]:
        return {"store": {"problems": []}}


class Writer:
    """A guest who writes nothing."""

    promises = Promises()

    def __init__(self) -> None:
        self.lock, self.seen, self.errors = Lock(), Counter[str](), Counter[str]()

    def jobs_wrong(self) -> list[str]:
        return []

    def found(self) -> dict[str, tuple[str, int]]:
        return {}


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """One whose worker can be met, as long as the supervisor stands."""
    made = House()
    monkeypatch.setattr(
        "pi_rag.stress.family.family", lambda _: {} if made.service.is_fallen else {"worker": [2]}
    )
    monkeypatch.setattr("pi_rag.stress.signals.kill", lambda pid: pid)
    return made


def killing(house: House) -> kills._Kills:
    return kills._Kills(cast("Stage", house), cast("Torn", Writer()))


def test_a_supervisor_that_falls_after_a_kill_is_not_taken_for_a_kill(house: House) -> None:
    """It is seen, told as broken, and started again."""
    done = killing(house)
    done.one()
    house.falls = True
    done.one()
    done.tell()

    assert done.fell == 1
    assert set(done.killed) == {"worker"}
    assert house.kept["a supervisor outlives its children"] is False


def test_a_supervisor_that_falls_after_the_last_kill_is_seen_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is waited for what it has to do."""
    monkeypatch.setattr(kills, "quiet", lambda *_: house.service.poll() is None)
    monkeypatch.setattr(kills, "MemoryClient", Sound)
    done = killing(house)
    house.service.is_fallen = True
    done.quiet()

    assert (done.fell, done.wrong["jobs"]) == (1, [])


def test_who_killed_nobody_cannot_tell(house: House) -> None:
    """Nothing is called kept, and that the time was too short is nobody's fault."""
    killing(house).tell()

    assert set(house.kept.values()) == {None}


def test_fewer_kills_than_promised_are_not_enough(house: House) -> None:
    """What they have shown counts all the same."""
    done = killing(house)
    done.one()
    done.tell()

    assert house.kept["enough happened to tell"] is None
    assert house.kept["0 acknowledged writes lost"] is True
    assert house.kept["no process left of a killed service"] is None, "no service was killed"


class Strange(MemoryClient):
    """One whose answers nobody understands."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise KeyError(name)


def test_a_writer_goes_on_after_what_nobody_thought_of(tmp_path: Path) -> None:
    """Each time counts as an error, and of what was asked nobody knows whether it was done."""
    torn = Torn(tmp_path / "s", tmp_path, Pool(1, 2), 1)
    torn._client = Strange(tmp_path / "s")
    with torn:
        until(lambda: torn.errors["KeyError: 'log_event'"] and torn.errors["KeyError: 'remember'"])

    assert {None} in torn.promises.open.values()
    assert not torn.seen
