"""Every call of SQLite that changes something fails, once or from then on, or is lost: all with --long.

`DURABILITY_CASE=...` takes one case alone, by what is printed when it fails.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw
import pytest

from pi_rag.cli.recover import as_sent
from pi_rag.errors import MemoryNotFound, StoreDamaged, StoreError
from pi_rag.memory.remembering import words_hash
from pi_rag.store import inspection, recovery
from pi_rag.store.recovery import Means
from tests.durability import life, shim
from tests.durability.disk import Acknowledged, Record, SyncFailed
from tests.durability.life import Content
from tests.durability.shim import KINDS, Call, Kind, Nth, Verdict

SHORT_OF = {"write": 300, "all": 100, "sync": 7, "truncate": 3, "open": 1, "delete": 1, "map": 1}
"""One of so many cases is tried in the short form."""
OFFSET = 17
"""From which on, so that the short form has not only the first of everything."""

IO, FULL = apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_FULL
MANNERS: dict[str, list[tuple[Verdict, bool]]] = {
    "write": [
        (Verdict("fail", IO), False),
        (Verdict("fail", FULL), True),
        (Verdict("tear", FULL), False),
        (Verdict("tear", IO), True),
    ],
    **{kind: [(Verdict("fail"), False), (Verdict("fail"), True)] for kind in KINDS if kind != "write"},
    "all": [(Verdict("fail"), True)],
}
"""How calls of a kind fail, and whether for good. `all`: nothing works any more, as after a kill."""


LOST_SHORT_OF: dict[Kind, int] = {"write": 60, "sync": 6, "truncate": 4, "delete": 2}
"""What a disk may say that it did, and of which of so many in the short form."""

LIFE = (*life.LIFE, life.backed_up())


@dataclass(frozen=True, slots=True)
class Case:
    """The call that fails, by its number among those of its kind."""

    kind: str
    manner: int
    number: int

    def judge(self) -> Nth:
        verdict, lasting = MANNERS[self.kind][self.manner]
        kinds: dict[str, Kind] = {kind: kind for kind in KINDS}
        return Nth(self.number, kinds.get(self.kind), verdict, lasting)

    def __str__(self) -> str:
        return f"{self.kind}/{self.manner}/{self.number}"


@dataclass(frozen=True)
class Canonical:
    """The life without a fault: its calls, and what there is after each step."""

    calls: list[Call]
    states: list[Content]

    def cases(self, kind: str, every: int) -> Iterator[Case]:
        """All that can be, or one of so many."""
        if alone := os.environ.get("DURABILITY_CASE"):
            of, manner, number = alone.split("/")
            yield from [Case(kind, int(manner), int(number))] if of == kind else []
            return
        count = sum(kind in {"all", call.kind} for call in self.calls)
        all_of = [
            Case(kind, manner, number) for number in range(count) for manner in range(len(MANNERS[kind]))
        ]
        yield from all_of[OFFSET % every :: every]


@pytest.fixture(scope="module")
def canonical(tmp_path_factory: pytest.TempPathFactory) -> Canonical:
    calls: list[Call] = []
    with shim.between(shim.doing, calls.append):
        told = asyncio.run(life.live(tmp_path_factory.mktemp("life") / "data" / "pi-rag.db", LIFE, look=True))
    assert told.closed
    return Canonical(calls, told.states)


def _found_or_recovered(case: Case, path: Path) -> Content:
    """What is there when it is opened again. Only where every write is torn may the start be refused: of a
    commit that was tried again and torn again, nobody can say that it was not acknowledged. Recovery then
    gives all that was.
    """
    try:
        return asyncio.run(life.found(path))
    except StoreDamaged as error:
        verdict, is_lasting = MANNERS[case.kind][case.manner]
        assert verdict.deed == "tear" and is_lasting and "commits would be lost" in error.message, error
    saved = recovery.recover(path, path, life.SETTINGS, Means(as_sent, words_hash), 0.0, dry_run=False)
    assert not saved.documents.lost and not saved.queue.lost and not saved.memories.lost
    return asyncio.run(life.found(path))


def try_case(case: Case, path: Path, states: list[Content]) -> None:
    """Live with the fault, look at what is there, and live on from there to the end."""
    judge = case.judge()
    with shim.between(judge):
        told = asyncio.run(life.live(path, LIFE))
    assert judge.met, "there was no such call"
    # Of an erasure that was carried out and could not be confirmed, a second try finds nothing.
    assert all(isinstance(error, StoreError | MemoryNotFound) for error in told.errors), told.errors
    if (made := path.with_name(life.BACKUP)).exists():
        assert not inspection.inspect(made, life.SETTINGS, deep=True).problems, "half a backup has the name"
    there = _found_or_recovered(case, path)
    may = (
        [told.acknowledged] if told.acknowledged == len(LIFE) else [told.acknowledged, told.acknowledged + 1]
    )
    where = [step for step in may if states[step] == there]
    assert where, f"{told.acknowledged} acknowledged, and neither that nor the next is there"
    if not told.closed:
        assert asyncio.run(life.live(path, LIFE, where[0])).closed
        assert asyncio.run(life.found(path)) == states[-1]
    assert not inspection.inspect(made, life.SETTINGS, deep=True).problems


@pytest.mark.slow
@pytest.mark.parametrize("kind", MANNERS)
def test_every_call_that_fails_leaves_the_state_before_or_after(
    ram: Path, long_form: bool, canonical: Canonical, kind: str
) -> None:
    """What was acknowledged is there, what was under way wholly or not at all, the error is one of the
    store's own, nothing hangs, and the database goes on as if nothing had been.
    """
    tried = 0
    for case in canonical.cases(kind, 1 if long_form else SHORT_OF[kind]):
        try:
            try_case(case, ram / "data" / "pi-rag.db", canonical.states)
        except BaseException:
            print(f"DURABILITY_CASE={case}")
            raise
        shutil.rmtree(ram / "data")
        tried += 1
    print(f"{kind}: {tried} cases")
    assert tried or "DURABILITY_CASE" in os.environ


def _told_of(path: Path) -> list[str]:
    """What `pi-rag verify` says of a database."""
    try:
        return inspection.inspect(path, life.SETTINGS, deep=True).problems
    except StoreError as error:
        return [str(error)]


def _are_known(there: Content, wanted: Content) -> bool:
    """Whether all that people know of is there. What is left out is kept for the house itself: the jobs that
    are done, which of their items a document came from, and from where SQLite counts on.
    """
    own = {"jobs", "document_items", "sqlite_sequence"}
    return all(there[name] == wanted[name] for name in wanted.keys() - own)


def try_lost(kind: Kind, number: int, path: Path, wanted: Content) -> bool:
    """Live on a disk that says it did the nth such call, and did not. Returns whether it did harm."""
    with shim.between(judge := Nth(number, kind, Verdict("lose"))):
        told = asyncio.run(life.live(path, LIFE))
    assert judge.met, "there was no such call"
    assert all(isinstance(error, StoreError) for error in told.errors), told.errors
    if told.errors or _told_of(path):
        return True
    assert told.closed
    assert _are_known(asyncio.run(life.found(path)), wanted), f"{kind} {number}: nobody was told"
    return False


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOST_SHORT_OF)
def test_what_the_disk_only_says_it_did_is_harmless_or_told(
    ram: Path, long_form: bool, canonical: Canonical, kind: Kind
) -> None:
    """The power stays: then nothing is lost with a sync, a truncate or a delete. A lost write may do harm;
    who asks is told of it, or `pi-rag verify` tells.
    """
    count = sum(call.kind == kind for call in canonical.calls)
    lost = range(count)[:: 1 if long_form else LOST_SHORT_OF[kind]]
    harmed = []
    for number in lost:
        if try_lost(kind, number, ram / "data" / "pi-rag.db", canonical.states[-1]):
            harmed.append(number)
        shutil.rmtree(ram / "data")
    print(f"{kind}: {len(lost)} lost, {len(harmed)} of them did harm and were told")
    assert bool(harmed) == (kind == "write"), harmed


def _written_after_failed_sync(record: Record) -> list[Call]:
    """What came to the log between a sync that failed in an open database, and the end."""
    opened = next(number for number, each in enumerate(record.events) if isinstance(each, Acknowledged))
    failed = [number for number, each in enumerate(record.events) if isinstance(each, SyncFailed)]
    return [
        each
        for each in record.events[failed[0] :]
        if failed[0] > opened
        and isinstance(each, Call)
        and each.kind == "write"
        and each.path.name.endswith("-wal")
    ]


def test_after_a_failed_sync_nothing_is_written_until_the_next_start(ram: Path, canonical: Canonical) -> None:
    """Be it a commit's or a checkpoint's: what the kernel shows from then on may not be on the disk."""
    syncs = sum(call.kind == "sync" for call in canonical.calls)
    for number in range(9, syncs, 4):
        record = Record(Nth(number, "sync", Verdict("fail", apsw.SQLITE_IOERR_FSYNC)))
        with shim.between(record.judge, record.witness):
            told = asyncio.run(life.live(ram / "data" / "pi-rag.db", acknowledged=record.acknowledged))
        assert _written_after_failed_sync(record) == [], f"sync {number} of {syncs}"
        assert all(isinstance(error, StoreDamaged) for error in told.errors)
        shutil.rmtree(ram / "data")
