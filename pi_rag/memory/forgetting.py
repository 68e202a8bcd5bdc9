"""Forgetting: by ids at once, by a filter after a dry run; softly, and for good what is forgotten already.

What is forgotten softly is out of every recall and can be brought back. Erased for good means that it is
gone from rows, words, vectors and the file's bytes; only what is out of force already can be erased, so that
no one slip of a guest loses anything, and what is a person's only by a person.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pi_rag.errors import EraseFirstForget, ForgetAll, ForgetUnconfirmed, MemoryNotFound, PersonsOnly
from pi_rag.memory import effects, following
from pi_rag.memory.means import Means
from pi_rag.memory.scopes import allowed
from pi_rag.memory_types import Caller, Forgotten, Which
from pi_rag.store import Connection
from pi_rag.store.memory import changes, erasing, memories, which

SHOWN_MAX = 20
"""How many of what is meant an answer shows."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be forgotten."""

    which: Which
    caller: Caller
    hard: bool
    now: float
    confirm: str | None = None


async def forget(
    means: Means, which: Which, caller: Caller, *, dry_run: bool, hard: bool, confirm: str | None
) -> Forgotten:
    """Take out of force, or erase. Raises as `MemoryDesk.forget`."""
    if which.scope is not None:
        allowed(caller, [which.scope])
    if replace(which, scope=None) == Which():
        raise ForgetAll("Nothing says which memories are meant.")
    order = _Order(which, caller, hard, means.clock.wall_s(), confirm)
    if dry_run:
        return await means.store.read(_looked_at, order)
    forgotten = await means.store.write(_forgotten, order)
    if hard and forgotten.count:
        await erasing.emptied(means.store)
    return forgotten


def names_ids_alone(which: Which) -> bool:
    """Whether it names each memory: then there is nothing to be mistaken in."""
    return bool(which.ids) and which == Which(ids=which.ids)


def _looked_at(db: Connection, order: _Order) -> Forgotten:
    """The dry run."""
    ids = _meant(db, order)
    shown = tuple(memories.get(db, ids[:SHOWN_MAX]))
    return Forgotten(True, order.hard, len(ids), shown, _confirmation(ids, order.hard))


def _forgotten(db: Connection, order: _Order) -> Forgotten:
    """The transaction."""
    ids = _meant(db, order)
    if not names_ids_alone(order.which) and order.confirm != _confirmation(ids, order.hard):
        raise ForgetUnconfirmed(
            "It was not confirmed." if order.confirm is None else "Something else is meant by it now.",
            param="confirm",
        )
    shown, lines = memories.get(db, ids[:SHOWN_MAX]), list[int]()
    by_scope = memories.by_scope(db, ids)  # a line of the audit log is of one scope
    if order.hard:
        _check_whose(db, order.caller, ids)
        erasing.erase(db, ids)
    for scope, those in by_scope.items():
        lines.append(_put_away(db, order, scope, those, lines))
    if not order.hard:
        shown = memories.get(db, [memory.id for memory in shown])
    return Forgotten(False, order.hard, len(ids), tuple(shown), change_id=lines[-1] if lines else None)


def _put_away(db: Connection, order: _Order, scope: str, ids: Sequence[int], together: Sequence[int]) -> int:
    """Those of one scope. Returns the line of the audit log; it names the lines of the other scopes, and so
    undoing the last of them undoes all.
    """
    if order.hard:
        return changes.add(db, order.now, "erase", ids, scope, order.caller, {}).id
    memories.put_away(db, ids, "forgotten", order.now)
    ends = following.effects_of(db, following.given_back(db, ids, order.now))
    effects.done(db, ends, order.now)
    done = [effects.gone(ids, "forgotten", order.now), *ends]
    detail = effects.detail_of(done, together=list(together))
    return changes.add(db, order.now, "forget", effects.touched(done), scope, order.caller, detail).id


def _meant(db: Connection, order: _Order) -> list[int]:
    """The ids of what is meant, ascending: in force for a soft forgetting, out of force for a hard one.

    Raises MemoryNotFound and EraseFirstForget for ids that are named.
    """
    found = which.matching(db, order.which, order.caller.scopes, order.now, gone=order.hard)
    if names_ids_alone(order.which):
        others = set(order.which.ids) - set(found)
        seen = which.matching(db, order.which, order.caller.scopes, order.now, gone=not order.hard)
        if lacking := sorted(others - set(seen)):
            raise MemoryNotFound(f"There is no memory {lacking[0]}.", param="ids")
        if order.hard and others:
            raise EraseFirstForget(f"Memory {min(others)} is in force.", param="ids")
    return found


def _check_whose(db: Connection, caller: Caller, ids: Sequence[int]) -> None:
    """An agent may have been told to by a text that it has read. Raises PersonsOnly."""
    if caller.door == "person":
        return
    if (found := memories.a_persons(db, ids)) is not None:
        raise PersonsOnly(f"Memory {found} is a person's, or a person pinned it.", param="ids")


def _confirmation(ids: Sequence[int], hard: bool) -> str:
    """Stands for exactly this being done."""
    return hashlib.blake2b(json.dumps([hard, *ids]).encode(), digest_size=8).hexdigest()
