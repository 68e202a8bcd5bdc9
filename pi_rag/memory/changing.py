"""Changing what may be changed of a fact in force: pin, importance, and how long it holds. Never its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pi_rag.errors import MemoryNotFound, RequestInvalid
from pi_rag.memory import effects, following
from pi_rag.memory.checking import moment, share
from pi_rag.memory.effects import Effect
from pi_rag.memory.means import Means
from pi_rag.memory.scopes import sees
from pi_rag.memory_types import Caller, Memory, Remembered
from pi_rag.store import Connection
from pi_rag.store.memory import changes, memories

_ENDS: Final = ("expires_at", "valid_to")


async def change(means: Means, memory_id: int, caller: Caller, wanted: Mapping[str, Any]) -> Remembered:
    """Set some of pinned, importance, expires_at, valid_to. Raises MemoryNotFound, RequestInvalid."""
    if "importance" in wanted:
        share(wanted["importance"], "importance")
    for name in _ENDS:
        moment(wanted.get(name), name)
    return await means.store.write(_changed, memory_id, caller, wanted, means.clock.wall_s())


def seen(db: Connection, memory_id: int, caller: Caller) -> Memory:
    """A memory that the caller may see. Raises MemoryNotFound."""
    found = memories.one(db, memory_id)
    if found is None or not sees(caller, found.scope):
        raise MemoryNotFound(f"There is no memory {memory_id}.", param="ids")
    return found


def _changed(
    db: Connection, memory_id: int, caller: Caller, wanted: Mapping[str, Any], now: float
) -> Remembered:
    """The transaction. What is as wanted already is no change."""
    memory = seen(db, memory_id, caller)
    if memory.type != "fact":
        raise RequestInvalid(f"Memory {memory_id} is no fact: what has happened is not changed.")
    if memory.gone is not None:
        hint = f"See by which change, and undo that: pi-rag history {memory_id}"
        raise RequestInvalid(f"Memory {memory_id} is {memory.gone}.", hint=hint)
    valid_to = wanted.get("valid_to")
    if valid_to is not None and valid_to <= memory.at:
        raise RequestInvalid("valid_to is not after the time from which it is true.", param="valid_to")
    values = _values(memory, memories.pinned_by(db, memory_id), caller, wanted)
    if not values:
        return Remembered("merged", memory)
    effect = Effect((memory_id,), values)
    effects.done(db, [effect], now)
    _check_topic(db, effect, now)
    detail = effects.detail_of([effect])
    noted = changes.add(db, now, "change", [memory_id], memory.scope, caller, detail)
    return Remembered("merged", seen(db, memory_id, caller), change_id=noted.id)


def _check_topic(db: Connection, effect: Effect, now: float) -> None:
    """What holds for longer may meet what was said since. Raises RequestInvalid, and all is rolled back."""
    lengthened = [name for name in _ENDS if _is_later(*effect.values.get(name, (None, None)))]
    clash = following.clash(db, effect.ids, now) if lengthened else None
    if clash is not None:
        one, other = clash
        raise RequestInvalid(
            f"Memory {one} would hold beside memory {other} on one topic.",
            hint=f"Forget one of the two, or let {one} end before {other} begins.",
            param=lengthened[0],
        )


def _is_later(before: float | None, after: float | None) -> bool:
    """None is no end."""
    return before is not None and (after is None or after > before)


def _values(
    memory: Memory, pinned_by: str | None, caller: Caller, wanted: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """What differs from what is wanted, by column: before and after."""
    values = {
        name: (getattr(memory, name), after)
        for name, after in wanted.items()
        if name != "pinned" and getattr(memory, name) != after
    }
    if "pinned" in wanted and wanted["pinned"] != memory.pinned:
        values["pinned_by"] = (pinned_by, caller.door if wanted["pinned"] else None)
    return values
