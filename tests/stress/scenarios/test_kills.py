"""kill -9 of one random process after another: a hundred here, a thousand with `--long`."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn, cast

import pytest

from pi_rag.errors import (
    Busy,
    DeadlineExceeded,
    DiskStuck,
    MemoryShort,
    PiRagError,
    ServiceDown,
    SocketForbidden,
    Stopping,
    StoreBusy,
)
from pi_rag.memory_client import MemoryClient
from pi_rag.stress import ending, neighbours, truth
from pi_rag.stress.papers import Pool
from pi_rag.stress.promises import Promises
from pi_rag.stress.scenarios import kills
from pi_rag.stress.torn import Torn, learned
from pi_rag.stress.types import Stage
from pi_rag.types import ModelCard
from tests.stress.truth import until

from .staging import Timed, broken, ran


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

    assert [check for check in broken(record) if not check.name.startswith(kills.READY)] == []
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

    def kill(self) -> None:
        self.is_fallen = True

    def start(self) -> None:
        self.is_fallen = False


class House(Timed):
    """A stage with that service."""

    def __init__(self, seconds: float = 1000.0) -> None:
        super().__init__(seconds)
        self.service = Supervisor()
        self.falls = False

    def pause(self, seconds: float) -> bool:
        self.service.is_fallen = self.falls
        return super().pause(seconds)


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


def test_what_there_was_no_time_for_is_not_called_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was acknowledged last nobody saw the end; what does not wait for it was seen."""
    monkeypatch.setattr(kills, "quiet", lambda *_: None)
    monkeypatch.setattr(kills, "MemoryClient", Sound)
    done = killing(house)
    done.all()
    done.tell()

    assert house.kept["0 acknowledged writes lost"] is house.kept["acknowledged jobs end once"] is None
    assert ending.INTERRUPTED in house.seen["acknowledged jobs end once"]
    assert house.kept["0 documents by half"] is True


def test_a_loss_that_was_seen_is_told_without_time_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the time takes nothing back."""
    monkeypatch.setattr(kills, "quiet", lambda *_: None)
    monkeypatch.setattr(kills, "MemoryClient", Sound)
    done = killing(house)
    done.wrong["lost"].append("a document")
    done.all()
    done.tell()

    assert house.kept["0 acknowledged writes lost"] is False


def test_kills_end_while_there_is_time_to_see_what_came_of_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a run that is too short for all of them."""
    left_s: list[float] = []
    monkeypatch.setattr(kills, "quiet", lambda *_: left_s.append(house.left_s()))
    monkeypatch.setattr(kills, "MemoryClient", Sound)
    house.record.minutes = 0.1
    house._left_s = 6.0
    done = killing(house)
    done.all()

    assert 0 < done.count < done.wanted
    assert 0 < left_s[-1] <= ending.last_s(cast("Stage", house), kills.QUIET_S_MAX)


def test_who_outlives_a_killed_supervisor_is_counted_and_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not pile up, nor meet the next service."""
    monkeypatch.setattr(kills, "ORPHANS_S_MAX", 0.0)
    monkeypatch.setattr(kills, "VERIFIED_SHARE", 0.0)
    monkeypatch.setattr(truth, "LEFT_S_MAX", 0.0)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as orphan:
        done = killing(house)
        done._kill_all({orphan.pid})
        assert orphan.wait(30.0) == -9

    assert done.orphans == 1
    assert not house.service.is_fallen, "it was started again"


def test_what_other_guests_took_of_a_start_is_noted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """In seconds of a processor, for each start."""
    looks = iter(
        [0, 3 * neighbours.TICKS_A_SECOND, 3 * neighbours.TICKS_A_SECOND, 3 * neighbours.TICKS_A_SECOND]
    )
    monkeypatch.setattr(neighbours, "times", lambda: neighbours.Times(stolen=next(looks)))
    done = killing(house)
    done._start()
    done._start()
    assert (len(done.ready_s), done.stolen_s) == (2, [3.0, 0.0])


@pytest.mark.parametrize(
    ("ready_s", "stolen_s", "kept", "said"),
    [
        (4.0, 0.0, True, "4.00 s of 2 starts"),
        (9.0, 0.0, False, "9.00 s of 2 starts"),
        (9.0, 3.0, False, "9.00 s of 2 starts"),
        (9.0, 5.0, None, "9.00 s of 2 starts, 4.00 s without what other guests of the host took"),
    ],
)
def test_a_start_that_was_late_only_by_what_others_took_says_nothing(
    house: House, ready_s: float, stolen_s: float, kept: bool | None, said: str
) -> None:
    """It is neither kept nor broken; one that was late by itself is broken, and the figures are of all."""
    done = killing(house)
    done.ready_s, done.stolen_s = [1.0, ready_s], [0.0, stolen_s]
    done.tell()
    assert house.kept[kills.READY] is kept
    assert house.seen[kills.READY] == said
    assert (house.figures["ready_max_s"], house.figures["ready_own_p99_s"]) == (ready_s, ready_s - stolen_s)


def test_who_killed_nobody_cannot_tell(house: House) -> None:
    """Nothing is called kept, and that the time was too short is nobody's fault."""
    killing(house).tell()

    assert set(house.kept.values()) == {None}


def test_after_the_kills_each_kind_of_write_is_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow machine a removal is acknowledged only once nobody is killed; without time it is not."""
    monkeypatch.setattr(kills, "MemoryClient", Sound)
    monkeypatch.setattr(kills._Kills, "quiet", lambda _: None)
    done = killing(house)
    done.wanted = 3
    paused: list[int] = []

    def pause(seconds: float) -> bool:
        paused.append(done.count)
        if paused.count(3) == 2:
            done.torn.seen.update(kills.KINDS)
        return True

    monkeypatch.setattr(house, "pause", pause)
    done.all()

    assert done.count == 3
    assert paused[-2:] == [3, 3] and paused.count(3) == 2


def test_fewer_kills_than_promised_are_not_enough(house: House) -> None:
    """What they have shown counts all the same."""
    done = killing(house)
    done.one()
    done.tell()

    assert house.kept["enough happened to tell"] is None
    assert house.kept["0 acknowledged writes lost"] is True
    assert house.kept["no process left of a killed service"] is None, "no service was killed"


class Slow(Sound):
    """Of a service that stores nothing for as long as anybody waits."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def add_documents(self, *_: object, **__: object) -> dict[str, Any]:
        return {}

    def add_paths(self, *_: object, **__: object) -> dict[str, Any]:
        return {}

    def status(self, *, check: bool = False) -> dict[str, Any]:
        return {"counts": {"items_queued": 3}}

    def jobs(self, **_: object) -> dict[str, Any]:
        return {"jobs": [{"id": 3, "state": "queued"}]}

    def steer_jobs(self, what: str, job_id: int | None = None) -> dict[str, Any]:
        self.done.append(f"{what} {job_id}")
        return {}


def test_without_time_to_learn_what_is_right_nothing_is_begun(tmp_path: Path) -> None:
    """It is nobody's fault, and what waits is given up; with time, a service that stores nothing failed."""
    client, pool = Slow(), Pool(1, 2)

    assert not learned(cast("Stage", Timed(5.0)), client, pool, tmp_path, 60.0)
    assert client.done == ["cancel 3"]
    with pytest.raises(ServiceDown, match="not stored within 60 s"):
        learned(cast("Stage", Timed(500.0)), client, pool, tmp_path, 60.0)


class Refusing(MemoryClient):
    """One who is always told the same."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattribute__(self, name: str) -> Any:
        raise object.__getattribute__(self, "_error")


def told_apart(error: Exception, folder: Path) -> tuple[bool, bool]:
    """Whether a writer took it for an absence, and whether for an error."""
    torn = Torn(folder / "s", folder, Pool(1, 2), 1)
    torn._client = Refusing(error)
    with torn:
        until(lambda: torn.seen or torn.errors)
    return bool(torn.seen["nobody there"]), bool(torn.errors)


@pytest.mark.parametrize("kind", [ServiceDown, Stopping, Busy])
def test_an_absence_is_no_error(kind: type[PiRagError], tmp_path: Path) -> None:
    """Nobody there, one who just goes, and one who has just come."""
    assert told_apart(kind("Not now."), tmp_path) == (True, False)


@pytest.mark.parametrize("kind", [StoreBusy, DiskStuck, MemoryShort, DeadlineExceeded, SocketForbidden])
def test_who_is_there_and_does_not_serve_is_told(kind: type[PiRagError], tmp_path: Path) -> None:
    """Also when it says that one may come again."""
    assert told_apart(kind("Not now."), tmp_path) == (False, True)


class Strange(MemoryClient):
    """One whose answers nobody understands."""

    def __init__(self) -> None:
        """It has nothing of a client's."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise KeyError(name)


def test_a_writer_goes_on_after_what_nobody_thought_of(tmp_path: Path) -> None:
    """Each time counts as an error, and of what was asked nobody knows whether it was done."""
    torn = Torn(tmp_path / "s", tmp_path, Pool(1, 2), 1)
    torn._client = Strange()
    with torn:
        until(lambda: torn.errors["KeyError: 'log_event'"] and torn.errors["KeyError: 'remember'"])

    assert {None} in torn.promises.open.values()
    assert not torn.seen
