"""What is out of force has a bound: beyond it the oldest goes for good, and nothing that must stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pi_rag.memory import clearing
from pi_rag.memory_types import Gone, Which
from pi_rag.store import checkup
from pi_rag.store.memory import changes, erasing, memories, usage
from tests.memory.housing import START_S, HandClock, Housed, housed, settings_of
from tests.memory.making import AGENT, PERSON
from tests.store.memory.keeping import fact, keep

BOUND = 10

EVERYTHING = Which(all=True)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    """A scope may hold ten that are out of force."""
    made = await housed(tmp_path / "data" / "pi-rag.db", HandClock(), settings_of(gone_max=BOUND))
    yield made
    await made.close()


async def gone(house: Housed, count: int, why: Gone = "evicted", *, pinned: bool = False) -> list[int]:
    """So many that went one after the other."""
    new = replace(fact("tea"), pinned=pinned)
    ids = [await house.store.write(keep, new) for _ in range(count)]
    for at, each in enumerate(ids):
        await house.store.write(memories.put_away, [each], why, START_S + at)
    return ids


async def left(house: Housed, ids: list[int]) -> list[int]:
    return [each.id for each in await house.store.read(memories.get, ids)]


async def test_the_oldest_beyond_the_bound_are_erased(house: Housed) -> None:
    """And what is in force stays, however old it is; at the bound nothing is done."""
    kept = await house.store.write(keep, fact("milk"))
    ids = await gone(house, BOUND + 3)
    assert await clearing.clear(house.desk.means) == 3
    assert await left(house, [kept, *ids]) == [kept, *ids[3:]]
    assert await clearing.clear(house.desk.means) == 0
    assert await house.store.read(checkup.check) == []


async def test_the_audit_log_says_that_the_service_did_it(house: Housed) -> None:
    """A line of a batch, which nobody can undo."""
    ids = await gone(house, BOUND + 2)
    await clearing.clear(house.desk.means)
    [line] = await house.desk.changes(PERSON, limit=5, after=None)
    assert (line.operation, line.scope, line.memory_ids) == ("erase", "user", tuple(ids[:2]))
    assert (line.door, line.uid, line.client) == ("service", None, "")
    assert await house.store.read(changes.get, line.id) == line


async def test_a_batch_is_bounded(house: Housed, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left over waits for the next."""
    monkeypatch.setattr(clearing, "AT_ONCE", 2)
    await gone(house, BOUND + 3)
    assert [await clearing.clear(house.desk.means) for _ in range(3)] == [2, 1, 0]


async def test_a_part_of_the_bound_goes_with_it(house: Housed) -> None:
    """So that not each one that goes has the word index written anew."""
    house.desk.follow(settings_of(gone_max=2 * clearing.SHARE))
    ids = await gone(house, 2 * clearing.SHARE + 1)
    assert await clearing.clear(house.desk.means) == 3
    assert await left(house, ids) == ids[3:]


async def test_what_a_person_pinned_is_never_erased(house: Housed) -> None:
    """Not even where nothing else is gone; another scope has its turn all the same."""
    pinned = await gone(house, BOUND + 5, pinned=True)
    other = [await house.store.write(keep, replace(fact("tea"), scope="agent:a")) for _ in range(BOUND + 1)]
    await house.store.write(memories.put_away, other, "superseded", START_S)
    assert await clearing.clear(house.desk.means) == 1
    assert await clearing.clear(house.desk.means) == 0
    assert await left(house, [*pinned, *other]) == [*pinned, *other[1:]]


async def test_what_was_forgotten_by_a_slip_can_be_brought_back_for_a_day(house: Housed) -> None:
    """However much it was; then the bound is kept."""
    ids = [await house.store.write(keep, fact("tea")) for _ in range(BOUND + 5)]
    whose = await house.desk.forget(EVERYTHING, AGENT, dry_run=True)
    done = await house.desk.forget(EVERYTHING, AGENT, dry_run=False, confirm=whose.confirm)
    house.clock.now += clearing.FORGOTTEN_S_MIN - 1
    assert await clearing.clear(house.desk.means) == 0
    await house.desk.undo(done.change_id, AGENT)
    again = await house.desk.forget(EVERYTHING, AGENT, dry_run=True)
    await house.desk.forget(EVERYTHING, AGENT, dry_run=False, confirm=again.confirm)
    house.clock.now += clearing.FORGOTTEN_S_MIN
    assert await clearing.clear(house.desk.means) == 5
    assert await left(house, ids) == ids[5:]


async def test_the_log_is_emptied_after_it(house: Housed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Erased is erased: as when a person does it."""
    asked: list[object] = []

    async def emptied(store: object) -> bool:
        asked.append(store)
        return True

    monkeypatch.setattr(erasing, "emptied", emptied)
    await gone(house, BOUND)
    await clearing.clear(house.desk.means)
    assert asked == []
    await gone(house, 1)
    await clearing.clear(house.desk.means)
    assert asked == [house.store]


async def test_how_much_may_be_gone_is_told_in_advance(house: Housed) -> None:
    """Beside how much is."""
    await gone(house, 2)
    [use] = await house.desk.usage(PERSON)
    assert (use.gone, use.gone_max) == (2, BOUND)
    assert (await house.store.read(usage.totals)).gone == 2
