"""A stage keeps what is seen within bounds, ends in time, and leaves nothing, whatever happens on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from pi_rag.host import memory
from pi_rag.stress import family, runner, truth, workload
from pi_rag.stress.crowd import Guests
from pi_rag.stress.guest import Guest, Order, Talk, _live
from pi_rag.stress.runner import Plan, Running, Stop, new_record, run_one
from pi_rag.stress.types import LOST, Answer, Record, Scenario, Stage
from pi_rag.types import ModelCard
from tests.stress.reported import sample
from tests.stress.truth import until


def scenario(run: Callable[[Stage], None], environ: Mapping[str, str] | None = None) -> Scenario:
    return Scenario("trial", "a test", 1.0, 0.5, run, environ or {})


def plan(folder: Path, model: ModelCard | None = None) -> Plan:
    environ = {"PI_RAG_MODEL": model.path} if model else {}
    return Plan(11, folder / "work", environ, minutes=1.0, logs=folder)


def ran(made: Scenario, folder: Path, model: ModelCard | None, stop: Stop | None = None) -> Record:
    record = new_record(made, plan(folder, model))
    run_one(made, plan(folder, model), stop or Stop(), record)
    return record


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Running]:
    """A stage whose service was never started."""
    made = scenario(lambda _: None)
    running = Running(made, plan(tmp_path), Stop(), new_record(made, plan(tmp_path)))
    yield running
    running.service.__exit__()


def test_time_is_bounded_and_a_wish_ends_it(idle: Running) -> None:
    """A pause lasts no longer than the run; a wish to end is seen in every loop that asks what is left."""
    idle.record.minutes = 0.1 / 60
    began_s = time.monotonic()
    assert not idle.pause(60.0)
    assert time.monotonic() - began_s < 30

    idle.record.minutes = 60.0
    assert idle.left_s() > 3000
    assert idle.pause(0.01)
    idle._stop.wish("somebody")
    assert idle.left_s() == 0
    assert not idle.pause(60.0)


def test_answers_of_hours_are_counted_and_only_the_newest_kept(
    idle: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tally has all of them; the list has its bound."""
    monkeypatch.setattr(runner, "ANSWERS_MAX", 100)
    for number in range(250):
        idle._keep_answers([Answer(float(number), "search", 1.0, "")])

    assert len(idle.record.answers) <= 100
    assert idle.record.answers[-1].at_s == 249
    assert idle.record.tally.whole("search").count == 250


def test_samples_of_hours_grow_sparse_and_reach_from_the_first_to_the_last(
    idle: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the bound, and as far apart everywhere."""
    monkeypatch.setattr(runner, "SAMPLES_MAX", 50)
    for number in range(1000):
        idle._keep_sample(sample(float(number)))
    moments = [each.at_s for each in idle.record.samples]
    steps = {after - before for before, after in pairwise(moments)}

    assert len(moments) <= 50
    assert len(steps) == 1
    assert moments[-1] > 1000 - 2 * max(steps)
    assert moments[0] < 2 * max(steps)


def test_chance_is_the_scenarios_own(tmp_path: Path) -> None:
    """Alone or in a run of all, a seed deals the same."""

    def dealt_to(name: str) -> float:
        made = Scenario(name, "", 1.0, 1.0, lambda _: None)
        stage = Running(made, plan(tmp_path), Stop(), Record(name, 11, 1.0))
        stage.service.__exit__()
        return stage.dice.random()

    dealt = [dealt_to(name) for name in ("one", "one", "other")]
    assert dealt[0] == dealt[1] != dealt[2]


def test_who_is_interrupted_has_not_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario that is cut short may find nothing to count; one that is not has failed."""
    stop = Stop()

    def failing(*_: object) -> Running:
        raise IndexError("list index out of range")

    def cut(*_: object) -> Running:
        stop.wish("Ctrl-C")
        return failing()

    for begun, ending in ((failing, "failed"), (cut, "interrupted")):
        monkeypatch.setattr(runner, "Running", begun)
        record = ran(scenario(lambda _: None), tmp_path, None, stop)
        assert record.ending == ending
    assert record.reason == "Ctrl-C"


def test_a_monitor_that_failed_is_told(idle: Running) -> None:
    """One that did not is no promise."""
    monitor = idle._monitor()
    idle._tell_cost(monitor)
    assert kept(idle) == {}
    monitor.errors["ValueError: strange"] += 1
    idle._tell_cost(monitor)
    assert kept(idle) == {"the monitor sees all the while": False}


class Ended:
    """A process that has ended by itself."""

    def poll(self) -> int:
        return -9


def kept(stage: Running) -> dict[str, bool | None]:
    return {each.name: each.is_kept for each in stage.record.checks}


def test_a_service_that_ended_by_itself_is_told(idle: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started again to be looked over, and that is no excuse; one that was stopped is none to tell."""
    started: list[bool] = []
    monkeypatch.setattr(idle.service, "start", lambda: started.append(True))
    truth._see_that_it_stood(idle)
    assert kept(idle) == {"only the harness ends the service": True}

    idle.record.checks.clear()
    idle.service.process = cast("subprocess.Popen[bytes]", Ended())
    truth._see_that_it_stood(idle)
    idle.service.process = None
    assert kept(idle) == {"only the harness ends the service": False}
    assert started == [True, True]


class Obedient(Ended):
    """A process that ends when it is asked to, and leaves a child."""

    pid = 1

    def poll(self) -> int:
        return 0

    def wait(self, _seconds: float) -> int:
        return 0


def test_who_outlives_a_service_is_told_and_ended(idle: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody of it is left on the machine after a run."""
    monkeypatch.setattr(truth, "LEFT_S_MAX", 0.0)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        monkeypatch.setattr(family, "all_of", lambda _: {child.pid})
        idle.service.process = cast("subprocess.Popen[bytes]", Obedient())
        truth._check_end(idle)
        assert child.wait(30.0) == -9

    assert kept(idle) == {"it ends when it is asked to": True, "no process is left": False}


def test_a_stranger_with_a_number_of_the_services_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number is given again: who began at another time is another process."""
    sent: list[int] = []
    monkeypatch.setattr(truth, "LEFT_S_MAX", 0.0)
    monkeypatch.setattr(os, "kill", lambda pid, _: sent.append(pid))
    begun = family.begun([os.getpid()])
    truth.kill_left({os.getpid(): begun[os.getpid()] + "0"})
    assert sent == []
    truth.kill_left(begun)
    assert sent == [os.getpid()]


LEDGER_CHECKS = [LOST, "nothing is there by half", "what was removed is gone"]


def looked_into(stage: Running, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool | None]:
    monkeypatch.setattr(truth, "stored", lambda _: {"one": "digest"})
    truth._check_ledger(stage)
    return kept(stage)


def test_nothing_noted_is_nothing_kept(idle: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an empty ledger nobody can say that it was honoured."""
    assert looked_into(idle, monkeypatch) == dict.fromkeys(LEDGER_CHECKS)


def test_what_was_noted_is_held_against_what_is_there(idle: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Added and there, removed and gone."""
    idle.ledger.take([("added", "one", "digest"), ("removed", "two", "")])

    assert looked_into(idle, monkeypatch) == dict.fromkeys(LEDGER_CHECKS, True)


def test_with_guests_lost_nobody_knows_what_was_acknowledged(
    idle: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That they were lost is told, and neither loss nor its absence is: one of them may have removed it."""
    idle.ledger.take([("added", "gone", "digest"), ("removed", "two", "")])
    with cast("Guests", idle.crowd(1, {"search": 1.0})) as crowd:
        crowd._children[0].process.kill()
        until(lambda: crowd.lost_processes)

    expected: dict[str, bool | None] = dict.fromkeys(LEDGER_CHECKS)
    assert looked_into(idle, monkeypatch) == {"no process of guests is lost": False} | expected


class Heard(Talk):
    """Hears out a guest until he has said so much."""

    def __init__(self, count: int) -> None:
        self.codes: list[str] = []
        self.is_enough = threading.Event()
        self._count = count

    def note(self, answer: list[Any], _entries: object) -> None:
        self.codes.append(answer[-1])
        if len(self.codes) >= self._count:
            self.is_enough.set()


def test_a_guest_goes_on_after_what_nobody_thought_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error with its name, and no end that nobody sees."""

    def search(_: Guest) -> NoReturn:
        raise KeyError("hits")

    monkeypatch.setattr(Guest, "search", search)
    talk = Heard(2)
    _live(0, Order("/nowhere", 1, [0], {"search": 1.0}, 0.0, 0.0, 1.0), talk, talk.is_enough)
    assert talk.codes == ["KeyError", "KeyError"]


def test_guests_who_talk_nonsense_are_lost_and_end_nobody_elses_hearing(idle: Running) -> None:
    """Whatever a line is, the thread that listens goes on."""
    crowd = cast("Guests", idle.crowd(1, {"search": 1.0}))
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"nonsense\n")
        assert not crowd._understood(here, bytearray())
    assert idle.lost_guests() == 1


def test_a_service_that_does_not_start_is_a_failed_run(tmp_path: Path) -> None:
    """Its reason is one line, its log is kept beside the report, and nothing stays."""
    record = ran(scenario(lambda _: None, {"PI_RAG_STORE_READERS": "many"}), tmp_path, None)

    assert record.ending == "failed"
    assert "\n" not in record.reason
    assert not record.is_well
    assert "store.readers" in (tmp_path / "trial.service.log").read_text()
    assert not (tmp_path / "work" / "trial").exists()


@pytest.mark.model
def test_everything_broken_is_found_and_named(tmp_path: Path, minilm: ModelCard) -> None:
    """A document that is not there, one with another text, one that rose again; and the rest is well."""
    documents = list(islice(workload.documents(3), 4))
    seen: list[set[int]] = []

    def run(stage: Stage) -> None:
        stage.service.client.add_documents(documents[:3], wait=True)
        stage.acknowledged([documents[0], documents[1] | {"text": "another"}, documents[3]])
        assert isinstance(stage, Running)
        stage.ledger.take([("removed", documents[2]["source"], "")])
        stage.mark("here", "now")
        seen.append(family.all_of(stage.service.pid))

    record = ran(scenario(run), tmp_path, minilm)
    broken = {each.name: each.seen for each in record.checks if each.is_kept is False}

    assert record.ending == "whole", record.reason
    assert broken == {
        LOST: f"1: {documents[3]['source']}",
        "nothing is there by half": f"1: {documents[1]['source']}",
        "what was removed is gone": f"1: {documents[2]['source']}",
    }
    assert not record.is_well
    assert record.figures["acknowledged_lost"] == 1
    assert [each.name for each in record.marks] == ["here"]
    assert len(seen[0]) >= 3
    assert family.left_after(seen[0], 5.0) == set()
    assert not (tmp_path / "work" / "trial").exists()


@pytest.mark.model
def test_a_crowd_is_answered_across_a_restart_and_loses_nothing(tmp_path: Path, minilm: ModelCard) -> None:
    """Guests in processes of their own go on by themselves; each knows what was acknowledged to it."""
    held: dict[str, int] = {}

    def run(stage: Stage) -> None:
        mix = {"search": 2.0, "add": 6.0, "remove": 2.0, "remember": 1.0, "event": 1.0, "recall": 1.0}
        with stage.crowd(6, mix) as crowd:  # type: ignore[arg-type]
            stage.pause(2.0)
            stage.restarted({"PI_RAG_STORE_READERS": "3"})
            stage.pause(1.5)
        assert isinstance(stage, Running)
        held["acknowledged"] = len(stage.ledger.must)
        held["searches"] = crowd.seen("search").count
        held["lost"] = stage.lost_guests()
        stage.check("it ran", "", "", True)

    record = ran(scenario(run), tmp_path, minilm)

    assert record.ending == "whole", record.reason
    assert [each for each in record.checks if each.is_kept is False] == []
    assert held["acknowledged"] > 10
    assert held["lost"] == 0
    assert held["searches"] == record.tally.whole("search").count > 0
    assert {each.code for each in record.answers} <= {"", "degraded", "busy", "stopping", "service_down"}
    assert max(each.at_s for each in record.answers) > 3.0
    assert record.samples
    assert any(each.is_ready for each in record.samples)


@pytest.mark.model
def test_a_scenario_that_fails_leaves_nothing(tmp_path: Path, minilm: ModelCard) -> None:
    """Also with guests at work; its reason says where it failed."""
    seen: list[set[int]] = []

    def run(stage: Stage) -> None:
        seen.append(family.all_of(stage.service.pid))
        with stage.crowd(2, {"search": 1.0}):
            seen.append(set(memory.children(os.getpid())))
            raise ZeroDivisionError("a fault of the scenario")

    record = ran(scenario(run), tmp_path, minilm)

    assert record.ending == "failed"
    assert record.reason.startswith("ZeroDivisionError: a fault of the scenario (test_runner.py:")
    assert family.left_after(seen[0] | seen[1], 5.0) == set()
    assert len(seen[1]) >= 3
    assert not (tmp_path / "work" / "trial").exists()
    assert (tmp_path / "trial.service.log").exists()
