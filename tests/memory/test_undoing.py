"""Taking back: each kind of change, an undoing itself, and what can no longer be taken back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pi_rag.errors import ChangeFinal, ChangeNotFound
from pi_rag.memory import exported
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory_types import Caller, Memory, NewFact, Remembered, Which
from tests.memory.housing import Housed, settings_of
from tests.memory.making import AGENT, OTHER_AGENT, PERSON, fact_of

WIFI = NewFact("The wifi is called Heron.", topic="home/wifi")


async def remember(
    desk: MemoryDesk, text: str, caller: Caller = AGENT, topic: str | None = None
) -> Remembered:
    return await desk.remember(NewFact(text, topic=topic), caller)


async def now(desk: MemoryDesk, id_: int) -> Memory:
    return (await desk.get((id_,), AGENT))[0]


async def test_a_fact_that_was_not_meant_is_forgotten(desk: MemoryDesk) -> None:
    """And is back when that is taken back, as often as one likes."""
    got = await remember(desk, "Mo is a cat.")
    undoing = await desk.undo(got.change_id, AGENT)
    assert (undoing.operation, (await now(desk, got.memory.id)).gone) == ("undo", "forgotten")
    for gone in (None, "forgotten", None):
        undoing = await desk.undo(undoing.id, AGENT)
        assert (await now(desk, got.memory.id)).gone == gone


async def test_what_was_superseded_is_in_force_again(desk: MemoryDesk) -> None:
    """And what had taken its place is not; the other way round when that is undone."""
    old = await remember(desk, "It is Heron.", topic="wifi")
    new = await remember(desk, "It is Egret.", topic="wifi")
    undoing = await desk.undo(new.change_id, AGENT)
    before, after = await now(desk, old.memory.id), await now(desk, new.memory.id)
    assert (before.gone, before.superseded_by, after.gone) == (None, None, "forgotten")

    await desk.undo(undoing.id, AGENT)
    before, after = await now(desk, old.memory.id), await now(desk, new.memory.id)
    assert (before.gone, before.superseded_by, after.gone) == ("superseded", after.id, None)


async def test_a_merge_that_is_undone_counts_once_less(desk: MemoryDesk, home: Housed) -> None:
    """What was merged since still counts; what the merge has raised is as before."""
    first = await desk.remember(replace(WIFI, importance=0.2), AGENT)
    home.clock.now += 10
    raised = await desk.remember(replace(WIFI, importance=0.9, tags=("net",)), AGENT)
    home.clock.now += 10
    await desk.remember(WIFI, AGENT)
    await desk.undo(raised.change_id, AGENT)
    memory = await now(desk, first.memory.id)

    assert (memory.repeats, memory.importance, memory.tags) == (1, 0.2, ())
    assert memory.last_said_at == home.clock.now


async def test_what_was_said_last_is_put_back_with_the_last_merge(desk: MemoryDesk, home: Housed) -> None:
    """When nothing was said since, the fact is as if nothing had been said."""
    first = await desk.remember(WIFI, AGENT)
    home.clock.now += 10
    again = await desk.remember(WIFI, AGENT)
    await desk.undo(again.change_id, AGENT)

    assert await now(desk, first.memory.id) == first.memory


async def test_a_change_is_put_back_unless_it_was_changed_again(desk: MemoryDesk) -> None:
    """The last one can be undone, then the one before it."""
    fact = (await desk.remember(WIFI, AGENT)).memory
    pinned = await desk.change(fact.id, PERSON, pinned=True, importance=0.9)
    lowered = await desk.change(fact.id, PERSON, importance=0.1)
    with pytest.raises(ChangeFinal):
        await desk.undo(pinned.change_id, PERSON)
    assert (await now(desk, fact.id)).pinned
    for line in (lowered, pinned):
        await desk.undo(line.change_id, PERSON)

    assert await now(desk, fact.id) == fact


async def test_what_was_forgotten_comes_back_together(desk: MemoryDesk) -> None:
    """All of it, or what is left of it when one of them was erased since; nothing once all were."""
    one, other = [(await remember(desk, text)).memory.id for text in ("Mo is a cat.", "It rains.")]
    gone = await desk.forget(Which(ids=(one, other)), AGENT, dry_run=False)
    await desk.undo(gone.change_id, AGENT)
    again = await desk.forget(Which(ids=(one, other)), AGENT, dry_run=False)
    await desk.forget(Which(ids=(other,)), AGENT, dry_run=False, hard=True)
    undoing = await desk.undo(again.change_id, AGENT)
    assert (undoing.memory_ids, (await now(desk, one)).gone) == ((one,), None)

    redone = await desk.undo(undoing.id, AGENT)
    assert (await now(desk, one)).gone == "forgotten"
    await desk.forget(Which(ids=(one,)), AGENT, dry_run=False, hard=True)
    for line in (again.change_id, redone.id):
        with pytest.raises(ChangeFinal):
            await desk.undo(line, AGENT)


async def test_half_of_a_replacement_is_not_taken_back(desk: MemoryDesk) -> None:
    """Once what was superseded is erased, nothing would come in the place of the new one."""
    old = await remember(desk, "It is Heron.", topic="wifi")
    new = await remember(desk, "It is Egret.", topic="wifi")
    await desk.forget(Which(ids=(old.memory.id,)), AGENT, dry_run=False, hard=True)
    with pytest.raises(ChangeFinal, match="erased"):
        await desk.undo(new.change_id, AGENT)

    assert (await now(desk, new.memory.id)).gone is None


async def test_an_undoing_of_which_a_part_was_erased_can_be_undone(desk: MemoryDesk) -> None:
    """The line keeps which change it took back, so that one can be taken back again."""
    ids = [(await remember(desk, text)).memory.id for text in ("Mo is a cat.", "It rains.")]
    gone = await desk.forget(Which(ids=tuple(ids)), AGENT, dry_run=False)
    undoing = await desk.undo(gone.change_id, AGENT)
    await desk.forget(Which(ids=(ids[0],)), AGENT, dry_run=False)
    await desk.forget(Which(ids=(ids[0],)), AGENT, dry_run=False, hard=True)
    await desk.undo(undoing.id, AGENT)
    assert (await now(desk, ids[1])).gone == "forgotten"

    await desk.undo(gone.change_id, AGENT)
    assert (await now(desk, ids[1])).gone is None


async def test_what_was_forgotten_in_several_scopes_comes_back_by_one_number(desk: MemoryDesk) -> None:
    """As often as one likes; a guest brings back what is in its own scope and no more."""
    facts = [NewFact("Lemons are yellow"), NewFact("Bricks are red", scope="project:q")]
    ids = [(await desk.remember(fact, AGENT)).memory.id for fact in facts]
    gone = await desk.forget(Which(ids=tuple(ids)), AGENT, dry_run=False)
    undoing = await desk.undo(gone.change_id, AGENT)
    assert [(await now(desk, each)).gone for each in ids] == [None, None]

    redone = await desk.undo(undoing.id, AGENT)
    assert [(await now(desk, each)).gone for each in ids] == ["forgotten", "forgotten"]

    await desk.undo(redone.id, replace(AGENT, scopes=(redone.scope,)))
    assert {(await now(desk, each)).gone for each in ids} == {None, "forgotten"}


async def test_the_past_stays_as_it_was(desk: MemoryDesk, home: Housed) -> None:
    """Since when a fact is out of force is the same after an undoing that was undone."""
    old = await remember(desk, "It is Heron.", topic="wifi")
    new = await remember(desk, "It is Egret.", topic="wifi")
    gone_at = (await now(desk, old.memory.id)).gone_at
    home.clock.now += 100
    undoing = await desk.undo(new.change_id, AGENT)
    await desk.undo(undoing.id, AGENT)

    assert (await now(desk, old.memory.id)).gone_at == gone_at


async def test_nothing_comes_back_to_a_place_that_is_taken(desk: MemoryDesk) -> None:
    """Two facts on one topic would stand against each other."""
    old = (await remember(desk, "It is Heron.", topic="wifi")).memory
    gone = await desk.forget(Which(ids=(old.id,)), AGENT, dry_run=False)
    new = await remember(desk, "It is Egret.", topic="wifi")
    with pytest.raises(ChangeFinal, match=str(new.memory.id)):
        await desk.undo(gone.change_id, AGENT)
    assert (await now(desk, old.id)).gone == "forgotten"

    await desk.undo(new.change_id, AGENT)
    await desk.undo(gone.change_id, AGENT)
    assert (await now(desk, old.id)).gone is None


async def test_a_conflict_comes_back_as_one(desk: MemoryDesk) -> None:
    """What stood beside somebody more trusted may stand there again."""
    await remember(desk, "It is Heron.", PERSON, topic="wifi")
    doubted = await remember(desk, "It is Egret.", topic="wifi")
    gone = await desk.forget(Which(ids=(doubted.memory.id,)), AGENT, dry_run=False)
    await desk.undo(gone.change_id, AGENT)

    assert (await now(desk, doubted.memory.id)).gone is None


async def test_what_something_stands_on_stays(desk: MemoryDesk) -> None:
    """A fact in the middle of its history cannot be taken out of it; nor can a change twice."""
    first = await remember(desk, "It is Heron.", topic="wifi")
    middle = await remember(desk, "It is Egret.", topic="wifi")
    await remember(desk, "It is Ibis.", topic="wifi")
    for line in (first, middle):
        with pytest.raises(ChangeFinal):
            await desk.undo(line.change_id, AGENT)
    last = await desk.undo(None, AGENT)
    with pytest.raises(ChangeFinal, match="already"):
        await desk.undo(last.detail["undoes"], AGENT)


async def test_what_was_erased_is_gone(desk: MemoryDesk) -> None:
    """Its line in the log says so, and nothing else."""
    got = await remember(desk, "Mo is a cat.")
    await desk.forget(Which(ids=(got.memory.id,)), AGENT, dry_run=False)
    erased = await desk.forget(Which(ids=(got.memory.id,)), AGENT, dry_run=False, hard=True)
    for line in (erased.change_id, got.change_id):
        with pytest.raises(ChangeFinal):
            await desk.undo(line, AGENT)


async def test_undo_without_a_number_goes_back_step_by_step(desk: MemoryDesk) -> None:
    """Through what this client has done, and nobody else."""
    first, second = [(await remember(desk, text)).memory.id for text in ("Mo is a cat.", "It rains.")]
    other = (await remember(desk, "Bo is a dog.", OTHER_AGENT)).memory.id
    undone = [(await desk.undo(None, AGENT)).memory_ids for _ in range(2)]

    assert (undone, (await now(desk, other)).gone) == ([(second,), (first,)], None)
    with pytest.raises(ChangeNotFound):
        await desk.undo(None, AGENT)


async def test_undo_without_a_number_stops_at_an_erasure(desk: MemoryDesk) -> None:
    """What comes before may be about something else: its number is said."""
    first = await remember(desk, "Mo is a cat.")
    second = (await remember(desk, "It rains.")).memory.id
    for hard in (False, True):
        await desk.forget(Which(ids=(second,)), AGENT, dry_run=False, hard=hard)

    with pytest.raises(ChangeFinal, match="erased for good") as refused:
        await desk.undo(None, AGENT)
    assert refused.value.hint.endswith(f"pi-rag undo {first.change_id}")
    await remember(desk, "The sun shines.")
    await desk.undo(None, AGENT)


async def test_two_that_stood_on_one_topic_come_back_together(home: Housed) -> None:
    """They were brought so, and were forgotten at once."""
    desk = home.desk
    facts = [fact_of(each, f"It is set to {each} degrees.", topic="boiler") for each in (60, 65)]
    lines = [json.loads(exported.line(each, None)) for each in facts]
    brought = await desk.import_(lines, PERSON, ids={})
    assert (brought.stored, brought.beside, brought.refused) == (2, 2, ())
    forgotten = await desk.forget(Which(topic="boiler"), PERSON, dry_run=True)
    done = await desk.forget(Which(topic="boiler"), PERSON, dry_run=False, confirm=forgotten.confirm)
    again = await desk.import_(lines, PERSON, ids={})
    await desk.undo(done.change_id, PERSON)

    assert (again.known, again.gone) == (2, 2)
    assert [memory.gone for memory in await desk.listing(Which(topic="boiler"), PERSON, limit=5)] == [
        None
    ] * 2


async def test_a_guest_undoes_nothing_in_a_scope_of_others(desk: MemoryDesk) -> None:
    """What it may not see is not there, nor is what never was."""
    got = await remember(desk, "Mo is a cat.")
    bound = replace(AGENT, scopes=("project:boat",))
    for number, caller in ((got.change_id, bound), (99, AGENT), (None, bound)):
        with pytest.raises(ChangeNotFound):
            await desk.undo(number, caller)


async def test_what_was_evicted_can_be_brought_back(desk: MemoryDesk) -> None:
    """Eviction is a change like any other."""
    desk.follow(settings_of(facts_max=10))
    for word in "abcdefghijk":
        await remember(desk, f"Word {word} stands alone")
    [line] = [each for each in await desk.changes(AGENT, limit=50) if each.operation == "evict"]
    await desk.undo(line.id, AGENT)

    assert [(await now(desk, each)).gone for each in line.memory_ids] == [None] * len(line.memory_ids)
