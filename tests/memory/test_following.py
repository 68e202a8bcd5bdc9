"""What is to take a fact's place later: until then the older one holds, from then on the newer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pi_rag.errors import ChangeFinal
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory.following import next_after
from pi_rag.memory_types import Caller, Memory, NewFact, Recall, Remembered, Which
from tests.memory.housing import Housed, settings_of
from tests.memory.making import AGENT, NOW, PERSON, fact_of

HOUR = 3600.0
HERON = NewFact("The wifi is called Heron.", topic="home/wifi")
EGRET = NewFact("The wifi is called Egret.", topic="home/wifi")
STORK = NewFact("The wifi is called Stork.", topic="home/wifi")


def later(fact: NewFact, home: Housed, hours: float) -> NewFact:
    return replace(fact, valid_from=home.clock.now + hours * HOUR)


async def of(desk: MemoryDesk, got: Remembered) -> Memory:
    return (await desk.get((got.memory.id,), PERSON))[0]


async def in_force(desk: MemoryDesk) -> list[str]:
    found = await desk.recall(Recall("the wifi", types=("fact",), mode="text"), PERSON)
    return [hit.text for hit in found.hits]


async def test_what_begins_later_ends_the_older_then(desk: MemoryDesk, home: Housed) -> None:
    """Until then the older one is recalled, from then on the newer, and at no time both or none."""
    heron = await desk.remember(HERON, AGENT)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)

    older = await of(desk, heron)
    assert (older.gone, older.valid_to, egret.outcome) == (None, egret.memory.at, "created")
    assert f"Memory {older.id} holds until" in egret.warnings[0]
    assert await in_force(desk) == [HERON.text]
    home.clock.now += 2 * HOUR - 1
    assert await in_force(desk) == [HERON.text]
    home.clock.now += 1
    assert await in_force(desk) == [EGRET.text]


async def test_history_shows_the_end_and_undo_takes_it_back(desk: MemoryDesk, home: Housed) -> None:
    """The end is a part of the change by which the newer one came; a second undo sets it again."""
    heron = await desk.remember(HERON, AGENT)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    told, lines = await desk.history(PERSON, memory_id=heron.memory.id)
    assert told[0].valid_to == egret.memory.at
    assert [line.id for line in lines] == [heron.change_id, egret.change_id]
    assert {"ids": [heron.memory.id], "set": {"valid_to": [None, egret.memory.at]}} in lines[1].detail[
        "effects"
    ]

    undoing = await desk.undo(egret.change_id, AGENT)
    assert (await of(desk, heron)).valid_to is None
    await desk.undo(undoing.id, AGENT)
    assert (await of(desk, heron)).valid_to == egret.memory.at


async def test_to_say_the_older_once_more_leaves_its_end(desk: MemoryDesk, home: Housed) -> None:
    """Who says it without an end does not know of what is to come, and changes nothing of that."""
    heron = await desk.remember(HERON, AGENT)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    again = await desk.remember(HERON, AGENT)

    assert (again.outcome, again.memory.id) == ("merged", heron.memory.id)
    assert again.memory.valid_to == egret.memory.at


async def test_what_is_said_before_it_begins_ends_there_too(desk: MemoryDesk, home: Housed) -> None:
    """A newer fact of now takes the older's place at once, and gives way when the other begins."""
    await desk.remember(HERON, AGENT)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    stork = await desk.remember(STORK, AGENT)

    assert (stork.outcome, stork.memory.valid_to) == ("superseded", egret.memory.at)
    assert f"then memory {egret.memory.id} takes its place" in stork.warnings[0]
    assert [(each.memory.id, each.why) for each in stork.candidates] == [(egret.memory.id, "topic")]
    assert await in_force(desk) == [STORK.text]
    home.clock.now += 2 * HOUR
    assert await in_force(desk) == [EGRET.text]


@pytest.mark.parametrize("hours", [(2, 5), (5, 2)])
async def test_the_order_in_which_plans_are_told_is_all_one(
    desk: MemoryDesk, home: Housed, hours: tuple[int, int]
) -> None:
    """Each holds until the next begins."""
    heron = await desk.remember(HERON, AGENT)
    plans = [
        await desk.remember(later(fact, home, each), AGENT)
        for fact, each in zip((EGRET, STORK), hours, strict=True)
    ]
    first, then = sorted([await of(desk, each) for each in plans], key=lambda memory: memory.at)

    assert (await of(desk, heron)).valid_to == first.at
    assert (first.valid_to, then.valid_to) == (then.at, None)


async def test_another_plan_for_the_same_time_takes_the_place_at_once(desk: MemoryDesk, home: Housed) -> None:
    """It was not true yet, so nothing is lost by it; the older one still ends then."""
    heron = await desk.remember(HERON, AGENT)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    stork = await desk.remember(later(STORK, home, 2), AGENT)

    assert (stork.outcome, (await of(desk, egret)).gone) == ("superseded", "superseded")
    assert (await of(desk, heron)).valid_to == stork.memory.at


async def test_who_forgets_a_plan_gives_the_end_back(desk: MemoryDesk, home: Housed) -> None:
    """Else the older one would end, and nothing be there. To take the forgetting back sets the end again."""
    heron = await desk.remember(HERON, AGENT)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    gone = await desk.forget(Which(ids=(egret.memory.id,)), AGENT, dry_run=False)
    assert (await of(desk, heron)).valid_to is None

    await desk.undo(gone.change_id, AGENT)
    assert (await of(desk, heron)).valid_to == egret.memory.at
    home.clock.now += 3 * HOUR
    await desk.forget(Which(ids=(egret.memory.id,)), AGENT, dry_run=False)
    assert (await of(desk, heron)).valid_to == egret.memory.at, "it had its time"


async def test_who_undoes_a_plan_gives_the_end_back_that_came_after_it(
    desk: MemoryDesk, home: Housed
) -> None:
    """The end is of the change by which the older one came; still it goes and comes with the plan."""
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    heron = await desk.remember(HERON, AGENT)
    assert heron.memory.valid_to == egret.memory.at

    line = egret.change_id
    for end in (None, egret.memory.at, None):
        undoing = await desk.undo(line, AGENT)
        assert ((await of(desk, heron)).valid_to, undoing.memory_ids) == (
            end,
            (egret.memory.id, heron.memory.id),
        )
        line = undoing.id
    home.clock.now += 3 * HOUR
    assert await in_force(desk) == [HERON.text]


async def test_what_an_undoing_brings_back_ends_the_older_in_the_place_of_what_it_takes(
    desk: MemoryDesk, home: Housed
) -> None:
    """The plan that another had taken the place of begins earlier; what was said since ends there then."""
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    stork = await desk.remember(replace(later(STORK, home, 5), supersedes=egret.memory.id), AGENT)
    heron = await desk.remember(HERON, AGENT)
    assert heron.memory.valid_to == stork.memory.at
    await desk.undo(stork.change_id, AGENT)

    assert (await of(desk, heron)).valid_to == egret.memory.at


@pytest.mark.parametrize("wish", [None, 9 * HOUR])
async def test_when_all_plans_are_gone_the_end_is_as_it_was_wished(
    desk: MemoryDesk, home: Housed, wish: float | None
) -> None:
    """One after the other, whether forgotten or undone: none leaves the end of one that went before it."""
    end = None if wish is None else home.clock.now + wish
    heron = await desk.remember(replace(HERON, valid_to=end), AGENT)
    for _ in range(2):
        plans = [await desk.remember(later(fact, home, at), AGENT) for fact, at in ((EGRET, 2), (STORK, 5))]
        await desk.forget(Which(ids=(plans[0].memory.id,)), AGENT, dry_run=False)
        assert (await of(desk, heron)).valid_to == plans[1].memory.at
        await desk.undo(plans[1].change_id, AGENT)

        assert (await of(desk, heron)).valid_to == end


async def test_a_wish_that_was_taken_back_is_none(desk: MemoryDesk, home: Housed) -> None:
    """The end is the plan's again, and goes with it."""
    heron = await desk.remember(HERON, AGENT)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    wish = await desk.change(heron.memory.id, AGENT, valid_to=home.clock.now + HOUR)
    await desk.undo(wish.change_id, AGENT)
    await desk.forget(Which(ids=(egret.memory.id,)), AGENT, dry_run=False)

    assert (await of(desk, heron)).valid_to is None


async def test_an_end_that_somebody_set_stays(desk: MemoryDesk, home: Housed) -> None:
    """What a person said of the end is not undone by what becomes of a plan."""
    heron = await desk.remember(HERON, AGENT)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    await desk.change(heron.memory.id, PERSON, valid_to=home.clock.now + HOUR)
    await desk.change(heron.memory.id, PERSON, valid_to=egret.memory.at)
    await desk.forget(Which(ids=(egret.memory.id,)), AGENT, dry_run=False)

    assert (await of(desk, heron)).valid_to == egret.memory.at


async def test_a_plan_that_is_evicted_gives_the_end_back(desk: MemoryDesk, home: Housed) -> None:
    """Whatever takes it away."""
    desk.follow(settings_of(facts_max=2))
    heron = await desk.remember(HERON, PERSON)
    egret = await desk.remember(later(replace(EGRET, importance=0.0), home, 2), PERSON)
    await desk.remember(NewFact("Mo is a cat.", importance=1.0), PERSON)

    assert ((await of(desk, egret)).gone, (await of(desk, heron)).valid_to) == ("evicted", None)


@pytest.mark.parametrize(("by", "pinned", "why"), [(PERSON, False, "trust"), (AGENT, True, "pinned")])
async def test_a_plan_ends_nothing_that_is_trusted_more(
    desk: MemoryDesk, home: Housed, by: Caller, pinned: bool, why: str
) -> None:
    """It stands beside it, as a conflict."""
    heron = await desk.remember(HERON, by)
    if pinned:
        await desk.change(heron.memory.id, PERSON, pinned=True)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)

    assert (egret.outcome, (await of(desk, heron)).valid_to) == ("conflict", None)
    assert [(each.memory.id, each.why) for each in egret.candidates] == [(heron.memory.id, why)]


async def test_an_undoing_brings_back_no_second_for_the_same_time(desk: MemoryDesk, home: Housed) -> None:
    """Not only what is true now is looked at: what was said since would hold then as well."""
    await desk.remember(HERON, AGENT)
    egret = await desk.remember(later(EGRET, home, 2), AGENT)
    undoing = await desk.undo(egret.change_id, AGENT)
    await desk.remember(STORK, AGENT)

    with pytest.raises(ChangeFinal):
        await desk.undo(undoing.id, AGENT)


async def test_what_is_named_ends_without_a_topic(desk: MemoryDesk, home: Housed) -> None:
    """`supersedes` says it as a topic does."""
    heron = await desk.remember(replace(HERON, topic=None), AGENT)
    egret = await desk.remember(replace(later(EGRET, home, 2), topic=None, supersedes=heron.memory.id), AGENT)
    assert ((await of(desk, heron)).valid_to, egret.memory.supersedes) == (egret.memory.at, heron.memory.id)
    await desk.forget(Which(ids=(egret.memory.id,)), AGENT, dry_run=False)
    assert (await of(desk, heron)).valid_to is None


def test_the_next_is_the_first_that_may() -> None:
    """Not one of somebody less trusted, nor one that begins before."""
    mine = fact_of(1, "a", trust="agent", at=NOW)
    plans = [
        fact_of(2, "b", trust="document", at=NOW + 1),
        fact_of(3, "c", trust="agent", at=NOW + 3),
        fact_of(4, "d", trust="person", at=NOW + 2),
        fact_of(5, "e", trust="person", at=NOW - 2),
    ]
    assert [next_after(mine, None, plans), next_after(mine, None, plans[:1])] == [plans[2], None]
    assert next_after(mine, "person", plans[:2]) is None
