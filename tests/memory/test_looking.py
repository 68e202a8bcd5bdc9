"""Looking at what is kept, without a question."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pi_rag.errors import MemoryNotFound, RequestInvalid, ScopeForbidden
from pi_rag.memory import looking
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory_types import NewEvent, NewFact, Which
from tests.memory.making import AGENT, OTHER_AGENT, PERSON

BOUND = replace(AGENT, scopes=("project:boat",))


async def test_memories_come_in_the_order_asked_for(desk: MemoryDesk) -> None:
    """One that is not there, or not to be seen, is named."""
    one, other = [(await desk.remember(NewFact(f"Word {each}"), AGENT)).memory.id for each in "ab"]

    assert [memory.id for memory in await desk.get((other, one, other), AGENT)] == [other, one, other]
    for ids, caller, lacking in (((one, 99), AGENT, 99), ((other,), BOUND, other)):
        with pytest.raises(MemoryNotFound, match=str(lacking)):
            await desk.get(ids, caller)


async def test_a_list_is_read_page_by_page(desk: MemoryDesk) -> None:
    """The newest first, each once."""
    ids = [(await desk.log_event(NewEvent(f"Step {at}"), AGENT)).memory.id for at in range(5)]
    pages, after = [], None
    while page := await desk.listing(Which(type="event"), AGENT, limit=2, after=after):
        pages.append([memory.id for memory in page])
        after = page[-1].id

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [each for page in pages for each in page] == ids[::-1]


async def test_a_list_holds_only_what_the_guest_may_see(desk: MemoryDesk) -> None:
    """An empty filter is all of that; another scope is refused."""
    await desk.remember(NewFact("Mine."), AGENT)
    boats = (await desk.remember(NewFact("Oil paint.", scope="project:boat"), AGENT)).memory

    assert await desk.listing(Which(), BOUND, limit=10) == (boats,)
    assert await desk.listing(Which(ids=(1, 2)), BOUND, limit=10) == (boats,)
    with pytest.raises(ScopeForbidden):
        await desk.listing(Which(scope="user"), BOUND, limit=10)


async def test_a_client_is_known_by_its_name_in_any_version(desk: MemoryDesk) -> None:
    """With the version by that one alone; a name that only begins alike is another."""
    clients = ("codex", "codex/3", "codex/4", "codex-cli/3")
    for client in clients:
        await desk.remember(NewFact(f"Said by {client}."), replace(AGENT, client=client))

    async def by(client: str) -> list[str]:
        return [each.client for each in await desk.listing(Which(client=client), PERSON, limit=10)][::-1]

    assert await by("codex") == ["codex", "codex/3", "codex/4"]
    assert await by("codex/3") == ["codex/3"]
    assert await by("codex/") == []


async def test_a_history_tells_every_version_and_what_was_done(desk: MemoryDesk) -> None:
    """By any of the versions, or by the topic; the oldest first."""
    names = ("Heron", "Egret", "Ibis")
    facts = [NewFact(f"The wifi is {name}.", topic="wifi") for name in names]
    ids = [(await desk.remember(fact, AGENT)).memory.id for fact in facts]
    by_id = [await desk.history(AGENT, memory_id=each) for each in ids]
    by_topic = await desk.history(AGENT, topic="wifi")
    memories, changes = by_topic

    assert by_id == [by_topic] * 3
    assert [memory.id for memory in memories] == ids
    assert [change.operation for change in changes] == ["remember", "supersede", "supersede"]


async def test_a_history_tells_of_all_that_gave_way_to_one(desk: MemoryDesk) -> None:
    """A fact names one that it took the place of; the log knows the others."""
    pear = NewFact("The pear tree stands by the well.", topic="garden/pear")
    plum = NewFact("The plum tree was felled in spring.", topic="garden/plum")
    apple = NewFact("An apple tree stands by the well.", topic="garden/pear")
    older = [(await desk.remember(each, AGENT)).memory.id for each in (pear, apple, plum)]
    new = NewFact("Nothing grows by the well now.", topic="garden/pear", supersedes=older[2])
    newest = (await desk.remember(new, AGENT)).memory.id

    memories, changes = await desk.history(AGENT, memory_id=newest)

    assert [memory.id for memory in memories] == [*older, newest]
    assert [change.operation for change in changes] == ["remember", "supersede", "remember", "supersede"]


async def test_a_long_history_tells_the_newest_changes(
    desk: MemoryDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time that a fact is said again is a line: there is no end to them. The log itself has them all."""
    monkeypatch.setattr(looking, "CHANGES_MAX", 2)
    ids = {
        (await desk.remember(NewFact("The wifi is Heron.", topic="wifi"), AGENT)).memory.id for _ in "abcd"
    }
    whole = await desk.changes(AGENT, limit=10)
    _, by_id = await desk.history(AGENT, memory_id=min(ids))
    _, by_topic = await desk.history(AGENT, topic="wifi")

    assert (len(ids), len(whole)) == (1, 4)
    assert by_id == by_topic == whole[1::-1]


async def test_a_history_is_asked_for_by_one_thing(desk: MemoryDesk) -> None:
    """And stays within what the guest may see."""
    fact = (await desk.remember(NewFact("The wifi is Heron.", topic="wifi"), AGENT)).memory

    assert await desk.history(BOUND, topic="wifi") == ((), ())
    with pytest.raises(MemoryNotFound):
        await desk.history(BOUND, memory_id=fact.id)
    with pytest.raises(RequestInvalid):
        await desk.history(AGENT)
    with pytest.raises(RequestInvalid):
        await desk.history(AGENT, memory_id=fact.id, topic="wifi")


async def test_what_an_agent_has_stored_is_found_by_its_name(desk: MemoryDesk) -> None:
    """All of it; in the log stand the facts, and what was forgotten. So docs/agents.md says it."""
    fact = (await desk.remember(NewFact("The wifi is Heron."), AGENT)).memory.id
    session = (await desk.start_session("user", "", AGENT)).session.id
    event = (await desk.log_event(NewEvent("Asked.", session_id=session), AGENT)).memory.id
    summary = (await desk.end_session(session, "All is done.", AGENT)).summary
    await desk.log_event(NewEvent("Another's."), OTHER_AGENT)
    assert summary is not None

    found = await desk.listing(Which(client=AGENT.client), PERSON, limit=10)
    assert [memory.id for memory in found] == [summary.id, event, fact]
    assert [line.memory_ids for line in await desk.changes(PERSON, limit=10)] == [(fact,)]
    await desk.forget(Which(ids=(event,)), PERSON, dry_run=False)
    assert [line.memory_ids for line in await desk.changes(PERSON, limit=10)] == [(event,), (fact,)]


async def test_the_log_and_the_use_are_of_scopes_the_guest_may_see(desk: MemoryDesk) -> None:
    """Nobody learns from them that there are others."""
    await desk.remember(NewFact("Mine."), AGENT)
    await desk.remember(NewFact("Oil paint.", scope="project:boat"), AGENT)

    assert [line.scope for line in await desk.changes(AGENT, limit=10)] == ["project:boat", "user"]
    assert [line.scope for line in await desk.changes(BOUND, limit=10)] == ["project:boat"]
    assert [(use.scope, use.facts) for use in await desk.usage(AGENT)] == [("project:boat", 1), ("user", 1)]
    assert [use.scope for use in await desk.usage(BOUND)] == ["project:boat"]
