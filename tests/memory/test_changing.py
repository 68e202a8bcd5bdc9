"""Changing what may be changed of a fact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pi_rag.errors import MemoryNotFound, RequestInvalid
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory_types import NewEvent, NewFact, Which
from tests.memory.housing import Housed
from tests.memory.making import AGENT, PERSON

WIFI = NewFact("The wifi is called Heron.", topic="wifi", expires_at=2e9)


async def test_what_is_given_is_changed_and_nothing_else(desk: MemoryDesk, home: Housed) -> None:
    """A time can be taken away; what is not said stays."""
    fact = (await desk.remember(WIFI, AGENT)).memory
    got = await desk.change(fact.id, AGENT, importance=0.9, expires_at=None, valid_to=home.clock.now + 9)

    assert got.outcome == "merged"
    assert got.memory == replace(fact, importance=0.9, expires_at=None, valid_to=home.clock.now + 9)


async def test_what_is_so_already_is_no_change(desk: MemoryDesk) -> None:
    """Nothing is noted of it."""
    fact = (await desk.remember(WIFI, AGENT)).memory

    assert (await desk.change(fact.id, AGENT, pinned=False, importance=0.5)).change_id is None
    assert (await desk.change(fact.id, AGENT)).change_id is None


async def test_what_a_person_pins_an_agent_does_not_replace(desk: MemoryDesk) -> None:
    """Until the pin is taken out."""
    fact = (await desk.remember(WIFI, AGENT)).memory
    assert (await desk.change(fact.id, PERSON, pinned=True)).memory.pinned
    other = NewFact("It is Egret.", topic="wifi")
    held = await desk.remember(other, AGENT)
    await desk.change(fact.id, PERSON, pinned=False)

    assert [(each.memory.id, each.why) for each in held.candidates] == [(fact.id, "pinned")]
    assert (await desk.remember(replace(other, text="It is Ibis."), AGENT)).outcome == "superseded"


@pytest.mark.parametrize(
    "wrong", [{"importance": 1.1}, {"importance": float("nan")}, {"valid_to": 1.0}, {"expires_at": 1e18}]
)
async def test_what_makes_no_sense_is_refused(desk: MemoryDesk, wrong: dict[str, Any]) -> None:
    """Shares from 0 to 1, times in a calendar, an end after the beginning."""
    fact = (await desk.remember(WIFI, AGENT)).memory

    with pytest.raises(RequestInvalid):
        await desk.change(fact.id, AGENT, **wrong)


async def test_only_a_fact_in_force_is_changed(desk: MemoryDesk) -> None:
    """What has happened is not, nor what is forgotten; what a guest may not see is not there."""
    fact = (await desk.remember(WIFI, AGENT)).memory
    event = (await desk.log_event(NewEvent("It rained."), AGENT)).memory
    with pytest.raises(RequestInvalid):
        await desk.change(event.id, AGENT, pinned=True)
    with pytest.raises(MemoryNotFound):
        await desk.change(fact.id, replace(AGENT, scopes=("agent:x",)), pinned=True)
    await desk.forget(Which(ids=(fact.id,)), AGENT, dry_run=False)
    with pytest.raises(RequestInvalid, match="forgotten") as refused:
        await desk.change(fact.id, AGENT, pinned=True)
    assert f"pi-rag history {fact.id}" in refused.value.hint


HOUR = 3600.0
HERON = NewFact("The wifi is called Heron.", topic="wifi")
EGRET = NewFact("The wifi is called Egret.", topic="wifi")


@pytest.mark.parametrize("end", ["valid_to", "expires_at"])
async def test_what_is_over_does_not_hold_again_beside_what_was_said_since(
    desk: MemoryDesk, home: Housed, end: str
) -> None:
    """Two would be true on one topic. It may be over later than it was, or hold once the other is gone."""
    until: dict[str, Any] = {end: home.clock.now + HOUR}
    heron = (await desk.remember(replace(HERON, **until), AGENT)).memory
    home.clock.now += 2 * HOUR
    egret = (await desk.remember(EGRET, AGENT)).memory
    longer: list[dict[str, Any]] = [{end: None}, {end: home.clock.now + HOUR}]
    for wanted in longer:
        with pytest.raises(RequestInvalid, match=f"beside memory {egret.id}") as refused:
            await desk.change(heron.id, AGENT, pinned=True, **wanted)
        assert refused.value.param == end
        assert await desk.get((heron.id,), AGENT) == (heron,)
    until[end] = home.clock.now - 1
    await desk.change(heron.id, AGENT, **until)
    await desk.forget(Which(ids=(egret.id,)), AGENT, dry_run=False)

    assert getattr((await desk.change(heron.id, AGENT, **longer[0])).memory, end) is None


async def test_an_end_does_not_go_beyond_what_is_to_come(desk: MemoryDesk, home: Housed) -> None:
    """To end earlier is free, and as late as the other begins."""
    heron = (await desk.remember(HERON, AGENT)).memory
    egret = await desk.remember(replace(EGRET, valid_from=home.clock.now + 2 * HOUR), AGENT)
    await desk.change(heron.id, AGENT, valid_to=home.clock.now + HOUR)
    await desk.change(heron.id, AGENT, valid_to=egret.memory.at)

    with pytest.raises(RequestInvalid):
        await desk.change(heron.id, AGENT, valid_to=egret.memory.at + 1)


async def test_an_end_comes_sooner_also_where_two_hold_at_once(desk: MemoryDesk, home: Housed) -> None:
    """What stood beside a pin that was taken out since: to end one of them is the way out."""
    heron = (await desk.remember(HERON, AGENT)).memory
    await desk.change(heron.id, PERSON, pinned=True)
    assert (await desk.remember(EGRET, AGENT)).outcome == "conflict"
    await desk.change(heron.id, PERSON, pinned=False)

    ended = await desk.change(heron.id, AGENT, valid_to=home.clock.now + HOUR)
    assert ended.memory.valid_to == home.clock.now + HOUR
