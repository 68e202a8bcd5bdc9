"""What a memory's own signals leave of its score, beside how well it fits: pure arithmetic.

Each is a factor from a floor up to 1, so that none of them lifts what does not fit. A factor that is the same
for all changes no order. It knows no texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from pi_rag.memory_types import TRUSTS, Memory, Trust
from pi_rag.rank import recency

FADES: Final[Mapping[str, float]] = {"event": 0.05, "state": 0.5}
"""How much of its score age can take, by kind. An old state is most likely not so any more. An old event is
still what happened: only of events that fit alike the newer one is meant."""

FADES_ELSE: Final = 0.2

UNIMPORTANT, DOUBTED, NEVER_USED, UNLINKED = 0.2, 0.5, 0.05, 0.1
"""What can be taken from what has no importance, no confidence, was never recalled, or names nothing of what
the query names."""

USES_HALF: Final = 4.0
"""After so many recalls half of what never being recalled takes is back."""

TRUSTED: Final[Mapping[Trust, float]] = {"person": 1.0, "agent": 0.97, "document": 0.94, "web": 0.85}
"""What is left of a score by whose word it is."""


def signals(memory: Memory, now: float, half_life_days: float, link: float) -> dict[str, float]:
    """The factors of a memory at a time. `link` is from 0 to 1: how much of what the query names it names."""
    return {
        "recency": _left(memory, now, half_life_days),
        "importance": 1 - UNIMPORTANT * (1 - memory.importance),
        "confidence": 1 - DOUBTED * (1 - memory.confidence),
        "uses": 1 - NEVER_USED * math.exp2(-memory.uses / USES_HALF),
        "links": 1 - UNLINKED * (1 - link),
        "trust": TRUSTED[memory.trust],
    }


def product(factors: Mapping[str, float]) -> float:
    """All of them together."""
    return math.prod(factors.values())


def by_trust(order: Sequence[Memory | None]) -> list[int]:
    """The places of a ranking in another order: facts on one topic of a scope change among their own places.

    Of these the more trusted stand first, and a pinned one before one that is not: what contradicts a fact
    without being trusted as much is never above it.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for place, memory in enumerate(order):
        if memory is not None and memory.type == "fact" and memory.topic is not None:
            groups.setdefault((memory.scope, memory.topic), []).append(place)
    places = list(range(len(order)))
    for group in groups.values():
        ranked = sorted(group, key=lambda place: _standing(order[place]), reverse=True)
        for place, taken in zip(group, ranked, strict=True):
            places[place] = taken
    return places


def _standing(memory: Memory | None) -> tuple[int, bool]:
    assert memory is not None
    return TRUSTS.index(memory.trust), memory.pinned


def _left(memory: Memory, now: float, half_life_days: float) -> float:
    """What is pinned does not age, nor what has no half-life. A fact is as old as when it was said last."""
    if memory.pinned or not half_life_days:
        return 1.0
    at = memory.at if memory.type == "event" else max(memory.at, memory.last_said_at)
    kind = memory.kind if memory.type == "fact" else memory.type
    return recency.left(now - at, half_life_days, FADES.get(kind, FADES_ELSE))
