"""Which of the waiting texts go to a free worker together. Pure: no clock, no queue, no process.

Queries before any ingest, unless ingest has waited too long. The text that must be answered first leads, and
those nearest to it in length go with it, the longest first, until the batch would take longer than the
machine's curve says is worth it. So a long text goes alone and short ones share the way: the size comes from
the work and the machine, not from a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pi_rag.embedder.curve import Curve

if TYPE_CHECKING:
    from pi_rag.types import Lane


class Waiting(Protocol):
    """A text that waits; times are on the monotonic clock."""

    @property
    def encoded(self) -> bytes:
        """As it will travel."""
        ...

    @property
    def tokens(self) -> int:
        """How long it is."""
        ...

    @property
    def since_s(self) -> float:
        """When it came."""
        ...

    @property
    def deadline_s(self) -> float:
        """Until when it is of use."""
        ...

    @property
    def alone(self) -> bool:
        """True for a text that must not share its fate with others."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """Bounds on every batch."""

    texts_max: int
    bytes_max: int
    """One text alone may be larger."""
    ingest_wait_s_max: float
    """Ingest that has waited longer goes before queries, with one worker at most."""


def lane_of_next(
    queries: Sequence[Waiting], ingest: Sequence[Waiting], rules: Rules, *, now_s: float, ingest_workers: int
) -> Lane | None:
    """Whose turn it is at a worker that may do both; `ingest_workers` are busy with ingest already."""
    if not ingest:
        return "query" if queries else None
    starved = now_s - min(text.since_s for text in ingest) > rules.ingest_wait_s_max
    return "query" if queries and not (starved and ingest_workers == 0) else "ingest"


def batch(waiting: Sequence[Waiting], curve: Curve, rules: Rules, *, idle_workers: int) -> list[int]:
    """Indices of the texts of one lane that go together, longest first; some, when any wait.

    `idle_workers` share what waits: two texts for two free workers are not one batch.
    """
    if not waiting:
        return []
    lead = min(range(len(waiting)), key=lambda index: _due_s(waiting[index], rules))
    if waiting[lead].alone:
        return [lead]
    room = min(rules.texts_max, -(-len(waiting) // max(1, idle_workers))) - 1
    chosen = [lead]
    cost_ms, size = curve.text_ms(waiting[lead].tokens), len(waiting[lead].encoded)
    for index in _nearest(waiting, lead)[:room]:
        cost_ms += curve.text_ms(waiting[index].tokens)
        size += len(waiting[index].encoded)
        if cost_ms > curve.batch_ms or size > rules.bytes_max:
            break
        chosen.append(index)
    return sorted(chosen, key=lambda index: -waiting[index].tokens)


def _due_s(text: Waiting, rules: Rules) -> float:
    """By when it should lead: whoever has time is not passed over for ever by those who have none."""
    return min(text.deadline_s, text.since_s + rules.ingest_wait_s_max)


def _nearest(waiting: Sequence[Waiting], lead: int) -> list[int]:
    """The others that may share, nearest in length first."""
    others = (index for index, text in enumerate(waiting) if index != lead and not text.alone)
    return sorted(others, key=lambda index: abs(waiting[index].tokens - waiting[lead].tokens))
