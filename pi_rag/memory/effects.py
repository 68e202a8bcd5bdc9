"""What a change did to the rows of memories, as it stands in the audit log; and the way back.

An effect says of some memories which columns had which value before, and which after. Taken the other way
round it is what undoing does, so that an undoing is a change like any other, and can be undone itself. It
holds no text. What was not there yet before a change counts as forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pi_rag.errors import ChangeFinal
from pi_rag.memory_types import Memory
from pi_rag.store import Connection
from pi_rag.store.memory import memories

Values = Mapping[str, tuple[Any, Any]]
"""By column: before, after."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The same done to some memories."""

    ids: tuple[int, ...]
    values: Values


_ENDS: Final = ("valid_to", "expires_at")

_COUNTED: Final = ("repeats", "last_said_at")

CREATED: Values = {"gone": ("forgotten", None)}


def created(wanted_end: float | None, end: float | None) -> Values:
    """One came to be; it ends before it was to, where another is to take its place."""
    return CREATED if wanted_end == end else {**CREATED, "valid_to": (wanted_end, end)}


def gone(ids: Iterable[int], why: str, at: float) -> Effect:
    """These went out of force."""
    return Effect(tuple(ids), {"gone": (None, why), "gone_at": (None, at)})


def superseded(ids: Iterable[int], by: int, at: float) -> Effect:
    """Another took the place of these."""
    return Effect(tuple(ids), {**gone((), "superseded", at).values, "superseded_by": (None, by)})


def touched(effects: Sequence[Effect]) -> list[int]:
    """The ids of all that something was done to."""
    return [each for effect in effects for each in effect.ids]


def detail_of(effects: Sequence[Effect], **more: Any) -> dict[str, Any]:
    """As it is written into the audit log."""
    told = [{"ids": list(each.ids), "set": {k: list(v) for k, v in each.values.items()}} for each in effects]
    return more | {"effects": told}


def of_detail(detail: Mapping[str, Any]) -> list[Effect]:
    """As it was written."""
    return [
        Effect(tuple(each["ids"]), {k: (before, after) for k, (before, after) in each["set"].items()})
        for each in detail.get("effects", ())
    ]


def backwards(effects: Sequence[Effect]) -> list[Effect]:
    """The way back."""
    return [
        Effect(each.ids, {name: (after, before) for name, (before, after) in each.values.items()})
        for each in reversed(effects)
    ]


def done(db: Connection, effects: Sequence[Effect], now: float) -> list[int]:
    """Do it, and give back the ids of what came into force by it, or may hold for another time.

    Raises ChangeFinal, before anything is done, when something is not as it was left. No text is read for it:
    there may be many, and the writer is held.
    """
    for each in effects:
        _check(db, each)
    returned: list[int] = []
    for each in effects:
        returned += _do(db, each, now)
    return returned


def _check(db: Connection, effect: Effect) -> None:
    """A count is taken back by its difference, whatever was counted since."""
    before = {name: values[0] for name, values in effect.values.items() if name not in _COUNTED}
    changed = memories.unlike(db, effect.ids, _stored(before))
    if changed is not None:
        raise ChangeFinal(f"Memory {changed} was changed again since.")


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """As the columns have it."""
    if "tags" not in values:
        return dict(values)
    return {**values, "tags": json.dumps(list(values["tags"]), ensure_ascii=False)}


def _do(db: Connection, effect: Effect, now: float) -> list[int]:
    values = {name: after for name, (_, after) in effect.values.items()}
    if "gone" in values:
        why, by, at = values.pop("gone"), values.pop("superseded_by", None), values.pop("gone_at", None)
        if why is None:
            memories.restore(db, effect.ids)
        else:
            memories.put_away(db, effect.ids, why, now if at is None else at, by)
    if "repeats" in values:
        del values["repeats"], values["last_said_at"]
        for memory in memories.get(db, effect.ids):
            _count(db, memory, effect)
    if values:
        for memory_id in effect.ids:
            memories.change(db, memory_id, _stored(values))
    returns = effect.values.get("gone", ("", ""))[1] is None or not effect.values.keys().isdisjoint(_ENDS)
    return list(effect.ids) if returns else []


def _count(db: Connection, memory: Memory, effect: Effect) -> None:
    """Once more or once less. When it was said last is put back only if it was not said again since."""
    (before, after), (left_at, said_at) = effect.values["repeats"], effect.values["last_said_at"]
    if after > before:
        memories.said_again(db, memory.id, max(said_at, memory.last_said_at))
    else:
        memories.said_less(db, memory.id, said_at if memory.last_said_at == left_at else memory.last_said_at)
