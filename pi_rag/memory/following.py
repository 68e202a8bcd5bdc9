"""What is to take a fact's place at a later time: a fact on its topic that is not true yet.

Until that begins the older one is in force, and from then on the other: the older one's end is set to the
other's beginning. The end is an effect in the audit log like any other, so that `history` shows it and `undo`
takes it back; and whoever forgets what was to come gives the end back by that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

from pi_rag.memory.effects import Effect, of_detail
from pi_rag.memory.judging import gives_way, is_judged, is_planned, sooner
from pi_rag.memory_types import Memory, Operation, Trust
from pi_rag.store import Connection
from pi_rag.store.memory import changes, memories

Ends = Mapping[int, float | None]
"""By the ids of facts: until when they would hold, if what is gone had never been to come."""

_WISHES: Final = ("change", "merge")
"""Operations by which somebody says until when it holds."""


def next_after(memory: Memory, pinned_by: Trust | None, plans: Iterable[Memory]) -> Memory | None:
    """The first of `plans` that begins later than this one, and may take its place."""
    later = (plan for plan in plans if plan.at > memory.at and gives_way(memory, pinned_by, plan.trust))
    return min(later, key=lambda plan: (plan.at, plan.id), default=None)


def next_on_topic(
    db: Connection, memory: Memory, now: float, *, pinned_by: Trust | None = None
) -> Memory | None:
    """What is to take the place of this one. `pinned_by`: of one that is not stored yet."""
    if memory.topic is None:
        return None
    found = memories.on_topic(db, memory.scope, memory.topic)
    plans = [each for each in found if is_planned(each, now)]
    if not plans:
        return None
    return next_after(memory, memories.pinned_by(db, memory.id) if memory.id else pinned_by, plans)


def ended(db: Connection, by: Memory, ids: Sequence[int], ends: Ends) -> list[Effect]:
    """The effects by which these end where `by` begins, at the latest; and of other `ends` that are given."""
    those = [each for each in memories.get(db, ids) if each.gone is None]
    return effects_of(
        db, {**ends, **{each.id: sooner(ends.get(each.id, each.valid_to), by.at) for each in those}}
    )


def given_back(db: Connection, gone: Sequence[int], now: float) -> dict[int, float | None]:
    """The ends that were set for the sake of facts that now go before they began: what they were before.

    To be looked at once these are out of force. Another that is to come may end them now.
    """
    ends: dict[int, float | None] = {}
    for plan in memories.get(db, memories.to_come(db, gone, now)):
        for each in _ended_by(db, plan, set(gone)):
            told, before = _before(db, each)
            if told:
                after = next_on_topic(db, each, now)
                ends[each.id] = sooner(before, after.at if after else None)
    return ends


def effects_of(db: Connection, ends: Ends) -> list[Effect]:
    """The effects by which these ends are set."""
    now = {memory.id: memory.valid_to for memory in memories.get(db, list(ends))}
    return [Effect((each,), {"valid_to": (now[each], end)}) for each, end in ends.items() if now[each] != end]


def clash(db: Connection, ids: Sequence[int], now: float) -> tuple[int, int] | None:
    """The first of these, and another on its topic, that would hold at once; None: there are no such two.

    Two facts stand on one topic only where the newer may not take the older one's place, or where they were
    brought so; so two of these, which stood there together before, may do so again.
    """
    for memory_id in memories.with_topic(db, ids):
        memory = memories.one(db, memory_id)
        assert memory is not None
        if memory.topic is None or memory.gone is not None:
            continue
        for other in memories.on_topic(db, memory.scope, memory.topic):
            if other.id not in ids and _overlap(db, memory, other, now):
                return memory.id, other.id
    return None


def _overlap(db: Connection, one: Memory, other: Memory, now: float) -> bool:
    """Whether the two hold at once, now or at a later time, though one may end the other."""
    if is_judged(one, now) and is_judged(other, now):
        older, newer = sorted((one, other), key=lambda each: each.id)
        return gives_way(older, memories.pinned_by(db, older.id), newer.trust)
    if not all(is_judged(each, now) or is_planned(each, now) for each in (one, other)):
        return False
    first, then = sorted((one, other), key=lambda each: (each.at, each.id))
    is_over = first.valid_to is not None and first.valid_to <= then.at
    return not is_over and gives_way(first, memories.pinned_by(db, first.id), then.trust)


def said(ends: Sequence[Effect], new: Memory) -> tuple[str, ...]:
    """What an answer says of those that end where the new one begins."""
    these = [each.ids[0] for each in ends if each.values["valid_to"][1] == new.at]
    return tuple(f"Memory {each} holds until {_moment(new.at)}; then this takes its place." for each in these)


def said_of_next(new: Memory, plan: Memory | None) -> tuple[str, ...]:
    """What an answer says of what is to take the new one's place."""
    if plan is None or new.valid_to != plan.at:
        return ()
    return (f"It holds until {_moment(plan.at)}; then memory {plan.id} takes its place.",)


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _ended_by(db: Connection, plan: Memory, without: Collection[int]) -> list[Memory]:
    """Those in force that end where this one was to begin: of its topic, or named by it."""
    found = [] if plan.topic is None else memories.on_topic(db, plan.scope, plan.topic)
    found += [] if plan.supersedes is None else memories.get(db, [plan.supersedes])
    fitting = {each.id: each for each in found if each.gone is None and each.valid_to == plan.at}
    return [each for each in fitting.values() if each.id not in without]


def _before(db: Connection, memory: Memory) -> tuple[bool, float | None]:
    """Whether its end was set for the sake of plans, not by somebody's wish; and what it was before them all.

    One plan after the other may have ended it, and some of them be gone.
    """
    ends = _ends_set(db, memory)
    if not ends or ends[0][0] == "change":
        return False, None
    since = takewhile(lambda end: end[0] not in _WISHES, ends[1:])
    return True, [ends[0], *since][-1][1]


def _ends_set(db: Connection, memory: Memory) -> list[tuple[Operation, float | None]]:
    """By what its end was set, and what it was before; the newest first. What was undone is as if never done,
    and its undoing with it.
    """
    return [
        (change.operation, effect.values["valid_to"][0])
        for change in reversed(changes.of(db, [memory.id]))
        if change.operation != "undo" and change.undone_by is None
        for effect in reversed(of_detail(change.detail))
        if memory.id in effect.ids and "valid_to" in effect.values
    ]
