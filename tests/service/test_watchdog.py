"""The watchdog of memory: what it looks at becomes steps, each carried out, told and taken back."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from pi_rag.budget import Process, Sample, Step, Terms
from pi_rag.config import MemorySettings
from pi_rag.service.sampling import Known, Sampler
from pi_rag.service.watchdog import Taken, Watchdog
from tests.embedder.waiting import until
from tests.service.held import Hanging, shared_threads_held

SETTINGS = replace(MemorySettings(), look_s=0.2)
BUDGET_MIB = 1000.0


class Time:
    """A clock that goes on by a look at each look."""

    now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s + 1e9


class FakeSampler(Sampler):
    """Says what it is told to; a fault when told so."""

    def __init__(self, time: Time) -> None:
        super().__init__(SETTINGS, time)
        self.time = time
        self.used_mib = 100.0
        self.undervoltage: bool | None = None
        self.fault: Exception | None = None
        self.looks = 0
        self.still_times = 0
        """So many times it may rest; then it moves."""
        self.seen: list[str] = []
        self.often = self.well = False

    def look(self, known: Known, *, often: bool = False, well: bool = False) -> Sample:
        self.often, self.well = often, well
        self.seen.append("whole")
        assert list(known) == [(7, "worker")]
        self.looks += 1
        self.time.now_s += 1.0
        if self.fault is not None:
            raise self.fault
        return Sample((Process(7, "worker", self.used_mib, self.used_mib),), undervoltage=self.undervoltage)

    def may_rest(self, known: Known) -> bool:
        self.seen.append("small")
        self.still_times -= 1
        return self.still_times >= 0


class FakeHands:
    """Implements watchdog.Hands; remembers what is so now, and what was done."""

    def __init__(self) -> None:
        self.refuses = self.rests = False
        self.workers = 4
        self.held_to = 0
        self.done: list[str] = []
        self.gate = asyncio.Event()
        """What takes time ends when it is set."""
        self.gate.set()

    def processes(self) -> Known:
        return [(7, "worker")]

    async def shed(self) -> None:
        self.done.append("shed")
        await self.gate.wait()

    def refuse(self, refuse: bool) -> None:
        self.refuses = refuse

    async def recycle(self, pid: int) -> None:
        self.done.append(f"recycle {pid}")
        await self.gate.wait()

    def hold_to(self, workers: int) -> None:
        self.held_to = workers

    def rest(self, rest: bool) -> None:
        self.rests = rest


class Scene:
    def __init__(self) -> None:
        self.sampler, self.hands = FakeSampler(Time()), FakeHands()
        self.watchdog = Watchdog(Terms(BUDGET_MIB, 4, SETTINGS), self.sampler, self.sampler.time)
        self.watchdog.use(self.hands)
        self.told: list[Taken] = []
        self.watchdog.listen(self.told.append)

    async def looks(self, count: int = 1) -> None:
        for _ in range(count):
            await self.watchdog.look()

    async def to(self, step: Step) -> None:
        for _ in range(100):
            if self.watchdog.step == step:
                return
            await self.looks()
        raise AssertionError(f"it did not come to {step}")


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_in_good_times_nothing_is_asked_for(scene: Scene) -> None:
    """All workers, documents welcome, nothing told."""
    await scene.looks(3)
    assert (scene.hands.refuses, scene.hands.rests, scene.hands.held_to) == (False, False, 4)
    assert scene.hands.done == [] and scene.told == []
    assert scene.watchdog.used_share == 0.1


async def test_while_nothing_moves_most_looks_are_small(scene: Scene) -> None:
    """A house at rest is left in peace; one that grows, or has given something up, is looked at each time."""
    scene.sampler.still_times = 3
    scene.watchdog.start()
    await until(lambda: scene.sampler.seen.count("whole") >= 2)
    assert scene.sampler.seen[:7] == ["small"] * 4 + ["whole", "small", "whole"]
    scene.sampler.still_times, scene.sampler.used_mib = 0, 910.0
    await until(lambda: scene.watchdog.step is Step.SHED)
    scene.sampler.still_times = 1000
    scene.sampler.seen.clear()
    await until(lambda: len(scene.sampler.seen) >= 3)
    assert set(scene.sampler.seen) == {"whole"}
    await scene.watchdog.stop()


async def test_the_status_is_measured_for_who_asks_well(scene: Scene) -> None:
    """A person is told what is so now; the metrics file, each minute, what is known."""
    assert (await scene.watchdog.status())["pss_mib_total"] == 100.0 and scene.sampler.well
    assert (await scene.watchdog.status(well=False))["pss_mib_total"] == 100.0 and not scene.sampler.well


async def test_there_is_room_until_something_would_be_given_up(scene: Scene) -> None:
    """Up to where caches are dropped; none while they are; before the first look nobody knows."""
    rooms = [scene.watchdog.room_mib]
    for used_mib in (100.0, 910.0, 890.0):
        scene.sampler.used_mib = used_mib
        await scene.looks()
        rooms.append(scene.watchdog.room_mib)
    assert rooms == [None, 800.0, 0.0, 0.0]


async def test_every_step_is_carried_out_and_keeps_those_below(scene: Scene) -> None:
    """Caches, then documents, then the worker, then fewer, then the embedder."""
    seen: dict[Step, tuple[bool, int, bool]] = {}
    for used_mib in (910, 940, 970, 1010, 1100, 1100, 1100, 1100, 1100):
        scene.sampler.used_mib = used_mib
        await scene.looks()
        seen[scene.watchdog.step] = (scene.hands.refuses, scene.hands.held_to, scene.hands.rests)
    assert seen == {
        Step.SHED: (False, 4, False),
        Step.REFUSE: (True, 4, False),
        Step.RECYCLE: (True, 4, False),
        Step.FEWER: (True, 1, False),
        Step.WORDS: (True, 1, True),
    }
    assert scene.hands.done[0] == "shed"
    assert "recycle 7" in scene.hands.done
    assert scene.watchdog.available_mib() == 0.0, "caches and ingest see no room"


async def test_each_step_is_told_once_with_the_figures_that_caused_it(scene: Scene) -> None:
    """A leap tells of every step that it takes, and of whom it replaced; so does the status, and the log."""
    scene.sampler.used_mib = 980.0
    await scene.looks()
    assert [(each.event, each.step, each.before) for each in scene.told] == [
        ("memory_step", "shed", "normal"),
        ("memory_step", "refuse", "shed"),
        ("memory_step", "recycle", "refuse"),
        ("memory_recycle", "recycle", "recycle"),
    ]
    assert {
        (each.cause, each.figure, each.bound, each.used_mib, each.fattest_pid) for each in scene.told
    } == {("budget", 980.0, BUDGET_MIB, 980.0, 7)}
    status = await scene.watchdog.status()
    assert [each["step"] for each in status["steps"]] == ["shed", "refuse", "recycle", "recycle"]
    assert (status["step"], status["budget_mib"], status["pss_mib_total"]) == ("recycle", BUDGET_MIB, 980.0)


async def test_everything_is_given_back_when_memory_is_free_again(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """One step after the other, each told, until nothing is held back."""
    scene.sampler.used_mib = 1100.0
    await scene.to(Step.WORDS)
    scene.told.clear()
    scene.sampler.used_mib = 100.0
    await scene.to(Step.NORMAL)
    assert [each.step for each in scene.told] == ["fewer", "recycle", "refuse", "shed", "normal"]
    down = [line for line in capsys.readouterr().err.splitlines() if "event=memory_step" in line]
    assert "step=normal before=shed used_mib=100.0" in down[-1], "nothing calls for a step down"
    assert not re.search(r"=( |$)", down[-1])
    assert (scene.hands.refuses, scene.hands.rests, scene.hands.held_to) == (False, False, 4)


async def test_too_little_power_is_half_of_the_workers(scene: Scene) -> None:
    """However much memory is free, half of them are let go."""
    scene.sampler.undervoltage = True
    await scene.looks()
    assert scene.hands.held_to == 2
    assert (await scene.watchdog.status())["workers_max"] == 2


async def test_a_fault_in_a_look_does_not_end_it(scene: Scene) -> None:
    """It says so, and the next look comes."""
    scene.sampler.fault = RuntimeError("a file of /proc in a new shape")
    task = scene.watchdog.start()
    await until(lambda: scene.sampler.looks >= 2)
    scene.sampler.fault = None
    scene.sampler.used_mib = 1100.0
    await until(lambda: scene.watchdog.step >= Step.RECYCLE)
    assert not task.done()
    await scene.watchdog.stop()
    await scene.watchdog.stop()
    assert task.done()


async def test_what_takes_long_puts_off_no_step_and_is_asked_for_once(scene: Scene) -> None:
    """The store may be in the middle of a write, and the worker of a batch: looks and steps go on."""
    scene.hands.gate.clear()
    scene.sampler.used_mib = 1100.0
    await scene.to(Step.WORDS)
    await scene.looks(10)
    assert scene.hands.done == ["recycle 7", "shed"]
    assert [each.event for each in scene.told].count("memory_recycle") == 1
    assert (await scene.watchdog.status())["recycled_h"] == 1, "what was not done is not counted"
    scene.hands.gate.set()
    await scene.looks(10)
    assert scene.hands.done.count("shed") >= 2
    scene.hands.gate.clear()
    await scene.looks(10)
    await scene.watchdog.stop()


async def test_caches_are_dropped_again_until_that_is_enough(scene: Scene) -> None:
    """What was in use the first time is given back later, though nothing calls for a step any more."""
    scene.sampler.used_mib = 910.0
    await scene.looks()
    scene.sampler.used_mib = 850.0
    await scene.looks(20)
    assert scene.watchdog.step is Step.SHED
    assert scene.hands.done.count("shed") >= 3
    scene.sampler.used_mib = 700.0
    await scene.looks()
    enough = scene.hands.done.count("shed")
    await scene.to(Step.NORMAL)
    assert scene.hands.done.count("shed") == enough


async def test_more_workers_by_other_settings_are_let_in(scene: Scene) -> None:
    """A reload may change how many there are; the watchdog holds back none of them in good times."""
    await scene.looks()
    scene.hands.workers = 6
    await scene.looks()
    assert scene.hands.held_to == 6


async def test_it_measures_more_often_while_something_is_given_up(scene: Scene) -> None:
    """So that it is taken back as soon as there is room again; at rest the processor is left alone."""
    scene.sampler.used_mib = 910.0
    await scene.looks()
    assert not scene.sampler.often
    await scene.looks()
    assert scene.sampler.often


async def test_it_looks_while_all_shared_threads_hang(scene: Scene) -> None:
    """As on a disk that gives no answer: that is when memory may grow."""
    async with shared_threads_held():
        await scene.looks()
        assert (await scene.watchdog.status())["step"] == "normal"
    assert scene.sampler.looks == 2


async def test_it_ends_although_a_look_hangs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it then, and the status is told until the end."""
    hanging, really = Hanging(scene.sampler.look), scene.sampler.look
    monkeypatch.setattr(scene.sampler, "look", lambda known, **_: hanging(known))
    scene.watchdog.start()
    await until(lambda: hanging.calls == 1)
    async with asyncio.timeout(30):
        await scene.watchdog.stop()
        monkeypatch.setattr(scene.sampler, "look", really)
        assert (await scene.watchdog.status())["pss_mib_total"] == 100.0
    hanging.let_go()
