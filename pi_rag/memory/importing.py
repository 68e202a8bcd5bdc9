"""What was exported, on its way in: memories as they were, or facts from a list that somebody has edited.

A line is stored as it says, with its times, its history and its trust, as far as whoever brings it is
trusted. What is here already is left alone, so the same file may be taken twice. Nothing gives way to what is
brought: a full scope refuses it. Vectors are made later, as of all that waits. Facts of a list that are not
here as it says are new words of whoever brings them: each is remembered as any other fact, and merges or
supersedes.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pi_rag.config import RememberSettings
from pi_rag.errors import BadInput, RequestInvalid, ScopeFull
from pi_rag.memory import effects, exported
from pi_rag.memory.effects import Effect
from pi_rag.memory.exported import MARK, VERSION, Around, Brought
from pi_rag.memory.judging import is_judged
from pi_rag.memory.markdown import Item, as_told, items
from pi_rag.memory.means import Means
from pi_rag.memory.remembering import remember, words_hash
from pi_rag.memory.scopes import checked, sees
from pi_rag.memory.taking import Taken, looked_at, without_secret
from pi_rag.memory_types import Caller, Memory, Outcome
from pi_rag.store import Connection
from pi_rag.store.memory import changes, memories, mentions, moving, scopes, sessions, weighing

LINES_MAX = 200
"""Lines of one request: what a transaction stores at once, and others wait for."""


ITEMS_MAX = 500
"""Facts of one list. Each is embedded and stored in its turn, and the request must end in time."""


_LIST_HINT = "See what pi-rag memory export --markdown writes, change the line and take the list again."


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that was not taken."""

    line: int
    """Among those that were sent, from 0; of a list, the line of the text, from 1."""
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of what was brought."""

    stored: int
    known: int
    """Here already, and left alone."""
    refused: tuple[Refused, ...]
    ids: Mapping[int, int] = field(default_factory=dict)
    """The number here of each number in the file, for lines that are sent later and name it."""
    superseded: int = 0
    """Of those stored from a list: how many took the place of a fact that was here."""
    beside: int = 0
    """Of those stored: how many stand beside a fact on their topic or, of a list, one that says otherwise."""
    again: int = 0
    """Of those known from a list: how many were said again, with other marks or in other words."""
    gone: int = 0
    """Of those known: how many are in force in the file, and here no more."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One that can be stored."""

    number: int
    brought: Brought
    it: Taken


async def lines(
    means: Means, told: Sequence[Mapping[str, Any]], caller: Caller, *, ids: Mapping[int, int]
) -> Imported:
    """Store the memories of up to LINES_MAX lines. `ids`: of what came before. Raises RequestInvalid."""
    if len(told) > LINES_MAX:
        raise RequestInvalid(f"{len(told)} lines; one request takes {LINES_MAX}.", param="lines")
    if any(line.get(MARK, VERSION) != VERSION for line in told):
        raise RequestInvalid("It was written by a newer pi-rag.", hint="Update pi-rag on this machine.")
    now = means.clock.wall_s()
    sound, refused = await asyncio.to_thread(_read, told, means.settings, caller, now)
    imported: Imported = await means.store.write(_stored, sound, caller, means.settings, now, ids)
    return replace(imported, refused=tuple(sorted((*refused, *imported.refused), key=lambda each: each.line)))


async def markdown(means: Means, text: str, scope: str, caller: Caller) -> Imported:
    """Remember each fact of a list that is not here as it says. Raises ScopeInvalid, RequestInvalid."""
    brought = await asyncio.to_thread(list[Item], items(text, checked(scope)))
    if len(brought) > ITEMS_MAX:
        told = f"{len(brought)} facts; one list takes {ITEMS_MAX}."
        raise RequestInvalid(told, hint="Cut it into several files.", param="markdown")
    here = await means.store.read(_here, [each for each in brought if not each.wrong], caller)
    outcomes, refused = Counter[Outcome](), []
    for item in brought:
        if item.line in here:
            continue
        if item.wrong:
            refused.append(_refusal(item.line, RequestInvalid(item.wrong, hint=_LIST_HINT)))
            continue
        try:
            outcomes[(await remember(means, item.fact, caller)).outcome] += 1
        except BadInput as error:
            refused.append(_refusal(item.line, error))
    again = outcomes["merged"]
    return Imported(
        outcomes.total() - again,
        len(here) + again,
        tuple(refused),
        superseded=outcomes["superseded"],
        beside=outcomes["conflict"],
        again=again,
    )


def _here(db: Connection, brought: Sequence[Item], caller: Caller) -> set[int]:
    """The lines of a list whose facts are in force, or gave way to others of the list: once is enough."""
    found: dict[int, list[Memory]] = {}
    for item in brought:
        if sees(caller, item.fact.scope):
            said = moving.said(db, item.fact.scope, words_hash(item.fact.text))
            found[item.line] = [memory for memory in said if as_told(memory) == item.fact]
    in_force = {memory.id for those in found.values() for memory in those if memory.gone is None}
    return {line for line, those in found.items() if any(_leads_to(db, each, in_force) for each in those)}


def _leads_to(db: Connection, memory: Memory, in_force: Collection[int]) -> bool:
    return memory.gone is None or any(each.id in in_force for each in memories.lineage(db, memory.id))


def _read(
    told: Sequence[Mapping[str, Any]], settings: RememberSettings, caller: Caller, now: float
) -> tuple[list[_Line], list[Refused]]:
    sound: list[_Line] = []
    refused: list[Refused] = []
    for number, line in enumerate(told):
        if MARK in line:
            continue
        try:
            brought = exported.brought(line, settings, caller, now)
            memory = brought.memory
            it = looked_at(Taken(memory.text, memory.topic, memory.tags), settings)
            without_secret(memory.kind, "kind", settings)
            session = _without_secret(brought.session, settings)
        except BadInput as error:
            refused.append(_refusal(number, error))
        else:
            memory = replace(memory, text=it.text, topic=it.topic, tags=it.tags)
            sound.append(_Line(number, replace(brought, memory=memory, session=session), it))
    return sound, refused


def _without_secret(session: Around | None, settings: RememberSettings) -> Around | None:
    if session is None:
        return None
    return replace(session, title=looked_at(Taken(session.title), settings).text)


def _stored(
    db: Connection,
    sound: Sequence[_Line],
    caller: Caller,
    settings: RememberSettings,
    now: float,
    before: Mapping[int, int],
) -> Imported:
    """The transaction."""
    ids: dict[int, int] = dict(before)
    new: dict[str, list[Memory]] = defaultdict(list)
    refused: list[Refused] = []
    for line in sound:
        try:
            memory = _taken(db, line, caller, settings, now, ids)
        except ScopeFull as error:
            refused.append(_refusal(line.number, error))
        else:
            if memory is not None:
                new[memory.scope].append(memory)
    for scope, those in new.items():
        _note(db, scope, those, caller, now)
    count = sum(map(len, new.values()))
    beside = sum(_is_beside(db, memory, now) for those in new.values() for memory in those)
    own = {line.brought.id: ids[line.brought.id] for line in sound if line.brought.id in ids}
    in_force = [line.brought.id for line in sound if line.brought.memory.gone is None]
    here = memories.get(db, [own[each] for each in in_force if each in own])
    gone = sum(memory.gone is not None for memory in here)
    known = len(sound) - count - len(refused)
    return Imported(count, known, tuple(refused), own, beside=beside, gone=gone)


def _is_beside(db: Connection, memory: Memory, now: float) -> bool:
    """Whether two are true now on one topic: which of them is to hold, the file does not say."""
    if memory.topic is None or not is_judged(memory, now):
        return False
    others = memories.on_topic(db, memory.scope, memory.topic)
    return any(other.id != memory.id and is_judged(other, now) for other in others)


def _taken(
    db: Connection, line: _Line, caller: Caller, settings: RememberSettings, now: float, ids: dict[int, int]
) -> Memory | None:
    """Store one, and note its number; None when it is here already. Raises ScopeFull."""
    memory, session = line.brought.memory, line.brought.session
    hash_ = words_hash(memory.text) if memory.type == "fact" else None
    here = moving.known(db, memory, hash_, is_dated=line.brought.is_dated)
    if here is not None:
        ids[line.brought.id] = here
        return None
    _check_room(db, memory, settings, now)
    older = _older(db, memory, ids)
    memory = replace(
        memory,
        supersedes=older,
        document_id=None if memory.source is None else moving.document(db, memory.source),
        seq=None if session is None else memory.seq,
    )
    if session is not None:
        about = (session.title, session.started_at, session.ended_at)
        if moving.session_here(db, memory.scope, session.title, session.started_at) is None:
            _check_session_room(db, memory.scope, settings)
        memory = replace(memory, session_id=moving.session(db, memory.scope, *about, caller))
        if memory.seq is not None and memory.session_id is not None:
            memory = replace(memory, seq=moving.place(db, memory.session_id, memory.seq, memory.at))
    memory = memories.add(db, memory, hash_, line.brought.pinned_by)
    mentions.mention(db, memory.id, line.it.entities)
    if older is not None:
        moving.taken_place_of(db, memory.id, older)
    ids[line.brought.id] = memory.id
    return memory


def _older(db: Connection, memory: Memory, ids: Mapping[int, int]) -> int | None:
    """What it has superseded, by its number here. A file may name anything: only a fact of the same scope."""
    older = ids.get(memory.supersedes or 0)
    is_sound = older is not None and memory.type == "fact" and moving.is_fact_of(db, older, memory.scope)
    return older if is_sound else None


def _check_room(db: Connection, memory: Memory, settings: RememberSettings, now: float) -> None:
    scopes.claim(db, memory.scope, settings.scopes_max, now - settings.session_idle_h * 3600)
    facts, events = weighing.load(db, memory.scope)
    is_fact = memory.type == "fact"
    if (facts if is_fact else events) >= (settings.facts_max if is_fact else settings.events_max):
        raise ScopeFull(f"{memory.scope} is full.")


def _check_session_room(db: Connection, scope: str, settings: RememberSettings) -> None:
    if sessions.count(db, scope) >= settings.sessions_max:
        raise ScopeFull(f"{scope} holds {settings.sessions_max} sessions, as many as it may.")


def _note(db: Connection, scope: str, new: Sequence[Memory], caller: Caller, now: float) -> None:
    """One line of the audit log; undoing it forgets what was brought in force."""
    in_force = tuple(memory.id for memory in new if memory.gone is None)
    detail = effects.detail_of([Effect(in_force, effects.CREATED)] if in_force else [], imported=len(new))
    changes.add(db, now, "remember", [memory.id for memory in new], scope, caller, detail)


def _refusal(line: int, error: BadInput) -> Refused:
    return Refused(line, error.code, error.message, error.hint)
