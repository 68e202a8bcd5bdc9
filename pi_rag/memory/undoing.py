"""Taking a change back: the way back of its effects, as the audit log has them, and a line of its own there.

Nothing is done when something later stands on it. An undoing can be undone; what was erased cannot come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pi_rag.errors import ChangeFinal, ChangeNotFound
from pi_rag.memory import effects, following
from pi_rag.memory.effects import Effect
from pi_rag.memory.means import Means
from pi_rag.memory.scopes import sees
from pi_rag.memory_types import Caller, Change
from pi_rag.store import Connection
from pi_rag.store.memory import changes, memories


async def undo(means: Means, change_id: int | None, caller: Caller) -> Change:
    """Take a change back. Raises ChangeNotFound, ChangeFinal."""
    return await means.store.write(_undone, change_id, caller, means.clock.wall_s())


def _undone(db: Connection, change_id: int | None, caller: Caller, now: float) -> Change:
    """The transaction."""
    change = _meant(db, change_id, caller)
    # What one request has done in several scopes is taken back in all of them that the caller may see.
    others = [_taken_back(db, each, caller, now).id for each in _together(db, change, caller)]
    return _taken_back(db, change, caller, now, together=others)


def _taken_back(db: Connection, change: Change, caller: Caller, now: float, **more: Any) -> Change:
    """One line of the log, in the scope that it is of: as much of it as is not erased."""
    if change.operation == "erase":
        raise ChangeFinal(f"Change {change.id} erased for good.")
    if change.undone_by is not None:
        raise ChangeFinal(f"Change {change.id} was undone already, by change {change.undone_by}.")
    left = memories.there(db, change.memory_ids)
    done = effects.of_detail(change.detail)
    if len(left) < len(change.memory_ids) and not (done and all(each.ids for each in done)):
        raise ChangeFinal(f"Memory {min(set(change.memory_ids) - set(left))} was erased since.")
    back = _put_back(db, done, now)
    detail = effects.detail_of(back, undoes=change.id, operation=change.operation, **more)
    undoing = changes.add(db, now, "undo", [*left, *effects.touched(back)], change.scope, caller, detail)
    changes.undone(db, change.id, undoing.id)
    if change.operation == "undo":
        changes.undone(db, change.detail["undoes"], None)
    return undoing


def _put_back(db: Connection, done: Sequence[Effect], now: float) -> list[Effect]:
    """Do the way back of these, and give back what it was.

    An end that was set later for the sake of a plan that goes by this is given back as well. One that the
    change had set itself is so by then, and is not set twice.
    """
    back = effects.backwards(done)
    returned = effects.done(db, back, now)
    ends = following.effects_of(db, following.given_back(db, _going(back), now))
    returned += effects.done(db, ends, now)
    _check_topics(db, returned, now)
    return [*back, *ends]


def _going(back: Sequence[Effect]) -> list[int]:
    """What goes out of force by it."""
    return effects.touched([each for each in back if each.values.get("gone", ("", None))[1] is not None])


def _together(db: Connection, change: Change, caller: Caller) -> list[Change]:
    """What else was done with it, and is not taken back or erased yet."""
    found = [changes.get(db, each) for each in change.detail.get("together", ())]
    return [
        each
        for each in found
        if each is not None
        and sees(caller, each.scope)
        and each.undone_by is None
        and memories.there(db, each.memory_ids)
    ]


def _meant(db: Connection, change_id: int | None, caller: Caller) -> Change:
    if change_id is None:
        change = changes.last_of(db, caller)
        if change is None:
            raise ChangeNotFound("This client has made no change that could be taken back.")
        if (erased := changes.last_erasure(db, caller)) > change.id:
            # What came before may be about something else altogether.
            raise ChangeFinal(
                f"The last change of this client, {erased}, erased for good.",
                hint=f"The one before it that can be taken back: pi-rag undo {change.id}",
            )
        return change
    change = changes.get(db, change_id)
    if change is None or not sees(caller, change.scope):
        raise ChangeNotFound(f"There is no change {change_id}.", param="change_id")
    return change


def _check_topics(db: Connection, returned: Sequence[int], now: float) -> None:
    """Raises ChangeFinal, and the transaction is rolled back."""
    if (clash := following.clash(db, returned, now)) is not None:
        one, other = clash
        raise ChangeFinal(
            f"Memory {other} stands in the place of {one} since.",
            hint=f"Forget {other} first, or take back an older change: pi-rag memory log",
        )
