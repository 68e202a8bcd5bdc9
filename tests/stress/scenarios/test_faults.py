"""Every fault by name, done to a real service."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from pi_rag.errors import Busy, PiRagError
from pi_rag.stress import ending, faults, spoiling
from pi_rag.stress.faults import Fault, NotDone
from pi_rag.stress.scenarios import faults as scenario
from pi_rag.stress.types import Record, Stage
from pi_rag.types import ModelCard

from .staging import Noted, Said, broken, ran


@pytest.mark.model
@pytest.mark.slow
def test_every_fault_passes_and_takes_nothing_along(
    tmp_path: Path, minilm: ModelCard, long_form: bool
) -> None:
    """While it lasts, searches are answered or refused with a reason that fits it; soon after, all is normal;
    what was acknowledged is there. What cannot be done here says why, and is not called kept.
    """
    record = ran(scenario.SCENARIO, tmp_path, minilm, long_form=long_form)
    named = {check.name: check for check in record.checks}

    assert broken(record) == []
    assert {fault.name for fault in faults.ALL} <= named.keys()
    lacking = {fault.name for fault in faults.ALL if fault.lacking()}
    assert {name for name in faults.BY_NAME if named[name].is_kept is None} == lacking
    assert spoiling.may_mount() or not lacking
    assert record.figures["faults_done"] == len(faults.ALL) - len(lacking)


class Service:
    """Nobody's process; its socket is nowhere."""

    pid = 1
    socket = Path("/nowhere")


class House(Noted):
    """A stage whose time is over after so many looks at it."""

    seed, is_quick = 1, True
    service = Service()

    def __init__(self, looks: int = 99) -> None:
        super().__init__()
        self.dice = random.Random(1)
        self._looks = looks
        self.noted: list[str] = []
        self.record = Record("faults", 1, 0.5)

    def elapsed_s(self) -> float:
        return 30.0

    def left_s(self) -> float:
        self._looks -= 1
        return float(self._looks >= 0)

    def acknowledged(self, documents: list[dict[str, str]]) -> None:
        self.noted += [each["source"] for each in documents]

    def crowd(self, *_: object, **__: object) -> Said:
        return Said({})


class Client:
    """Of a service that holds all that it was given, and is busy at first each time."""

    held: set[str]
    last: str
    error: PiRagError | None = None

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def add_documents(self, documents: list[dict[str, str]], **_: object) -> None:
        Client.held |= {each["source"] for each in documents}

    def status(self) -> dict[str, Any]:
        return {"ready": True, "degraded": [], "counts": {"items_queued": 0}}

    def search(self, query: str, *, mode: str = "", **_: object) -> dict[str, Any]:
        if mode and (self.error or Client.last != query):
            Client.last = query
            raise self.error or Busy("One moment.")
        found = [each for each in Client.held if not mode or each.removesuffix(".txt") == query]
        return {"hits": [{"source": each} for each in found], "degraded": []}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[Client]:
    """What every guest of the stage has."""
    Client.held, Client.last, Client.error = set(), "", None
    monkeypatch.setattr(scenario, "Client", Client)
    return Client


def fault(name: str, reason: str = "") -> Fault:
    """One that passes without a trace, or cannot be done."""

    @contextmanager
    def hurt(_: Stage) -> Iterator[str]:
        if reason:
            raise NotDone(reason)
        yield "done"

    return Fault(name, "a test", hurt)


def done(monkeypatch: pytest.MonkeyPatch, stage: House, *chosen: Fault) -> House:
    monkeypatch.setattr(faults, "ALL", chosen)
    scenario.run(cast("Stage", stage))
    return stage


def test_a_fault_that_was_not_done_is_not_called_kept(
    client: type[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not counted, as one without time. A search that was refused once has lost nothing."""
    stage = done(monkeypatch, House(), fault("one"), fault("other", "nobody was there"))
    assert stage.kept == {"one": True, "other": None}
    assert stage.seen["other"] == "nobody was there"
    assert stage.figures["faults_done"] == 1

    stage = done(monkeypatch, House(looks=1), fault("one"), fault("late"))
    assert [*stage.kept.values()] == [True, None]
    assert stage.figures["faults_done"] == 1


@pytest.mark.parametrize(("minutes", "why"), [(0.5, ending.OVER), (1.0, ending.INTERRUPTED)])
def test_what_was_not_done_says_whether_time_or_somebody_ended_the_run(
    client: type[Client], monkeypatch: pytest.MonkeyPatch, minutes: float, why: str
) -> None:
    """After half a minute: of half a minute nothing is left, of a whole one somebody took it."""
    stage = House(looks=0)
    stage.record = Record("faults", 1, minutes)
    assert done(monkeypatch, stage, fault("late")).seen == {"late": why}


def test_what_is_lost_and_what_cannot_be_asked_are_told_apart(
    client: type[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is well."""
    stage = House()
    house = scenario._House(cast("Stage", stage))
    house.add()
    assert house.wrong() == ""
    assert stage.noted == [*house.acknowledged], "it is looked for in the end as well"

    client.error = PiRagError("It is broken.")
    assert house.wrong() == f"looking for what was acknowledged: {PiRagError.code}"
    client.error = None
    client.held.clear()
    assert house.wrong() == "1 of 1 lost"


def test_a_role_that_nobody_has_is_not_hurt(monkeypatch: pytest.MonkeyPatch) -> None:
    """To kill nobody, and to stop nobody, is no fault."""
    monkeypatch.setattr(faults, "THERE_S_MAX", 0.01)
    monkeypatch.setattr("pi_rag.stress.family.family", lambda _: {"worker": []})
    for name in ("kill-worker", "stop-worker", "kill-nursery", "stop-nursery"):
        hurt = faults.BY_NAME[name].hurt(cast("Stage", House()))
        with pytest.raises(NotDone, match="nobody was there"), hurt:
            pass


def test_guests_whom_nobody_lets_in_do_no_harm() -> None:
    """Where there is no socket, they are none."""
    with pytest.raises(NotDone), faults.BY_NAME["half-open"].hurt(cast("Stage", House())):
        pass
