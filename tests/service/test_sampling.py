"""Sizes of processes: often, at little cost, and none forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pi_rag.config import MemorySettings
from pi_rag.host import memory
from pi_rag.host.memory import Size
from pi_rag.service.sampling import FRESH_S, REST_TIMES, STILL_TIMES, Sampler
from tests.host import machines
from tests.service.test_run import until

SETTINGS = MemorySettings()
PID = 4242


class Time:
    now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s


class Machine:
    """One process, whose pages are set by the test; measuring it is counted and costs what is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resident_mib: float | None = 100.0
        self.measured = 0
        self.cost_s = 0.0
        self._cpu_s = 0.0
        self.time = Time()
        monkeypatch.setattr(memory, "resident_mib", lambda pid: self.resident_mib if pid == PID else None)
        monkeypatch.setattr(memory, "children", lambda pid: [])
        monkeypatch.setattr(memory, "size", self._size)
        self.sampler = Sampler(SETTINGS, self.time, cpu_s=lambda: self._cpu_s, root=Path("/nowhere"))

    def _size(self, pid: int) -> Size:
        self.measured += 1
        self._cpu_s += self.cost_s
        return Size(pss_mib=(self.resident_mib or 0) * 0.6, private_mib=(self.resident_mib or 0) * 0.5)

    def look(self, after_s: float = 1.0, **how: bool) -> float:
        self.time.now_s += after_s
        return self.sampler.look([(PID, "worker")], **how).used_mib

    def may_rest(self) -> bool:
        return self.sampler.may_rest([(PID, "worker")])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_between_two_measurements_pages_are_counted(machine: Machine) -> None:
    """A quiet process is measured when its time comes, and what it grows by meanwhile is added."""
    assert machine.look() == 60
    machine.resident_mib = 104.0
    assert (machine.look(), machine.measured) == (64, 1)
    machine.resident_mib = 96.0
    assert (machine.look(), machine.measured) == (60, 1), "a page that went may be one of many users"
    machine.look(SETTINGS.measure_s)
    assert machine.measured == 2


def test_one_that_stands_still_is_measured_seldom(machine: Machine) -> None:
    """At rest nothing is measured that cannot have changed, which would cost more than all else there."""
    machine.look()
    for _ in range(STILL_TIMES - 1):
        machine.look(SETTINGS.measure_s)
    assert machine.measured == 1
    machine.look(SETTINGS.measure_s)
    assert machine.measured == 2
    machine.look(SETTINGS.measure_s)
    machine.resident_mib = 98.0
    machine.look()
    assert machine.measured == 3


def test_who_looks_may_pass_while_all_stand_still(machine: Machine) -> None:
    """But not for ever, and not when one has moved, or was never measured."""
    assert not machine.may_rest()
    machine.look()
    turns = [machine.may_rest() for _ in range(2 * REST_TIMES)]
    assert turns == ([True] * (REST_TIMES - 1) + [False]) * 2
    machine.resident_mib = 102.0
    assert not machine.may_rest()


def test_one_that_has_grown_is_measured_at_once(machine: Machine) -> None:
    """A leak of 10 MiB a second is known as it is within the second."""
    machine.look()
    machine.resident_mib = 110.0
    assert machine.look() == 66
    assert machine.measured == 2


def test_measuring_takes_no_more_than_a_hundredth_of_a_core(machine: Machine) -> None:
    """However the process grows: 20 ms each time are two seconds of waiting, and pages are counted then."""
    machine.cost_s, looks = 0.020, 200
    for _ in range(looks):
        assert machine.resident_mib is not None
        machine.resident_mib += 20.0
        machine.look()
    assert machine.measured * machine.cost_s <= 0.01 * looks + machine.cost_s
    assert machine.measured >= looks / 3
    in_truth_mib = (machine.resident_mib or 0.0) * 0.6
    assert machine.look(FRESH_S, well=True) == pytest.approx(in_truth_mib), "who asks well is told well"


def test_who_asks_often_is_told_more_often_within_the_same_cost(machine: Machine) -> None:
    """Each look when measuring costs little; every other one when it takes 20 ms."""
    for cost_s, measured in ((0.001, 10), (0.020, 5)):
        machine.cost_s, before = cost_s, machine.measured
        for _ in range(10):
            machine.look(often=True)
        assert abs(machine.measured - before - measured) <= 1


def test_who_asks_well_does_not_put_off_the_looks_that_decide(machine: Machine) -> None:
    """A screen that was open for an hour: memory that falls is seen when it would have been without it."""
    machine.cost_s = 0.020
    for _ in range(3600):
        machine.look(well=True)
    machine.resident_mib = 20.0
    assert machine.look(SETTINGS.measure_s) == 12


def test_two_that_ask_well_at_once_are_told_what_was_measured_once(machine: Machine) -> None:
    """A screen asks for the status and for the metrics; what has come between them is told all the same."""
    machine.look(well=True)
    machine.resident_mib = 104.0
    assert (machine.look(FRESH_S / 2, well=True), machine.measured) == (64, 1)
    assert machine.look(FRESH_S / 2, well=True) == pytest.approx(62.4)
    assert machine.measured == 2


def test_a_process_that_is_gone_counts_for_nothing(machine: Machine) -> None:
    """A worker may die between being listed and being looked at."""
    machine.look()
    machine.resident_mib = None
    assert machine.look() == 0


def test_what_the_kernel_tells_is_in_the_sample(tmp_path: Path) -> None:
    """Cgroup, pressure, free memory, SQLite's own count and the supply; None where it is not told."""
    whole = Sampler(
        SETTINGS, Time(), root=machines.present(tmp_path), sqlite_mib=lambda: 3.5, undervoltage=lambda: True
    ).look([])
    assert whole.group is not None and whole.group.anon_mib == 200
    assert (whole.pressure_percent, whole.sqlite_mib, whole.undervoltage) == (1.25, 3.5, True)
    silent = Sampler(SETTINGS, Time(), root=machines.unreadable(tmp_path / "other")).look([])
    assert (silent.group, silent.pressure_percent, silent.sqlite_mib) == (None, None, None)


def test_a_child_that_nobody_named_is_counted_too() -> None:
    """Whatever it is, it is ours as well."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        sampler = Sampler(SETTINGS, Time())
        found = {each.pid: each for each in sampler.look([(os.getpid(), "supervisor")]).processes}
        assert found[child.pid].role == "other"
        assert found[os.getpid()].role == "supervisor"
        assert (found[os.getpid()].pss_mib or 0) > 1
        assert child.stdin is not None
        child.stdin.close()


def test_what_a_measurement_of_the_machine_starts_goes_by_its_name() -> None:
    """Its crews are processes of their own; whoever reads the figures sees what all of it takes."""
    with subprocess.Popen(["sh", "-c", "cat; true"], stdin=subprocess.PIPE) as tuner:
        until(lambda: bool(memory.children(tuner.pid)))
        looked = Sampler(SETTINGS, Time()).look([(os.getpid(), "supervisor"), (tuner.pid, "tuner")])
        roles = {each.pid: each.role for each in looked.processes}
        assert [roles[pid] for pid in (tuner.pid, *memory.children(tuner.pid))] == ["tuner", "tuner"]
        assert tuner.stdin is not None
        tuner.stdin.close()
