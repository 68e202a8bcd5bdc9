"""What agents do with memory: remember, recall, forget, log what happens, and keep sessions.

Each function is one tool. What is decided is decided by the desk of memory (`pi_rag/memory/desk.py`); here
the scope is filled in that an agent is bound to, and long texts are cut to the budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from pi_rag.errors import RequestInvalid
from pi_rag.memory_types import Memory, Session, Timeline
from pi_rag.service.agents import answers as shown
from pi_rag.service.agents import arguments as given
from pi_rag.service.agents import reading
from pi_rag.service.agents.asker import Asker
from pi_rag.service.agents.documents import budget, document
from pi_rag.service.house import House

SHARE_TOKENS_MIN = 20
"""Less of a memory says nothing. Where not even so much of each fits, there are fewer of them."""


async def remember(house: House, asked: given.Remember, asker: Asker) -> shown.RememberedShown:
    """Keep a fact."""
    fact = asked.fact()
    if "scope" not in asked.model_fields_set:
        fact = replace(fact, scope=asker.home)
    answer = shown.RememberedShown.model_validate(await house.memory.remember(fact, asker.caller))
    return _in_budget(answer, house.settings.agents.answer_tokens)


def _in_budget(answer: shown.RememberedShown, tokens: int) -> shown.RememberedShown:
    """The answer, each of its memories with its share."""
    others = [] if answer.previous is None else [answer.previous]
    beside = [each.memory for each in answer.candidates]
    memory, *cut = _shared([answer.memory, *others, *beside], tokens)
    candidates = [
        each.model_copy(update={"memory": one})
        for each, one in zip(answer.candidates, cut[len(others) :], strict=True)
    ]
    previous = cut[0] if others else None
    return answer.model_copy(update={"memory": memory, "previous": previous, "candidates": candidates})


async def recall(house: House, asked: given.Recall, asker: Asker) -> shown.RecollectionShown:
    """Find what is known, in memory and documents."""
    wanted = asked.recall()
    if "scopes" not in asked.model_fields_set and asker.caller.scopes is not None:
        wanted = replace(wanted, scopes=asker.caller.scopes)
    wanted = replace(wanted, token_budget=budget(wanted.token_budget, house.settings.agents))
    found = await house.memory.recall(wanted, asker.caller)
    return shown.RecollectionShown(
        hits=[
            shown.RecalledShown(
                type=hit.type,
                id=hit.memory.id if hit.memory else None,
                document_id=hit.document_id,
                chunk_id=hit.chunk_id,
                scope=hit.memory.scope if hit.memory else None,
                kind=hit.memory.kind if hit.memory else None,
                topic=hit.memory.topic if hit.memory else None,
                source=hit.source,
                title=hit.title,
                trust=hit.trust,
                at=shown.iso(hit.at),
                score=round(hit.score, 6),
                session_id=hit.memory.session_id if hit.memory else None,
                linked_by=list(hit.linked_by) or None,
                scores={name: round(score, 6) for name, score in hit.scores.items()}
                if asked.explain
                else None,
                text=hit.text,
                cut=hit.cut or None,
            )
            for hit in found.hits
        ],
        tokens=found.tokens,
        left_out=found.left_out,
        pending=found.pending,
        degraded=list(found.degraded),
    )


async def get(house: House, asked: given.Get, asker: Asker) -> shown.GetAnswer:
    """A document or a memory, a page at a time."""
    if sum(each is not None for each in (asked.document_id, asked.memory_id, asked.source)) != 1:
        raise RequestInvalid(
            "Give one of `document_id`, `memory_id` and `source`.", hint="`search` and `recall` name them."
        )
    if asked.memory_id is None:
        return await document(house, asked)
    (memory,) = await house.memory.get((asked.memory_id,), asker.caller)
    tokens = budget(asked.token_budget, house.settings.agents)
    page = reading.cut(memory.text[asked.start :], tokens)
    end = min(asked.start, len(memory.text)) + len(page)
    before: tuple[Memory, ...] = ()
    if asked.history:
        before, _ = await house.memory.history(asker.caller, memory_id=memory.id)
    left = max(SHARE_TOKENS_MIN, tokens - reading.tokens_of(page))
    versions = _within(before[-_many(left) :], left)
    return shown.GetAnswer(
        type=memory.type,
        id=memory.id,
        text=page,
        start=asked.start,
        end=end,
        chars=len(memory.text),
        next=end if end < len(memory.text) else None,
        trust=memory.trust,
        source=memory.source,
        memory=shown.MemoryShown.model_validate(memory).model_copy(update={"text": page}),
        history=versions if asked.history else None,
        left_out=len(before) - len(versions) or None,
    )


async def forget(house: House, asked: given.Forget, asker: Asker) -> shown.ForgottenShown:
    """Take memories out of force, or erase what is out of force."""
    done = await house.memory.forget(
        asked.which(), asker.caller, dry_run=asked.dry_run, hard=asked.hard, confirm=asked.confirm
    )
    answer = shown.ForgottenShown.model_validate(done)
    tokens = house.settings.agents.answer_tokens
    return answer.model_copy(update={"memories": _within(done.memories[: _many(tokens)], tokens)})


async def log_event(house: House, asked: given.LogEvent, asker: Asker) -> shown.LoggedShown:
    """Keep what has happened."""
    event = asked.event()
    if "scope" not in asked.model_fields_set:
        event = replace(event, scope=asker.home)
    elif asked.session_id is not None:
        its = (await house.memory.session(asked.session_id, asker.caller)).scope
        if its != asked.scope:
            told = f"Session {asked.session_id} is of {its}, not of {asked.scope}."
            raise RequestInvalid(told, hint="Leave `scope` out: an event is of its session's.", param="scope")
    logged = await house.memory.log_event(event, asker.caller)
    memory = logged.memory
    return shown.LoggedShown(
        id=memory.id,
        session_id=memory.session_id,
        seq=memory.seq,
        scope=memory.scope,
        at=shown.iso(memory.at),
        warnings=list(logged.warnings),
        degraded=list(logged.degraded),
    )


async def session(house: House, asked: given.Session, asker: Asker) -> shown.SessionsShown:
    """Begin, checkpoint, end or look at sessions."""
    if asked.action not in {"get", "list"}:
        asker.must_write("session")
    _refuse_what_is_another_actions(asked)
    if asked.action == "start":
        return await _started(house, asked, asker)
    if asked.action == "list":
        return await _listed(house, asked, asker)
    if asked.session_id is None:
        raise RequestInvalid(
            f"`{asked.action}` needs a `session_id`.",
            hint="`start` and `list` tell them.",
            param="session_id",
        )
    desk, caller = house.memory, asker.caller
    if asked.action == "get":
        one = await desk.session(asked.session_id, caller)
    elif asked.action == "end":
        one = await desk.end_session(asked.session_id, asked.summary, caller)
    elif asked.summary is None:
        raise RequestInvalid(
            "`checkpoint` needs a `summary`.", hint="Say what the next session should know.", param="summary"
        )
    else:
        one = await desk.checkpoint(asked.session_id, asked.summary, caller)
    return shown.SessionsShown(
        session=_session(one, house.settings.agents.answer_tokens),
        warnings=list(one.warnings) or None,
        degraded=list(one.degraded) or None,
    )


_GIVEN_TO: Final[Mapping[str, frozenset[str]]] = {
    "start": frozenset({"scope", "title"}),
    "checkpoint": frozenset({"session_id", "summary"}),
    "end": frozenset({"session_id", "summary"}),
    "get": frozenset({"session_id"}),
    "list": frozenset({"scope", "state", "limit", "after"}),
}
"""What each action of `session` takes."""


def _refuse_what_is_another_actions(asked: given.Session) -> None:
    """A summary that is given to `start` would else be lost, and the agent none the wiser."""
    taken = _GIVEN_TO[asked.action] | {"action"}
    for name, field in given.Session.model_fields.items():
        if name not in taken and getattr(asked, name) != field.default:
            raise RequestInvalid(
                f"`session` takes no `{name}` with the action `{asked.action}`.",
                hint=f"It takes: {', '.join(sorted(taken))}. Nothing was done.",
                param=name,
            )


def _session(row: Session, tokens: int) -> shown.SessionShown:
    """A session with as much of its summary as fits."""
    one = shown.SessionShown.model_validate(row)
    if one.summary is None:
        return one
    return one.model_copy(update={"summary": _cut(one.summary, tokens)})


async def _started(house: House, asked: given.Session, asker: Asker) -> shown.SessionsShown:
    begun = await house.memory.start_session(asked.scope or asker.home, asked.title, asker.caller)
    half = house.settings.agents.answer_tokens // 2
    return shown.SessionsShown(
        session=_session(begun.session, half),
        previous=None if begun.previous is None else _session(begun.previous, half),
        pinned=_within(begun.pinned[: _many(half)], half),
        warnings=list(begun.warnings) or None,
    )


async def _listed(house: House, asked: given.Session, asker: Asker) -> shown.SessionsShown:
    rows = await house.memory.sessions(
        asked.scope, asked.state, asker.caller, limit=asked.limit, after=asked.after
    )
    tokens = house.settings.agents.answer_tokens
    several = [_session(row, max(SHARE_TOKENS_MIN, tokens // len(rows))) for row in rows]
    fitting = reading.fitting(
        (f"{one.title}{one.summary.text if one.summary else ''}" for one in several), tokens
    )
    more = fitting < len(rows) or len(rows) == asked.limit
    return shown.SessionsShown(sessions=several[:fitting], next=rows[fitting - 1].id if more else None)


async def timeline(house: House, asked: given.Timeline, asker: Asker) -> shown.TimelineShown:
    """What happened before and after."""
    found = await house.memory.timeline(
        asker.caller,
        around=asked.around,
        at=asked.at,
        session_id=asked.session_id,
        scope=asked.scope,
        before=asked.before,
        after=asked.after,
    )
    tokens = budget(asked.token_budget, house.settings.agents)
    start, end = _nearest(found, _many(tokens), from_first=asked.before == 0)
    return shown.TimelineShown(
        memories=_within(found.memories[start:end], tokens),
        around=found.around,
        earlier=found.earlier or start > 0,
        later=found.later or end < len(found.memories),
    )


def _nearest(found: Timeline, many: int, *, from_first: bool) -> tuple[int, int]:
    """From where to where so many stand around what was asked for; of none, the last, or the first."""
    ids = [each.id for each in found.memories]
    middle = ids.index(found.around) if found.around in ids else 0 if from_first else len(ids)
    start = max(0, min(middle - many // 2, len(ids) - many))
    return start, min(len(ids), start + many)


def _many(tokens: int) -> int:
    """How many memories have room in a budget."""
    return max(1, tokens // SHARE_TOKENS_MIN)


def _within(memories: Sequence[Memory], tokens: int) -> list[shown.MemoryShown]:
    """All of them; when they are too much together, each with its share of the budget."""
    return _shared([shown.MemoryShown.model_validate(each) for each in memories], tokens)


def _shared(several: list[shown.MemoryShown], tokens: int) -> list[shown.MemoryShown]:
    if sum(reading.tokens_of(each.text) for each in several) <= tokens:
        return several
    share = max(SHARE_TOKENS_MIN, tokens // len(several))
    return [_cut(each, share) for each in several]


def _cut(memory: shown.MemoryShown, tokens: int) -> shown.MemoryShown:
    text = reading.cut(memory.text, tokens)
    return memory if text == memory.text else memory.model_copy(update={"text": text, "cut": True})
