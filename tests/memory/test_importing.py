"""What was exported from one desk and brought to another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pi_rag.errors import RequestInvalid, ScopeForbidden
from pi_rag.memory import exporting, importing
from pi_rag.memory.exported import MARK
from pi_rag.memory_types import Caller, Door, Memory, NewEvent, NewFact, Which
from pi_rag.store.memory import memories, moving
from tests.memory.housing import START_S, HandClock, Housed, housed, settings_of

PERSON = Caller("person", 1000, "test")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Housed]:
    made = await housed(tmp_path / "one" / "pi-rag.db", HandClock(), settings_of())
    yield made
    await made.close()


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Housed]:
    made = await housed(tmp_path / "other" / "pi-rag.db", HandClock(), settings_of(facts_max=10))
    yield made
    await made.close()


async def exported(house: Housed, caller: Caller = PERSON, **asked: Any) -> list[dict[str, Any]]:
    until_s = asyncio.get_running_loop().time() + 60
    asked = {"scope": None, "gone": True, "after": 0, "until_s": until_s} | asked
    return [json.loads(line) async for line in exporting.lines(house.desk.means, caller, **asked)]


async def bring(
    house: Housed, lines: list[dict[str, Any]], caller: Caller = PERSON, ids: dict[int, int] | None = None
) -> importing.Imported:
    return await importing.lines(house.desk.means, lines, caller, ids=ids or {})


async def everything(house: Housed) -> list[Memory]:
    return await house.store.read(moving.following, None, 0, 100, gone=True)


async def filled(house: Housed) -> None:
    """A topic with a history, a session with events and a summary, and something that was forgotten."""
    desk = house.desk
    session = (await desk.start_session("project:x", "Boiler", PERSON)).session
    await desk.remember(NewFact("The boiler is on", "project:x", "boiler", "state"), PERSON)
    await desk.remember(NewFact("The boiler is off now, says Ann", "project:x", "boiler", "state"), PERSON)
    for text in ("Looked at the pump", "Called Bob"):
        await desk.log_event(NewEvent(text, session.id), PERSON)
    await desk.end_session(session.id, "The pump is broken.", PERSON)
    forgotten = await desk.remember(NewFact("Milk is out", tags=("shop",), pinned=True), PERSON)
    await desk.forget(Which(ids=(forgotten.memory.id,)), PERSON, dry_run=False)


def told(memory: Memory) -> Memory:
    """But for what numbers things in one place."""
    return replace(memory, id=0, supersedes=None, superseded_by=None, session_id=None)


async def test_all_of_it_is_brought_over(house: Housed, other: Housed) -> None:
    """Facts with their history, events in their order, summaries and what they mention are as they were."""
    await filled(house)

    result = await bring(other, await exported(house))

    there = await everything(other)
    assert [told(memory) for memory in there] == [told(memory) for memory in await everything(house)]
    assert (result.stored, result.known, result.refused) == (len(there), 0, ())
    older, newer = (memory for memory in there if memory.topic == "boiler")
    assert (older.superseded_by, newer.supersedes) == (newer.id, older.id)
    [session] = await other.desk.sessions(None, None, PERSON, limit=5)
    assert (session.title, session.state, session.events) == ("Boiler", "ended", 2)
    assert session.summary is not None and session.summary.text == "The pump is broken."


async def test_the_same_file_may_be_taken_twice(house: Housed, other: Housed) -> None:
    """What is here already is left alone, also where it came from."""
    await filled(house)
    lines = await exported(house)
    await bring(other, lines)
    before = await everything(other)

    for there in (house, other):
        assert (await bring(there, lines)).stored == 0
    assert await everything(other) == before


async def test_links_hold_across_requests(house: Housed, other: Housed) -> None:
    """A line that names one of an earlier request finds it by the numbers that were answered then."""
    await filled(house)
    ids: dict[int, int] = {}

    for line in await exported(house):
        ids |= (await bring(other, [line], ids=ids)).ids

    found = [memory for memory in await everything(other) if memory.topic == "boiler"]
    assert found[1].supersedes == found[0].id


async def test_what_was_brought_can_be_undone(house: Housed, other: Housed) -> None:
    """One line of the audit log for each scope, by which all that came into force is forgotten."""
    await filled(house)
    await bring(other, await exported(house))

    for change in await other.desk.changes(PERSON, limit=10):
        await other.desk.undo(change.id, PERSON)

    assert [memory for memory in await everything(other) if memory.gone is None] == []


async def test_a_bad_line_is_told_and_the_rest_taken(house: Housed, other: Housed) -> None:
    """Each line that is refused is named with the reason: no memory, a secret, or a scope that is full."""
    await filled(house)
    good = (await exported(house))[1]
    secret = good | {"text": "the wifi password is Sommer2024"}
    flood = [good | {"text": f"Fact {number}", "scope": "user", "gone": None} for number in range(11)]

    result = await bring(other, [{"type": "fact"}, secret, good, *flood])

    assert [(each.line, each.code) for each in result.refused] == [
        (0, "request_invalid"),
        (1, "secret_refused"),
        (13, "scope_full"),
    ]
    assert result.stored == 11


async def test_too_many_lines_or_a_newer_format_are_refused(other: Housed) -> None:
    """Nothing is taken of a request that is wrong as a whole."""
    with pytest.raises(RequestInvalid):
        await bring(other, [{}] * (importing.LINES_MAX + 1))
    with pytest.raises(RequestInvalid):
        await bring(other, [{"pi_rag_memory_export": 2}])


async def test_a_bound_client_sees_and_brings_its_own_alone(house: Housed, other: Housed) -> None:
    """Neither way out nor way in leads past the scopes that a client is bound to."""
    await filled(house)
    bound = replace(PERSON, scopes=("user",))

    assert {line.get("scope") for line in await exported(house, bound)} == {None, "user"}
    with pytest.raises(ScopeForbidden):
        await exported(house, bound, scope="project:x")
    result = await bring(other, await exported(house), bound)
    assert {each.code for each in result.refused} == {"scope_forbidden"}
    assert {memory.scope for memory in await everything(other)} == {"user"}


async def test_an_answer_in_time_says_where_to_go_on(house: Housed) -> None:
    """When its time is up it ends with where the next one begins; what is gone may stay out."""
    await filled(house)

    lines = await exported(house, gone=False, until_s=0.0)

    assert lines[-1]["next"] == lines[-2]["id"]
    assert all(line.get("gone") is None for line in lines)
    assert await exported(house, gone=False, after=lines[-1]["next"]) == [
        {"pi_rag_memory_export": 1},
        {"pi_rag_memory_export": 1, "next": None},
    ]


async def test_an_edited_list_is_remembered(house: Housed) -> None:
    """Of a list from here, what is new is stored, what was changed supersedes, the rest is known."""
    desk = house.desk
    await desk.remember(NewFact("The boiler is off", topic="boiler"), PERSON)
    await desk.remember(NewFact("Ann likes tea"), PERSON)
    text = await desk.export_markdown(PERSON)

    more = f"\n- Bob eats bread\n- key: AKIA{'ABCDEFGH' * 2}\n"
    more += '- Ann likes tea <!-- {"tag": ["x"]} -->\n## Project: boat\n- Ann likes tea\n'
    edited = text.replace("boiler is off", "boiler is on") + more
    result = await desk.import_markdown(edited, "user", PERSON)

    assert (result.stored, result.known, result.again) == (2, 1, 0)
    said_again = await desk.import_markdown('- Ann likes tea <!-- {"importance": 0.9} -->', "user", PERSON)
    assert (said_again.stored, said_again.known, said_again.again) == (0, 1, 1)
    assert [each.code for each in result.refused] == ["secret_refused", *["request_invalid"] * 2]
    assert result.refused[1].message == "Its comment says what cannot be: tag."
    assert "'Project: boat', is no scope" in result.refused[2].message
    [first] = await house.store.read(memories.get, [1])
    assert first.gone == "superseded"


async def test_secrets_beside_the_text_are_refused_as_well(house: Housed, other: Housed) -> None:
    """In the title of a session, and in the kind of an event."""
    await filled(house)
    [event, *_] = [line for line in await exported(house) if line.get("type") == "event"]
    titled = event | {"session": event["session"] | {"title": "password: hunter2!x9"}}
    named = event | {"kind": "ghp_" + "a1" * 18}

    result = await bring(other, [titled, named])

    assert [each.code for each in result.refused] == ["secret_refused"] * 2
    assert await other.desk.sessions(None, None, PERSON, limit=5) == ()


DAY_S = 86_400.0


async def a_lifetime(house: Housed) -> None:
    """Facts of the past, of now and of what comes, pinned and expiring; two of them contradict."""
    for fact in (
        NewFact("Hansen", topic="boiler", valid_from=START_S - 9 * DAY_S, valid_to=START_S - DAY_S),
        NewFact("Petersen", topic="boiler", valid_from=START_S - DAY_S),
        NewFact("Olsen", topic="boiler", valid_from=START_S + DAY_S, pinned=True),
        NewFact("The guest stays", expires_at=START_S + 2 * DAY_S, tags=("house",)),
        NewFact("The car is leased", valid_to=START_S + DAY_S),
    ):
        await house.desk.remember(fact, PERSON)
    await house.desk.remember(NewFact("Miller", topic="boiler"), replace(PERSON, door="agent"))


async def test_a_list_brings_times_and_pins(house: Housed, other: Housed) -> None:
    """What began, begins, ends, expires or is pinned does so on another machine as well."""
    await a_lifetime(house)
    await house.desk.forget(Which(ids=(6,)), PERSON, dry_run=False)
    text = await house.desk.export_markdown(PERSON)
    other.clock.now += 1.5 * DAY_S

    result = await other.desk.import_markdown(text, "user", PERSON)

    assert (result.stored, result.refused) == (5, ())
    brought = {memory.text: memory for memory in await everything(other)}
    for memory in (each for each in await everything(house) if each.gone is None):
        came = brought[memory.text]
        assert (came.valid_to, came.expires_at, came.pinned) == (
            memory.valid_to,
            memory.expires_at,
            memory.pinned,
        )
        if memory.at != START_S or memory.valid_to is not None:
            assert came.at == memory.at


async def test_a_list_taken_again_changes_nothing(house: Housed, other: Housed) -> None:
    """All of it is known: here, there, days later, and also where of two facts only one could stay."""
    await a_lifetime(house)
    text = await house.desk.export_markdown(PERSON)
    await other.desk.import_markdown(text, "user", PERSON)

    for there, later_s in ((house, 0.0), (other, 0.0), (other, 1.5 * DAY_S), (house, 3 * DAY_S)):
        before = await everything(there)
        there.clock.now += later_s
        result = await there.desk.import_markdown(text, "user", PERSON)
        assert (result.stored, result.known, result.refused) == (0, 6, ())
        assert await everything(there) == before


async def test_what_has_expired_is_not_on_the_list(house: Housed) -> None:
    """Nobody could take it back."""
    await house.desk.remember(NewFact("The guest stays", expires_at=START_S + DAY_S), PERSON)
    house.clock.now += 2 * DAY_S

    assert "guest" not in await house.desk.export_markdown(PERSON)


async def test_a_list_tells_nobody_what_they_may_not_see(house: Housed) -> None:
    """Whether a fact of another scope is here already is not answered."""
    await house.desk.remember(NewFact("Milk is out"), PERSON)
    bound = replace(PERSON, scopes=("project:x",))

    result = await house.desk.import_markdown("- [note] Milk is out", "user", bound)

    assert [(each.line, each.code) for each in result.refused] == [(1, "scope_forbidden")]
    assert result.known == 0


async def test_what_was_said_twice_comes_twice(house: Housed, other: Housed) -> None:
    """The same words of two sessions, on two topics, or said again after they were forgotten."""
    desk = house.desk
    for title in ("Monday", "Tuesday"):
        session = (await desk.start_session("project:x", title, PERSON)).session
        house.clock.now += 1
        await desk.log_event(NewEvent("Backup ok", session.id, at=START_S), PERSON)
    for topic in ("shop/a", "shop/b"):
        await desk.remember(NewFact("closed", "user", topic, valid_from=START_S), PERSON)
    said = NewFact("Ann is away", valid_from=START_S)
    forgotten = await desk.remember(said, PERSON)
    await desk.forget(Which(ids=(forgotten.memory.id,)), PERSON, dry_run=False)
    house.clock.now += 1
    await desk.remember(said, PERSON)

    other.clock.now = house.clock.now
    await bring(other, await exported(house))

    assert [told(memory) for memory in await everything(other)] == [
        told(each) for each in await everything(house)
    ]


@pytest.mark.parametrize("type_", ["fact", "event"])
async def test_a_file_cannot_take_the_place_of_what_is_in_another_scope(
    house: Housed, other: Housed, type_: str
) -> None:
    """Nor show it, by the numbers that are sent along."""
    for code in ("4711", "4712"):
        await other.desk.remember(NewFact(f"The door code is {code}", "project:vault", "code"), PERSON)
    secret, newer = await everything(other)
    await house.desk.remember(NewFact("Tea is green"), PERSON)
    [tea] = [line for line in await exported(house) if MARK not in line]
    asked = {**tea, "supersedes": 7, "type": type_, "kind": "state"}

    result = await bring(other, [asked], Caller("person", 1000, "test", ("user",)), ids={7: secret.id})

    [brought] = result.ids.values()
    memories_, _ = await other.desk.history(PERSON, memory_id=brought)
    assert [each.id for each in memories_] == [brought]
    assert [each.superseded_by for each in await everything(other)] == [newer.id, None, None]


@pytest.mark.parametrize(("door", "outcome"), [("agent", "superseded"), ("person", "conflict")])
async def test_whoever_pinned_it_has_still_pinned_it(
    house: Housed, other: Housed, door: Door, outcome: str
) -> None:
    """What a person pinned is not given up to an agent elsewhere; and an agent brings no pin of a person."""
    agent = Caller("agent", 1000, "codex/3")
    kept = await house.desk.remember(NewFact("Tea is green", "user", "tea"), agent)
    await house.desk.change(kept.memory.id, PERSON, pinned=True)

    await bring(other, await exported(house), Caller(door, 1000, "test"))

    answer = await other.desk.remember(NewFact("Coffee is black", "user", "tea"), agent)
    assert answer.outcome == outcome


async def test_a_list_without_end_is_refused_before_anything_is_stored(house: Housed) -> None:
    """It would outlast the request, and nobody would be told what was stored."""
    text = "\n".join(f"- fact number {number}" for number in range(importing.ITEMS_MAX + 1))
    with pytest.raises(RequestInvalid, match="501 facts"):
        await importing.markdown(house.desk.means, text, "user", PERSON)
    assert await everything(house) == []


async def test_a_list_tells_how_many_took_a_place(house: Housed) -> None:
    """A person who brings a list is told what it has done to what was there."""
    await house.desk.remember(NewFact("Heating is at 20 degrees", topic="heat", kind="state"), PERSON)
    text = "- [state] **heat**: Heating is at 19 degrees\n- Tea is green"

    result = await house.desk.import_markdown(text, "user", PERSON)

    assert (result.stored, result.known, result.superseded) == (2, 0, 1)
