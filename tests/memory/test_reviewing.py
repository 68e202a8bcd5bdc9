"""What is suggested to be put in order, and what accepting and dismissing it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pi_rag.errors import ScopeForbidden, SuggestionNotFound
from pi_rag.memory import reviewing, undoing
from pi_rag.memory_types import Caller, Memory, NewFact, Suggestion
from pi_rag.store import Connection
from pi_rag.store.memory import memories, vectors
from tests.memory.housing import FINGERPRINT, START_S, HandClock, Housed, housed, settings_of
from tests.store.memory.keeping import fact

PERSON = Caller("person", 1000, "test")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    made = await housed(tmp_path / "pi-rag.db", HandClock(), settings_of(facts_max=20))
    yield made
    await made.close()


def direction(degrees: float, plane: int = 0) -> bytes:
    """A unit vector. Those of one plane are as near as their angles; those of two are far apart."""
    row = np.zeros(FINGERPRINT.dimensions, dtype="<f4")
    row[2 * plane : 2 * plane + 2] = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return row.tobytes()


def _put(db: Connection, memory: Memory, vector: bytes) -> int:
    memory_id = memories.add(db, memory).id
    vectors.add(db, memory_id, vector, FINGERPRINT)
    return memory_id


async def put(house: Housed, memory: Memory, degrees: float = 0.0, plane: int = 0) -> int:
    return await house.store.write(_put, memory, direction(degrees, plane))


async def suggested(house: Housed, caller: Caller = PERSON, limit: int = 20) -> tuple[Suggestion, ...]:
    return await reviewing.review(house.desk.means, caller, scope=None, limit=limit)


async def states(house: Housed, *ids: int) -> list[str | None]:
    found = await house.store.read(memories.get, ids)
    return [memory.gone for memory in found]


async def test_where_all_is_in_order_nothing_is_suggested(house: Housed) -> None:
    """Facts that are far apart, or near and about other things, are left alone."""
    await put(house, fact("The boiler is on"))
    await put(house, fact("Ann likes tea"), plane=1)
    await put(house, fact("Bob likes tea"), plane=1)

    assert await suggested(house) == ()


async def test_the_same_said_twice_is_suggested_as_one(house: Housed) -> None:
    """The most trusted is kept; accepting it supersedes the others, and can be undone."""
    first = await put(house, replace(fact("The boiler is on"), trust="agent"))
    kept = await put(house, fact("The boiler is on!"), degrees=5)
    third = await put(house, replace(fact("The boiler stays on"), trust="agent"), degrees=9)

    [suggestion] = await suggested(house)
    change = await reviewing.accept(house.desk.means, suggestion.id, PERSON)

    assert suggestion.id == f"duplicates-{first}-{kept}-{third}"
    assert f"Keep {kept}" in suggestion.proposal
    assert (change.operation, change.memory_ids) == ("supersede", (first, kept, third))
    assert await states(house, first, kept, third) == ["superseded", None, "superseded"]
    assert await suggested(house) == ()
    await undoing.undo(house.desk.means, change.id, PERSON)
    assert await states(house, first, kept, third) == [None, None, None]


async def test_a_contradiction_is_suggested_and_the_newer_kept(house: Housed) -> None:
    """Two near facts of one trust that deny each other are shown together, and accepting keeps the newer."""
    older = await put(house, fact("The boiler is on"))
    newer = await put(house, fact("The boiler is off"), degrees=20)

    [suggestion] = await suggested(house)
    await reviewing.accept(house.desk.means, suggestion.id, PERSON)

    assert (suggestion.what, [memory.id for memory in suggestion.memories]) == (
        "contradiction",
        [older, newer],
    )
    assert await states(house, older, newer) == ["superseded", None]


async def test_two_on_one_topic_contradict_each_other(house: Housed) -> None:
    """What stands beside a more trusted fact on its topic gives way to it, however new it is."""
    trusted = await put(house, fact("It is in the shed", "place"))
    other = await put(house, replace(fact("Look under the bed", "place"), trust="web"), plane=1)

    [suggestion] = await suggested(house)
    await reviewing.accept(house.desk.means, suggestion.id, PERSON)

    assert "topic place" in suggestion.reason
    assert await states(house, trusted, other) == [None, "superseded"]


async def test_what_is_pinned_gives_way_to_nothing(house: Housed) -> None:
    """Between two pinned facts nothing is suggested: somebody wants both."""
    await put(house, replace(fact("The boiler is on", "boiler"), pinned=True))
    await put(house, replace(fact("The boiler is off", "boiler"), pinned=True), degrees=5)

    assert await suggested(house) == ()


async def test_what_is_over_is_suggested_to_be_forgotten(house: Housed) -> None:
    """What has expired, and what is true no more, is offered, and accepting forgets it softly."""
    expired = await put(house, replace(fact("Ann is away"), expires_at=START_S - 5))
    ended = await put(house, replace(fact("Bob is away"), valid_to=START_S - 5), plane=1)

    suggestions = await suggested(house)
    for each in suggestions:
        await reviewing.accept(house.desk.means, each.id, PERSON)

    assert [each.id for each in suggestions] == [f"expired-{expired}", f"ended-{ended}"]
    assert await states(house, expired, ended) == ["forgotten", "forgotten"]


async def test_what_would_be_evicted_is_said_in_advance(house: Housed) -> None:
    """In a scope that is nearly full the facts worth least are shown before they go."""
    least = await put(house, replace(fact("A trifle"), importance=0.1))
    for number in range(17):
        await put(house, fact(f"Fact {number}"), plane=number + 1)

    [suggestion] = await suggested(house)

    assert suggestion.what == "unused"
    assert least in [memory.id for memory in suggestion.memories]


async def test_a_plan_that_is_accepted_to_go_gives_the_end_back(house: Housed) -> None:
    """What it was to take the place of holds on; to take that back sets the end again."""
    house.desk.follow(settings_of(facts_max=2))
    heron = await house.desk.remember(NewFact("It is Heron", topic="wifi", importance=1.0), PERSON)
    plan = NewFact("It is Egret", topic="wifi", importance=0.0, valid_from=START_S + 3600)
    egret = await house.desk.remember(plan, PERSON)
    ids = (heron.memory.id, egret.memory.id)

    change = await reviewing.accept(house.desk.means, f"unused-{egret.memory.id}", PERSON)
    assert (change.memory_ids, (await house.store.read(memories.get, ids))[0].valid_to) == (ids, None)
    await undoing.undo(house.desk.means, change.id, PERSON)
    assert (await house.store.read(memories.get, ids))[0].valid_to == START_S + 3600


async def test_what_was_dismissed_is_not_suggested_again(house: Housed) -> None:
    """Until something else is like it: that is another suggestion."""
    await put(house, fact("The boiler is on"))
    await put(house, fact("The boiler is on!"), degrees=5)
    [suggestion] = await suggested(house)

    await reviewing.dismiss(house.desk.means, suggestion.id, PERSON)
    assert await suggested(house) == ()

    await put(house, fact("The boiler is ON"), degrees=9)
    assert len(await suggested(house)) == 1


async def test_other_scopes_are_neither_seen_nor_put_in_order(house: Housed) -> None:
    """Facts of two scopes are never held against each other, and a bound client reaches only its own."""
    await put(house, replace(fact("The boiler is on"), scope="project:x"))
    await put(house, fact("The boiler is on"))
    expired = await put(house, replace(fact("Ann is away"), expires_at=START_S - 5), plane=1)
    bound = replace(PERSON, scopes=("project:x",))

    assert len(await suggested(house)) == 1
    assert await suggested(house, bound) == ()
    with pytest.raises(ScopeForbidden):
        await reviewing.review(house.desk.means, bound, scope="user", limit=20)
    for do in (reviewing.accept, reviewing.dismiss):
        with pytest.raises(SuggestionNotFound):
            await do(house.desk.means, f"expired-{expired}", bound)


@pytest.mark.parametrize(
    "name",
    ["", "expired", "expired-", "expired-99", "expired-1", "nothing-1", "duplicates-1-2", "duplicates-1",
     "contradiction-1-1", "unused-1", "expired-1-2", "expired--1", "expired-" + "9" * 30, "ended-١"],
)  # fmt: skip
async def test_what_is_not_so_cannot_be_accepted(house: Housed, name: str) -> None:
    """A name that is made up, or was right once, changes nothing."""
    one = await put(house, fact("The boiler is on"))
    other = await put(house, fact("Ann likes tea"), plane=1)

    with pytest.raises(SuggestionNotFound):
        await reviewing.accept(house.desk.means, name, PERSON)
    assert await states(house, one, other) == [None, None]


async def test_no_more_are_made_than_asked_for(house: Housed) -> None:
    """The most useful come first, and the others another time."""
    for number in range(5):
        await put(house, replace(fact(f"Away {number}"), expires_at=START_S - 5), plane=number)

    assert len(await suggested(house, limit=3)) == 3
