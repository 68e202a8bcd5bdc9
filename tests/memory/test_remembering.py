"""A new fact, from what a guest sends to what is stored."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from pi_rag.errors import (
    DocumentNotFound,
    EmbedderUnavailable,
    KeyReused,
    MemoryNotFound,
    RequestInvalid,
    ScopeForbidden,
    ScopeFull,
    SecretRefused,
    SessionNotFound,
)
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory_types import NewEvent, NewFact, Which
from pi_rag.store import Connection, documents
from pi_rag.store.memory import vectors
from tests.memory.housing import Housed, settings_of
from tests.memory.making import AGENT, OTHER_AGENT, PERSON
from tests.store.making import document

MO = NewFact("The cat is called Mo.")
WIFI = NewFact("The wifi is called Heron.", topic="home/wifi")


def put_document(db: Connection, source: str) -> int:
    return documents.put(db, document(source, []), [], b"", 1.0)[0]


async def test_what_is_remembered_is_kept_as_it_was_said(desk: MemoryDesk, home: Housed) -> None:
    """With all that was said of it, and who said it as the service has seen it."""
    said = replace(
        WIFI, kind="state", importance=0.9, confidence=0.8, tags=("net", "net"), expires_at=home.clock.now + 9
    )
    got = await desk.remember(said, AGENT)
    [memory] = await desk.get((got.memory.id,), AGENT)

    assert got.memory == memory
    assert (got.outcome, memory.text, memory.topic, memory.kind) == (
        "created",
        said.text,
        "home/wifi",
        "state",
    )
    assert (memory.importance, memory.confidence, memory.tags) == (0.9, 0.8, ("net",))
    assert (memory.trust, memory.door, memory.uid, memory.client) == ("agent", "agent", 1000, "claude/1.0")
    assert (memory.revision, memory.entities, memory.created_at) == (1, ("Heron", "net"), home.clock.now)


async def test_it_is_found_by_words_and_meaning_once_it_is_acknowledged(
    desk: MemoryDesk, home: Housed
) -> None:
    """Nothing has to run before that."""
    got = await desk.remember(MO, AGENT)
    waiting = await home.store.read(vectors.waiting, 10)

    assert (waiting, got.degraded) == ([], ())


async def test_what_is_said_again_counts_once_more(desk: MemoryDesk) -> None:
    """Whoever says it; nothing is stored beside it."""
    first = await desk.remember(MO, AGENT)
    again = await desk.remember(replace(MO, text="the cat is called Mo"), OTHER_AGENT)

    assert (again.outcome, again.memory.id, again.memory.repeats) == ("merged", first.memory.id, 1)


async def test_two_who_say_the_same_at_once_have_said_one_thing(desk: MemoryDesk) -> None:
    """Each is told what became of it, and no word is lost."""
    got = await asyncio.gather(*(desk.remember(MO, caller) for caller in (AGENT, OTHER_AGENT, PERSON) * 5))
    kept = {result.memory.id for result in got}
    first = got[0].memory

    [row] = [memory for memory in await desk.get(tuple(kept), AGENT) if memory.gone is None]
    assert len(kept) <= 2, "a person's word may have taken an agent's place once"
    assert sum(memory.repeats + 1 for memory in await desk.get(tuple(kept), AGENT)) == 15
    assert first.text == row.text


async def test_a_newer_fact_takes_the_place_of_the_older(desk: MemoryDesk) -> None:
    """The older stays for those who ask how it was, and each names the other."""
    old = (await desk.remember(WIFI, AGENT)).memory
    got = await desk.remember(replace(WIFI, text="The wifi is called Egret."), AGENT)

    assert (got.outcome, got.memory.revision, got.memory.supersedes) == ("superseded", 2, old.id)
    assert got.previous is not None
    assert (got.previous.id, got.previous.gone, got.previous.superseded_by) == (
        old.id,
        "superseded",
        got.memory.id,
    )


async def test_a_topic_in_two_scopes_is_two_topics(desk: MemoryDesk) -> None:
    """What a project calls its wifi does not touch the person's."""
    mine = (await desk.remember(WIFI, AGENT)).memory
    other = await desk.remember(replace(WIFI, text="It is Egret.", scope="project:boat"), AGENT)

    assert other.outcome == "created"
    assert (await desk.get((mine.id,), AGENT))[0].gone is None


async def test_other_numbers_are_a_conflict(desk: MemoryDesk) -> None:
    """Both stand, and the other one is given."""
    old = (await desk.remember(NewFact("The gate code of the old mill is 1234."), AGENT)).memory
    got = await desk.remember(NewFact("The gate code of the old mill is 9876."), AGENT)

    assert (got.outcome, [(each.memory.id, each.why) for each in got.candidates]) == (
        "conflict",
        [(old.id, "numbers")],
    )


async def test_what_is_kept_without_an_embedder_says_so(desk: MemoryDesk, home: Housed) -> None:
    """It is durable and waits for its vector; the same words are known again without one."""
    home.embedder.broken = EmbedderUnavailable("It rests.")
    got = await desk.remember(MO, AGENT)
    again = await desk.remember(MO, AGENT)

    assert (got.outcome, got.degraded, again.outcome) == ("created", ("embedder_unavailable",), "merged")
    assert [each[0] for each in await home.store.read(vectors.waiting, 10)] == [got.memory.id]


async def test_a_fact_is_trusted_as_the_document_it_is_from(desk: MemoryDesk, home: Housed) -> None:
    """A page of the web, remembered by a person, is a page of the web; and the source is told."""
    page = await home.store.write(put_document, "https://example.org/a")
    note = await home.store.write(put_document, "/home/notes.md")
    from_page = (await desk.remember(replace(MO, document_id=page), PERSON)).memory
    from_note = (await desk.remember(replace(WIFI, document_id=note), AGENT)).memory

    assert (from_page.trust, from_page.source) == ("web", "https://example.org/a")
    assert (from_note.trust, from_note.source) == ("document", "/home/notes.md")
    with pytest.raises(DocumentNotFound):
        await desk.remember(replace(MO, document_id=99), AGENT)


async def test_a_key_does_a_request_once(desk: MemoryDesk) -> None:
    """Sent again it gives the first answer; another request with it is refused. Each client has its own."""
    asked = replace(WIFI, key="k1")
    first = await desk.remember(asked, AGENT)
    again = await desk.remember(asked, AGENT)
    other = await desk.remember(asked, OTHER_AGENT)

    assert again == first
    assert (other.outcome, len(await desk.changes(AGENT, limit=10))) == ("merged", 2)
    with pytest.raises(KeyReused):
        await desk.remember(replace(asked, text="The wifi is called Egret."), AGENT)


async def test_one_key_at_once_is_one_request(desk: MemoryDesk) -> None:
    """Also when the second comes before the first is answered."""
    got = await asyncio.gather(*(desk.remember(replace(WIFI, key="k"), AGENT) for _ in range(8)))

    assert {result.memory.repeats for result in got} == {0}
    assert len({result.change_id for result in got}) == 1


async def test_a_secret_is_not_kept(desk: MemoryDesk) -> None:
    """It is refused without being said again; or masked, in all that is kept of it."""
    secret = "AKIA" + "ABCDEFGHIJKLMNOP"
    said = NewFact(f"The key is {secret}.", topic=f"keys/{secret}", tags=(secret,))
    with pytest.raises(SecretRefused) as refused:
        await desk.remember(said, AGENT)
    desk.follow(settings_of(secrets="mask"))
    got = await desk.remember(said, AGENT)

    assert secret not in refused.value.message
    assert secret not in repr(got)
    assert got.warnings == ("Masked: AWS key.",)
    desk.follow(settings_of(secrets="allow"))
    assert secret in (await desk.remember(said, AGENT)).memory.text


async def test_nothing_is_kept_in_a_scope_of_others(desk: MemoryDesk) -> None:
    """Nor superseded by its number, nor tied to a session there."""
    bound = replace(AGENT, scopes=("project:boat",))
    mine = (await desk.remember(MO, AGENT)).memory
    session = (await desk.start_session("user", "", AGENT)).session

    with pytest.raises(ScopeForbidden):
        await desk.remember(WIFI, bound)
    with pytest.raises(MemoryNotFound):
        await desk.remember(replace(WIFI, scope="project:boat", supersedes=mine.id), bound)
    with pytest.raises(SessionNotFound):
        await desk.remember(replace(WIFI, scope="project:boat", session_id=session.id), bound)


async def test_only_a_fact_in_force_of_its_scope_can_be_superseded_by_number(desk: MemoryDesk) -> None:
    """What took its place already is named in the refusal."""
    old = (await desk.remember(WIFI, AGENT)).memory
    new = (await desk.remember(replace(WIFI, text="It is Egret."), AGENT)).memory
    event = (await desk.log_event(NewEvent("It rained."), AGENT)).memory

    with pytest.raises(RequestInvalid) as gone:
        await desk.remember(replace(MO, supersedes=old.id), AGENT)
    with pytest.raises(RequestInvalid):
        await desk.remember(replace(MO, supersedes=event.id), AGENT)
    with pytest.raises(RequestInvalid):
        await desk.remember(replace(MO, supersedes=new.id, scope="agent:x"), AGENT)
    assert f"Memory {new.id} took its place" in (gone.value.hint or "")


async def test_an_agent_does_not_raise_what_it_restates(desk: MemoryDesk, home: Housed) -> None:
    """What takes the place of a page's word by its number is trusted no more than the page."""
    page = await home.store.write(put_document, "https://example.org/a")
    planted = (await desk.remember(replace(MO, document_id=page), AGENT)).memory
    restated = await desk.remember(NewFact("Mo is the cat's name.", supersedes=planted.id), AGENT)
    corrected = await desk.remember(NewFact("It is Mu.", supersedes=restated.memory.id), PERSON)

    assert (restated.memory.trust, corrected.memory.trust) == ("web", "person")


async def test_there_are_no_more_scopes_than_may_be(desk: MemoryDesk) -> None:
    """One that is there already takes more; a new one is refused."""
    desk.follow(settings_of(scopes_max=1))
    await desk.remember(replace(MO, scope="agent:x"), AGENT)
    await desk.remember(replace(WIFI, scope="agent:x"), AGENT)

    with pytest.raises(ScopeFull):
        await desk.remember(replace(MO, scope="agent:y"), AGENT)
    await desk.remember(MO, AGENT)


async def test_a_full_scope_says_so_and_lets_the_least_go(desk: MemoryDesk) -> None:
    """From nine tenths on it is said; then something is evicted, which undo brings back."""
    desk.follow(settings_of(facts_max=10))
    said = [await desk.remember(NewFact(f"Word {word} stands alone"), AGENT) for word in "abcdefghijkl"]
    [use] = await desk.usage(AGENT)
    evicted = [line for line in await desk.changes(AGENT, limit=50) if line.operation == "evict"]

    assert [bool(each.warnings) for each in said] == [False] * 9 + [True] * 3
    assert (use.facts, use.gone, len(evicted)) == (10, 2, 2)


FILLERS = "apple river cloud stone lamp chair window paper horse".split()


async def test_what_is_replaced_in_a_full_scope_is_not_evicted(desk: MemoryDesk) -> None:
    """It is worth least, and yet it is superseded: its place is the new one's, and undoing brings it back."""
    desk.follow(settings_of(facts_max=10))
    old = await desk.remember(NewFact("The gate code is 4711 now", topic="gate", importance=0.0), AGENT)
    for word in FILLERS:
        await desk.remember(NewFact(f"{word} {word}s in {word}land", importance=1.0), AGENT)
    got = await desk.remember(NewFact("The entrance opens with 9922", topic="gate"), AGENT)
    assert got.previous is not None
    assert (got.previous.gone, got.previous.superseded_by) == ("superseded", got.memory.id)
    assert len(await desk.listing(Which(), AGENT, limit=50)) == 10

    await desk.undo(got.change_id, AGENT)
    assert (await desk.get((old.memory.id,), AGENT))[0].gone is None


async def test_a_full_scope_of_pinned_facts_can_be_corrected(desk: MemoryDesk) -> None:
    """There is no fact more than before."""
    desk.follow(settings_of(facts_max=10))
    for word in (*FILLERS, "gate"):
        await desk.remember(NewFact(f"{word} {word}s in {word}land", topic=word, pinned=True), PERSON)

    got = await desk.remember(NewFact("Entirely another sentence", topic="gate", pinned=True), PERSON)
    assert got.outcome == "superseded"


@pytest.mark.parametrize("source", ["http://evil.example/x", "HTTPS://evil.example/x"])
async def test_a_page_is_a_page_however_its_address_is_written(
    desk: MemoryDesk, home: Housed, source: str
) -> None:
    """A fact taken from it is no better than it."""
    page = await home.store.write(put_document, source)

    assert (await desk.remember(replace(MO, document_id=page), PERSON)).memory.trust == "web"
