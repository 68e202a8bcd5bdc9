"""What is out of force does not pile up for ever: beyond its bound the oldest of a scope is erased.

Not what a person has pinned. What somebody has forgotten stays a day at least, so that a slip with a filter
can be undone whatever the bound is. What a person said goes last, or an agent that stores much would drive
it out.
"""

from __future__ import annotations

from typing import Final

from pi_rag.memory.means import Means
from pi_rag.store import Connection
from pi_rag.store.memory import changes, erasing, weighing

AT_ONCE: Final = 200
"""Memories of one transaction. Other writers wait a second for it among 50,000 events, mostly as for one."""

SHARE: Final = 100
"""One part in so many of the bound goes beyond what must: each time the word index is written anew."""

FORGOTTEN_S_MIN: Final = 86_400.0
"""How long what somebody has forgotten can be brought back at least."""


async def clear(means: Means) -> int:
    """Erase some of what is gone beyond the bound, of one scope: how many. Raises as the store does."""
    for scope in await means.store.read(weighing.overgrown, means.settings.gone_max):
        now, gone_max = means.clock.wall_s(), means.settings.gone_max
        if erased := await means.store.write(_cleared, scope, gone_max, now):
            await erasing.emptied(means.store)
            return erased
    return 0


def _cleared(db: Connection, scope: str, gone_max: int, now: float) -> int:
    """The transaction."""
    beyond = weighing.gone(db, scope) - gone_max
    if beyond <= 0:
        return 0
    wanted = min(AT_ONCE, beyond + gone_max // SHARE)
    going = weighing.longest_gone(db, scope, wanted, now - FORGOTTEN_S_MIN)
    if going:
        erasing.erase(db, going)
        changes.add(db, now, "erase", going, scope, None)
    return len(going)
