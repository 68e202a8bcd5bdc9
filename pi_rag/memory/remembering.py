"""A new fact: embedded, held against what is known, and stored, all of that in one transaction.

What it resembles is looked for by the writer itself: its pages are warm, so that it takes a millisecond or
two, and of two agents who say the same thing at once the second is told that it is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pi_rag.config import RememberSettings
from pi_rag.errors import DocumentNotFound, MemoryNotFound, RequestInvalid, SessionNotFound
from pi_rag.memory import effects, following
from pi_rag.memory.checking import sound_fact
from pi_rag.memory.effects import Effect
from pi_rag.memory.judging import (
    Known,
    Verdict,
    is_judged,
    is_planned,
    judged,
    repeated_values,
    sooner,
    trust_of,
    trust_of_source,
)
from pi_rag.memory.means import Means
from pi_rag.memory.once import Once
from pi_rag.memory.scopes import allowed, checked, sees
from pi_rag.memory.taking import Taken, degraded, fresh, kept, room_for, taken
from pi_rag.memory_types import (
    Caller,
    Candidate,
    Memory,
    NewFact,
    Operation,
    Remembered,
    Session,
    Trust,
)
from pi_rag.store import Connection
from pi_rag.store.memory import changes, memories, sessions, vectors
from pi_rag.text.contrast import same_words

NEAR_MAX = 20
"""How many of the nearest a new fact is held against. What says the same words is found without them."""


@dataclass(frozen=True, slots=True)
class _Order:
    """A fact on its way, with all that the transaction needs to know."""

    fact: NewFact
    caller: Caller
    it: Taken
    once: Once | None
    settings: RememberSettings
    now: float


async def remember(means: Means, fact: NewFact, caller: Caller) -> Remembered:
    """Keep a fact, and say what became of it. Raises as `MemoryDesk.remember`."""
    now = means.clock.wall_s()
    allowed(caller, [fact.scope])
    fact = sound_fact(fact, means.settings, now)
    once = Once.of(caller, fact.key, fact)
    if once is not None and (replayed := await means.store.read(_replayed, once)) is not None:
        return replayed
    it = await taken(means, fact.text, fact.topic, fact.tags)
    fact = replace(fact, text=it.text, topic=it.topic, tags=it.tags)
    now = means.clock.wall_s()
    order = _Order(fact, caller, it, once, means.settings, now)
    return await means.store.write_together(_remembered, order)


def words_hash(text: str) -> bytes:
    """By which a fact is known again that says the same words."""
    return hashlib.blake2b(same_words(text).encode(), digest_size=16).digest()


def seen_session(
    db: Connection, session_id: int, caller: Caller, settings: RememberSettings, now: float
) -> Session:
    """A session that the caller may see. Raises SessionNotFound."""
    session = sessions.get(db, session_id, now, settings.session_idle_h * 3600)
    if session is None or not sees(caller, session.scope):
        raise SessionNotFound(f"There is no session {session_id}.", param="session_id")
    return session


def document_trust(db: Connection, document_id: int | None) -> Trust | None:
    """How far a stored document is trusted. Raises DocumentNotFound."""
    if document_id is None:
        return None
    source = memories.document_source(db, document_id)
    if source is None:
        raise DocumentNotFound(f"There is no document {document_id}.", param="document_id")
    return trust_of_source(source)


def _nearest(db: Connection, order: _Order) -> dict[int, float]:
    """Cosine, by memory, of the facts of the scope that are most like it."""
    it = order.it
    if it.vectors is None or it.made_by is None:
        return {}
    return dict(vectors.similar(db, it.vectors, order.fact.scope, order.now, NEAR_MAX, it.made_by))


def _remembered(db: Connection, order: _Order) -> Remembered:
    """The transaction."""
    if order.once is not None and (replayed := _replayed(db, order.once)) is not None:
        return replayed
    named = _named(db, order)
    if order.fact.session_id is not None:
        seen_session(db, order.fact.session_id, order.caller, order.settings, order.now)
    trust = trust_of(order.caller, document_trust(db, order.fact.document_id), named.trust if named else None)
    known = _known(db, order, named)
    verdict = judged(order.fact, trust, known, order.settings, order.now)
    if verdict.into is not None:
        pinned_by = next(each.pinned_by for each in known if each.memory.id == verdict.into.id)
        result = _merged(db, order, verdict.into, pinned_by, trust)
    else:
        result = _stored(db, order, verdict, trust)
    if order.once is not None:
        order.once.keep(db, _answer(result), result.memory.id, order.settings.keys_max)
    return result


def _named(db: Connection, order: _Order) -> Memory | None:
    """What the fact says that it takes the place of. Raises MemoryNotFound, RequestInvalid."""
    wanted = order.fact.supersedes
    if wanted is None:
        return None
    found = memories.one(db, wanted)
    if found is None or not sees(order.caller, found.scope):
        raise MemoryNotFound(f"There is no memory {wanted}.", param="supersedes")
    if found.type != "fact" or found.scope != order.fact.scope:
        raise RequestInvalid(f"Memory {wanted} is no fact in {order.fact.scope}.", param="supersedes")
    if found.gone is not None:
        hint = f"Memory {found.superseded_by} took its place." if found.superseded_by else None
        raise RequestInvalid(f"Memory {wanted} is {found.gone} already.", hint=hint, param="supersedes")
    return found


def _known(db: Connection, order: _Order, named: Memory | None) -> list[Known]:
    """The facts that it is held against: of its topic, of its words, near it, or named by it."""
    near = _nearest(db, order)
    found = {memory.id: memory for memory in memories.get(db, list(near))}
    same = memories.same_words(db, order.fact.scope, words_hash(order.fact.text))
    found |= {memory.id: memory for memory in same}
    judgeable = {each: memory for each, memory in found.items() if is_judged(memory, order.now)}
    if order.fact.topic is not None:
        on_topic = memories.on_topic(db, order.fact.scope, order.fact.topic)
        judgeable |= {each.id: each for each in on_topic if _holds(each, order.now)}
    if named is not None:
        judgeable[named.id] = named
    say_it = {memory.id for memory in same}
    return [
        Known(memory, memories.pinned_by(db, each), round(near.get(each, 0.0), 6), each in say_it)
        for each, memory in judgeable.items()
    ]


def _holds(memory: Memory, now: float) -> bool:
    """Now or later."""
    return is_judged(memory, now) or is_planned(memory, now)


def _merged(db: Connection, order: _Order, into: Memory, pinned_by: Trust | None, trust: Trust) -> Remembered:
    """It is known already: that counts once more."""
    counted = {"repeats": (into.repeats, into.repeats + 1), "last_said_at": (into.last_said_at, order.now)}
    after = following.next_on_topic(db, into, order.now)
    more = repeated_values(into, pinned_by, order.fact, trust, after.at if after else None)
    repeated = Effect((into.id,), counted | more)
    effects.done(db, [repeated], order.now)
    change = _noted(db, order, "merge", [into.id], [repeated])
    memory = memories.one(db, into.id)
    assert memory is not None
    return Remembered("merged", memory, change_id=change, warnings=order.it.warnings)


def _stored(db: Connection, order: _Order, verdict: Verdict, trust: Trust) -> Remembered:
    """It is stored, and what gives way is put away."""
    new = _memory(order, verdict, trust)
    replaced, ended = ([each.id for each in those] for those in (verdict.replaced, verdict.ended))
    # First of all: what gives way takes no room any more, and must not be evicted to make some.
    memories.put_away(db, replaced, "superseded", order.now)
    last = {*ended, *(each.memory.id for each in verdict.candidates)}
    warnings = room_for(db, new, order.settings, order.caller, order.now, last)
    after = following.next_on_topic(db, new, order.now, pinned_by=trust if new.pinned else None)
    new = replace(new, valid_to=sooner(new.valid_to, after.at if after else None))
    memory = kept(db, new, order.it, words_hash(order.fact.text))
    done = [Effect((memory.id,), effects.created(order.fact.valid_to, memory.valid_to))]
    if replaced:
        memories.replaced(db, replaced, memory.id)
        done.append(effects.superseded(replaced, memory.id, order.now))
    ends = following.ended(db, memory, ended, following.given_back(db, replaced, order.now))
    effects.done(db, ends, order.now)
    operation: Operation = "supersede" if replaced else "remember"
    touched = [memory.id, *replaced, *(each for end in ends for each in end.ids)]
    change = _noted(db, order, operation, touched, [*done, *ends], outcome=verdict.outcome)
    told = (*following.said(ends, memory), *following.said_of_next(memory, after))
    return Remembered(
        verdict.outcome,
        memory,
        memories.one(db, replaced[0]) if replaced else None,
        verdict.candidates,
        change,
        (*order.it.warnings, *warnings, *told),
        degraded(db, order.it),
    )


def _memory(order: _Order, verdict: Verdict, trust: Trust) -> Memory:
    """The row that is stored; its id comes with that."""
    fact, older = order.fact, (*verdict.replaced, *verdict.ended)
    return replace(
        fresh("fact", fact.kind, checked(fact.scope), fact.text, order.caller, trust, order.now),
        topic=fact.topic,
        importance=fact.importance,
        confidence=fact.confidence,
        tags=fact.tags,
        pinned=fact.pinned,
        at=order.now if fact.valid_from is None else fact.valid_from,
        valid_to=fact.valid_to,
        expires_at=fact.expires_at,
        supersedes=older[0].id if older else None,
        revision=1 + max((each.revision for each in older), default=0),
        session_id=fact.session_id,
        document_id=fact.document_id,
    )


def _noted(
    db: Connection,
    order: _Order,
    operation: Operation,
    ids: Sequence[int],
    done: Sequence[Effect],
    **more: Any,
) -> int:
    detail = effects.detail_of(done, **more)
    return changes.add(db, order.now, operation, ids, order.fact.scope, order.caller, detail).id


def _answer(result: Remembered) -> dict[str, Any]:
    """What is noted of an answer: no text."""
    return {
        "outcome": result.outcome,
        "memory": result.memory.id,
        "previous": result.previous and result.previous.id,
        "candidates": [[each.memory.id, each.similarity, each.why] for each in result.candidates],
        "change": result.change_id,
        "warnings": list(result.warnings),
        "degraded": list(result.degraded),
    }


def _replayed(db: Connection, once: Once) -> Remembered | None:
    """The first answer, with its memories as they are now."""
    answer = once.answered(db)
    if answer is None:
        return None
    memory = memories.one(db, answer["memory"])
    assert memory is not None, "a key goes with what it was answered with"
    previous = answer["previous"] and memories.one(db, answer["previous"])
    candidates = [
        Candidate(found, similarity, why)
        for each, similarity, why in answer["candidates"]
        if (found := memories.one(db, each)) is not None
    ]
    told = tuple(answer["warnings"]), tuple(answer["degraded"])
    return Remembered(answer["outcome"], memory, previous, tuple(candidates), answer["change"], *told)
