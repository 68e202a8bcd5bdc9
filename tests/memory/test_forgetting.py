"""Forgetting: what is meant, what is asked before, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pi_rag.errors import (
    EraseFirstForget,
    ForgetAll,
    ForgetUnconfirmed,
    MemoryNotFound,
    PersonsOnly,
    ScopeForbidden,
)
from pi_rag.memory import forgetting
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory_types import Caller, Forgotten, Memory, NewFact, Which
from pi_rag.store import Connection
from pi_rag.store.memory import memories
from tests.memory.making import AGENT, PERSON


async def kept(desk: MemoryDesk, *texts: str, caller: Caller = AGENT, **more: object) -> list[int]:
    """The ids of these facts."""
    facts = [NewFact(text, **more) for text in texts]  # type: ignore[arg-type]
    return [(await desk.remember(fact, caller)).memory.id for fact in facts]


async def forget(desk: MemoryDesk, *ids: int, caller: Caller = AGENT, hard: bool = False) -> Forgotten:
    return await desk.forget(Which(ids=ids), caller, dry_run=False, hard=hard)


async def in_force(desk: MemoryDesk) -> list[int]:
    return [memory.id for memory in await desk.listing(Which(), AGENT, limit=100)]


async def test_what_is_named_is_forgotten_at_once(desk: MemoryDesk) -> None:
    """Nothing else is; it is still there for who asks for what is gone, and can be brought back."""
    one, other = await kept(desk, "Mo is a cat.", "Bo is a dog.")
    got = await forget(desk, one)
    [gone] = await desk.listing(Which(), AGENT, limit=10, gone=True)

    assert (got.count, got.memories[0].gone, gone.id) == (1, "forgotten", one)
    assert await in_force(desk) == [other]
    await desk.undo(got.change_id, AGENT)
    assert await in_force(desk) == [other, one]


async def test_to_forget_twice_is_harmless(desk: MemoryDesk) -> None:
    """The second time nothing is done, and nothing noted."""
    [one] = await kept(desk, "Mo is a cat.")
    await forget(desk, one)
    again = await forget(desk, one)

    assert (again.count, again.change_id) == (0, None)


async def test_a_filter_asks_for_a_dry_run_first(desk: MemoryDesk) -> None:
    """What is confirmed is what was shown: when something else is meant meanwhile, nothing is done."""
    pets = await kept(desk, "Mo is a cat.", "Bo is a dog.", tags=("pet",))
    await kept(desk, "It rains.")
    wanted = Which(tag="pet")
    dry = await desk.forget(wanted, AGENT, dry_run=True)
    for confirm in (None, "0" * 16):
        with pytest.raises(ForgetUnconfirmed):
            await desk.forget(wanted, AGENT, dry_run=False, confirm=confirm)
    [late] = await kept(desk, "Zo is a hen.", tags=("pet",))
    with pytest.raises(ForgetUnconfirmed, match="else"):
        await desk.forget(wanted, AGENT, dry_run=False, confirm=dry.confirm)
    again = await desk.forget(wanted, AGENT, dry_run=True)
    done = await desk.forget(wanted, AGENT, dry_run=False, confirm=again.confirm)

    assert (dry.dry_run, dry.count, [memory.id for memory in dry.memories]) == (True, 2, pets)
    assert (done.count, late in await in_force(desk)) == (3, False)


@pytest.mark.parametrize("nothing", [Which(), Which(scope="user")])
async def test_nothing_said_means_nothing(desk: MemoryDesk, nothing: Which) -> None:
    """Everything must be said, and confirmed as any filter."""
    await kept(desk, "Mo is a cat.", "It rains.")
    for dry_run in (True, False):
        with pytest.raises(ForgetAll):
            await desk.forget(nothing, AGENT, dry_run=dry_run)
    everything = replace(nothing, all=True)
    dry = await desk.forget(everything, AGENT, dry_run=True)
    await desk.forget(everything, AGENT, dry_run=False, confirm=dry.confirm)

    assert await in_force(desk) == []


async def test_all_means_all_that_the_guest_may_see(desk: MemoryDesk) -> None:
    """What is forgotten in two scopes stands in the log of each, and each can be taken back."""
    [mine] = await kept(desk, "Mo is a cat.")
    [boats] = await kept(desk, "Oil paint.", scope="project:boat")
    [other] = await kept(desk, "Secretly.", scope="agent:x")
    bound = replace(AGENT, scopes=("user", "project:boat"))
    dry = await desk.forget(Which(all=True), bound, dry_run=True)
    await desk.forget(Which(all=True), bound, dry_run=False, confirm=dry.confirm)
    lines = [line for line in await desk.changes(AGENT, limit=10) if line.operation == "forget"]

    assert await in_force(desk) == [other]
    assert {(line.scope, line.memory_ids) for line in lines} == {
        ("user", (mine,)),
        ("project:boat", (boats,)),
    }


async def test_what_a_guest_may_not_see_it_cannot_forget(desk: MemoryDesk) -> None:
    """By its number it is not there; by its scope it is forbidden."""
    [one] = await kept(desk, "Oil paint.", scope="project:boat")
    bound = replace(AGENT, scopes=("user",))

    with pytest.raises(MemoryNotFound):
        await forget(desk, one, caller=bound)
    with pytest.raises(ScopeForbidden):
        await desk.forget(Which(scope="project:boat", all=True), bound, dry_run=True)
    with pytest.raises(MemoryNotFound):
        await forget(desk, one, one + 1)
    assert await in_force(desk) == [one]


async def test_only_what_is_forgotten_can_be_erased(desk: MemoryDesk) -> None:
    """Then it is nowhere: not by its number, not in its history, not to be brought back."""
    one, other = await kept(desk, "Mo is a cat.", "Bo is a dog.")
    with pytest.raises(EraseFirstForget):
        await forget(desk, one, hard=True)
    soft = await forget(desk, one)
    with pytest.raises(EraseFirstForget):
        await forget(desk, one, other, hard=True)
    got = await forget(desk, one, hard=True)

    assert (got.count, got.hard, got.memories[0].id) == (1, True, one)
    assert await desk.listing(Which(), AGENT, limit=10, gone=True) == ()
    for asked in (desk.get((one,), AGENT), forget(desk, one, hard=True)):
        with pytest.raises(MemoryNotFound):
            await asked
    assert "cat" not in repr(await desk.changes(AGENT, limit=10))
    assert soft.change_id is not None


async def test_a_filter_erases_what_is_out_of_force(desk: MemoryDesk) -> None:
    """After a dry run as well, which is not that of forgetting."""
    one, other = await kept(desk, "Mo is a cat.", "Bo is a dog.", tags=("pet",))
    await forget(desk, one)
    wanted = Which(tag="pet")
    soft = await desk.forget(wanted, AGENT, dry_run=True)
    hard = await desk.forget(wanted, AGENT, dry_run=True, hard=True)
    with pytest.raises(ForgetUnconfirmed):
        await desk.forget(wanted, AGENT, dry_run=False, hard=True, confirm=soft.confirm)
    await desk.forget(wanted, AGENT, dry_run=False, hard=True, confirm=hard.confirm)

    assert ([memory.id for memory in hard.memories], await in_force(desk)) == ([one], [other])


async def test_what_is_a_persons_no_agent_erases(desk: MemoryDesk) -> None:
    """What a person said or pinned: an agent may only put it away. What an agent said, an agent may erase."""
    [said] = await kept(desk, "Mo is a cat.", caller=PERSON)
    pinned, free = await kept(desk, "Bo is a dog.", "Zo is a hen.")
    await desk.change(pinned, PERSON, pinned=True)
    await forget(desk, said, pinned, free)
    for each in (said, pinned):
        with pytest.raises(PersonsOnly):
            await forget(desk, each, free, hard=True)
    await forget(desk, free, hard=True)
    await forget(desk, said, pinned, hard=True, caller=PERSON)

    assert await desk.listing(Which(), AGENT, limit=10, gone=True) == ()


async def test_much_is_forgotten_brought_back_and_erased_without_its_texts(
    desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer is held for it, and two gigabytes of events are no more than their ids."""
    read: list[int] = []
    get = memories.get

    def counted(db: Connection, ids: Sequence[int]) -> list[Memory]:
        found = get(db, ids)
        read.append(len(found))
        return found

    await kept(desk, *(f"Cat {n} is called {n}." for n in range(30)), tags=("pet",), caller=PERSON)
    monkeypatch.setattr(memories, "get", counted)
    monkeypatch.setattr(forgetting, "SHOWN_MAX", 2)
    pets = Which(tag="pet")
    asked = await desk.forget(pets, PERSON, dry_run=True)
    gone = await desk.forget(pets, PERSON, dry_run=False, confirm=asked.confirm)
    await desk.undo(gone.change_id, PERSON)
    asked = await desk.forget(pets, PERSON, dry_run=True)
    await desk.forget(pets, PERSON, dry_run=False, confirm=asked.confirm)
    asked = await desk.forget(pets, PERSON, dry_run=True, hard=True)
    assert asked.count == 30
    with pytest.raises(PersonsOnly):
        await desk.forget(pets, AGENT, dry_run=False, hard=True, confirm=asked.confirm)
    await desk.forget(pets, PERSON, dry_run=False, hard=True, confirm=asked.confirm)
    assert max(read) == 2
