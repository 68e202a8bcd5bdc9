"""The power is cut at any moment, and the disk may have anything of what was not synced.

A seed that fails is printed; `DURABILITY_SEED=... pytest tests/durability/test_power.py` takes it alone.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from pi_rag.config import StoreSettings
from pi_rag.errors import PiRagError
from pi_rag.store import Connection, connection
from tests.durability import disk, life, shim
from tests.durability.disk import Event, Manner, Record
from tests.durability.life import Content, Step
from tests.durability.shim import Call, Verdict

LIVES_OF = 100
"""So many seeds cut the same life; the first is the canonical one."""


def seeds(long_form: bool) -> Iterable[int]:
    """Those to try."""
    if alone := os.environ.get("DURABILITY_SEED"):
        return [int(alone)]
    return range(10_000 if long_form else 1_000)


@dataclass(frozen=True)
class Lived:
    """A life, with all that happened on the disk, and what there was after each step."""

    events: list[Event]
    states: list[Content]


def lived(path: Path, steps: tuple[Step, ...]) -> Lived:
    record = Record()
    with shim.between(record.judge, record.witness):
        told = asyncio.run(life.live(path, steps, acknowledged=record.acknowledged, look=True))
    assert told.closed, told.errors
    shutil.rmtree(path.parent)
    return Lived(record.events, told.states)


def after(path: Path, states: list[Content], acknowledged: int, seed: int) -> int:
    """Which state is there: the one that was acknowledged last, or that of the step under way."""
    here = asyncio.run(life.found(path))
    may = [step for step in (acknowledged, acknowledged + 1) if step < len(states) and states[step] == here]
    where = [step for step, state in enumerate(states) if state == here]
    assert may, f"DURABILITY_SEED={seed}: {acknowledged} acknowledged, and there is the state after {where}"
    return may[0]


def cut_once(of: Lived, seed: int, folder: Path) -> None:
    """Cut a life, look at what is there, and cut the look as well."""
    dice = random.Random(seed)
    manner, at = Manner.of(dice), dice.randint(0, len(of.events))
    image, acknowledged = disk.cut(of.events, at, manner, dice)
    path = folder / "pi-rag.db"
    disk.put_back(folder, image, dice)
    record = Record()
    with shim.between(record.judge, record.witness):
        there = after(path, of.states, acknowledged, seed)
    shutil.rmtree(folder)
    if seed % 4 == 0:
        again, _ = disk.cut(record.events, dice.randint(0, len(record.events)), manner, dice, image)
        disk.put_back(folder, again, dice)
        assert after(path, of.states, acknowledged, seed) == there, f"DURABILITY_SEED={seed}: shown, and gone"
        shutil.rmtree(folder)


@pytest.mark.slow
def test_what_was_acknowledged_outlives_a_power_cut(ram: Path, long_form: bool) -> None:
    """A thousand cuts, ten thousand with --long: the database opens at once, is whole, has all that was
    acknowledged, and what was under way wholly or not at all. A cut while it opens changes nothing of that.
    """
    of, lives = -1, Lived([], [])
    for seed in seeds(long_form):
        if seed // LIVES_OF != of:
            of = seed // LIVES_OF
            lives = lived(ram / "life" / "pi-rag.db", life.any_life(of) if of else life.LIFE)
        try:
            cut_once(lives, seed, ram / "cut")
        except BaseException:
            print(f"DURABILITY_SEED={seed}")
            raise


def _failures(of: Lived, ram: Path, cuts: int) -> int:
    """After how many of so many cuts something is lost that was acknowledged, or not whole."""
    failures = 0
    for seed in range(cuts):
        try:
            cut_once(of, seed, ram / "cut")
        except (AssertionError, PiRagError):
            failures += 1
            shutil.rmtree(ram / "cut")
    return failures


def test_a_store_that_does_not_wait_for_the_disk_is_found_out(
    ram: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `synchronous = NORMAL` a commit is acknowledged too soon: the model sees the loss."""

    def hasty(db: Connection, _: StoreSettings) -> None:
        db.execute("PRAGMA synchronous = NORMAL")

    policies = [each for each in connection.WRITER if each is not connection.sync_each_commit]
    monkeypatch.setattr(connection, "WRITER", (*policies, hasty))
    of = lived(ram / "life" / "pi-rag.db", life.LIFE)
    monkeypatch.undo()
    assert _failures(of, ram, 40) > 0


def test_a_disk_that_lies_is_seen_to_lose(ram: Path) -> None:
    """Where syncs only seem to be done, no software can keep a promise; and the model shows that."""
    of = lived(ram / "life" / "pi-rag.db", life.LIFE)
    liar = Lived([each for each in of.events if getattr(each, "kind", "") != "sync"], of.states)
    assert _failures(liar, ram, 40) > 0


@dataclass
class _Breaks:
    """Fails the nth sync, and after that, if it is `deadly`, is not there any more: a kill."""

    number: int
    deadly: bool
    is_dead: bool = False
    seen: int = 0

    def __call__(self, call: Call) -> Verdict:
        if self.is_dead:
            return Verdict("fail")
        if call.kind == "sync":
            self.seen += 1
            if self.seen == self.number + 1:
                self.is_dead = self.deadly
                return Verdict("fail", apsw.SQLITE_IOERR_FSYNC)
        return shim.DO


def _state_in(folder: Path, copy: Path, states: list[Content], acknowledged: int) -> int:
    """As `after`, of a copy: opening and closing would empty the log."""
    shutil.copytree(folder, copy)
    try:
        return after(copy / "pi-rag.db", states, acknowledged, -1)
    finally:
        shutil.rmtree(copy)


def _cut_after_failed_sync(of: Lived, folder: Path, breaks: _Breaks, dice: random.Random) -> None:
    """A sync fails, the service starts again and goes on, and then the power goes."""
    path, record = folder / "life" / "pi-rag.db", Record(breaks)
    with shim.between(record.judge, record.witness):
        told = asyncio.run(life.live(path, acknowledged=record.acknowledged))
    begin = _state_in(path.parent, folder / "copy", of.states, told.acknowledged)
    record.decides, restarted = shim.doing, len(record.events)
    with shim.between(record.judge, record.witness):
        assert asyncio.run(life.live(path, life.LIFE, begin, record.acknowledged)).closed
    shutil.rmtree(path.parent)
    for _ in range(4):
        at, manner = dice.randint(restarted, len(record.events)), Manner.of(dice)
        image, acknowledged = disk.cut(record.events, at, manner, dice)
        disk.put_back(path.parent, image, dice)
        after(path, of.states, acknowledged, -1)
        shutil.rmtree(path.parent)


@pytest.mark.slow
@pytest.mark.parametrize("deadly", [False, True], ids=["goes on", "is killed"])
def test_what_a_failed_sync_left_in_memory_is_not_taken_for_safe(
    ram: Path, long_form: bool, deadly: bool
) -> None:
    """After a failed sync the kernel may show what is not on the disk and never will be. What is acknowledged
    after the next start outlives a power cut all the same.
    """
    of = lived(ram / "life" / "pi-rag.db", life.LIFE)
    syncs = sum(isinstance(each, Call) and each.kind == "sync" for each in of.events)
    for number in range(0, syncs, 1 if long_form else 6):
        try:
            _cut_after_failed_sync(of, ram, _Breaks(number, deadly), random.Random(number))
        except BaseException:
            print(f"sync {number} of {syncs}")
            raise
