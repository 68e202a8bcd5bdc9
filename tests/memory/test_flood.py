"""An agent that stores fact after fact, each a little other than the last, fills its own scope at most."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_rag.memory_types import Caller, NewFact, Which
from tests.memory.housing import HandClock, housed, settings_of

FLOOD, FLOOD_LONG = 100, 10_000
LIMIT = 20
AGENT = Caller("agent", 1000, "flooder", ("project:house",))
PERSON = Caller("person", 1000, "pi-rag/1")


@pytest.mark.slow
async def test_a_flood_of_facts_stays_in_its_bounds(tmp_path: Path, long_form: bool) -> None:
    """It is told before anything is evicted; what a person pinned and what lies in other scopes stays."""
    house = await housed(tmp_path / "data" / "pi-rag.db", HandClock(), settings_of(facts_max=LIMIT))
    desk = house.desk
    pinned = await desk.remember(NewFact("The well is deep.", "project:house", pinned=True), PERSON)
    others = [await desk.remember(NewFact(f"Room {n} is cold.", "user"), PERSON) for n in range(5)]

    warned = evicted = None
    for number in range(FLOOD_LONG if long_form else FLOOD):
        said = NewFact(f"The boiler in the cellar was seen {number} times.", "project:house")
        answer = await desk.remember(said, AGENT)
        gone = await desk.listing(Which(scope="project:house"), AGENT, limit=1, gone=True)
        warned = number if warned is None and answer.warnings else warned
        evicted = number if evicted is None and gone else evicted

    assert warned is not None and evicted is not None and warned < evicted
    [used] = await desk.usage(AGENT)
    assert (used.scope, used.facts) == ("project:house", LIMIT)
    kept = await desk.get(tuple(each.memory.id for each in (pinned, *others)), PERSON)
    assert [memory.gone for memory in kept] == [None] * 6
    await house.close()
