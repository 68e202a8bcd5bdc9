"""What gives way when a scope is full: said in advance, least worth first, never to somebody less trusted.

From nine tenths of a limit on, whatever is stored says how near it is. At the limit a hundredth of it goes
out of force at once, so that not every write has to weigh all. Nothing is erased: `history` knows it, and
`undo` brings it back. Pinned memories stay, and an agent's word never drives out a person's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pi_rag.config import RememberSettings
from pi_rag.errors import ScopeFull
from pi_rag.memory import effects, following
from pi_rag.memory_types import TRUSTS, Caller, MemoryType, Trust
from pi_rag.rank.eviction import worth
from pi_rag.store import Connection
from pi_rag.store.memory import changes, memories, weighing
from pi_rag.store.memory.weighing import Weighable

DAY_S = 86_400.0
NEARLY = 0.9
"""The part of a limit from which on a scope is nearly full."""

SHARE = 100
"""At a limit, one part in so many of it gives way at once."""


def make_room(
    db: Connection,
    scope: str,
    type_: MemoryType,
    settings: RememberSettings,
    caller: Caller,
    now: float,
    last: Collection[int] = (),
) -> tuple[str, ...]:
    """Make room for one more memory; sentences that say how near the scope is to its limit.

    The facts `last` go only after all others: the new one is told to stand beside them.

    Raises ScopeFull when all that is there is pinned, or of people whom this caller may not drive out.
    """
    is_fact = type_ == "fact"
    count = weighing.load(db, scope)[0 if is_fact else 1]
    most = settings.facts_max if is_fact else settings.events_max
    what = "facts" if is_fact else "events"
    if count < NEARLY * most:
        return ()
    if count < most:
        return (
            f"{scope} holds {count} of {most} {what}. At {most} those worth least are evicted; see review.",
        )
    wanted = count - most + max(1, most // SHARE)
    if is_fact:
        going = _worth_least(db, scope, wanted, settings, caller, now, last)
    else:
        going = _oldest(db, scope, wanted, caller)
    if len(going) <= count - most:
        raise ScopeFull(
            f"{scope} holds {count} {what}, as many as it may, and none may give way.",
            hint=f"Forget or unpin some, or raise remember.{what}_max.",
        )
    memories.put_away(db, going, "evicted", now)
    ends = following.effects_of(db, following.given_back(db, going, now))
    effects.done(db, ends, now)
    done = [effects.gone(going, "evicted", now), *ends]
    line = changes.add(db, now, "evict", effects.touched(done), scope, caller, effects.detail_of(done))
    return (f"{scope} was full: {len(going)} {what} were evicted (change {line.id}; undo brings them back).",)


def next_to_go(db: Connection, scope: str, limit: int, settings: RememberSettings, now: float) -> list[int]:
    """The facts that would be evicted first, if the scope is nearly full; else none."""
    if weighing.load(db, scope)[0] < NEARLY * settings.facts_max:
        return []
    return [each.id for each in in_order(weighing.weighable(db, scope), settings, now)[:limit]]


def in_order(rows: Sequence[Weighable], settings: RememberSettings, now: float) -> list[Weighable]:
    """Facts, first what is over, then the less trusted, then what is worth less; the older of equals."""
    return sorted(
        rows, key=lambda row: (not _is_over(row, now), _rank(row.trust), _worth(row, settings, now), row.id)
    )


def _worth_least(
    db: Connection,
    scope: str,
    wanted: int,
    settings: RememberSettings,
    caller: Caller,
    now: float,
    last: Collection[int],
) -> list[int]:
    ordered = in_order(weighing.weighable(db, scope), settings, now)
    ordered.sort(key=lambda row: row.id in last)
    return [row.id for row in ordered if _is_over(row, now) or _may_drive_out(caller, row.trust)][:wanted]


def _oldest(db: Connection, scope: str, wanted: int, caller: Caller) -> list[int]:
    trusts = [trust for trust in TRUSTS if _may_drive_out(caller, trust)]
    return weighing.oldest(db, scope, trusts, wanted)


def _worth(row: Weighable, settings: RememberSettings, now: float) -> float:
    return worth(
        importance=row.importance,
        confidence=row.confidence,
        uses=row.uses,
        repeats=row.repeats,
        idle_s=now - row.touched_at,
        half_life_s=getattr(settings, f"half_life_{row.kind}_days", 0.0) * DAY_S,
    )


def _is_over(row: Weighable, now: float) -> bool:
    return row.ends_at is not None and row.ends_at <= now


def _may_drive_out(caller: Caller, trust: Trust) -> bool:
    return _rank(trust) <= _rank(caller.door)


def _rank(trust: Trust) -> int:
    return TRUSTS.index(trust)
