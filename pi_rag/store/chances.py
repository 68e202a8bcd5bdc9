"""What cosines are by chance in this database, learned from some of its passages and kept in RAM.

It is learned again when the passages have become others: another model, or a quarter more. Nothing of it is
written, because it costs some milliseconds and comes out the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from pi_rag.index.chance import Likeness, likeness
from pi_rag.rank.calibrated import Chance
from pi_rag.store import Connection, vectors
from pi_rag.store.rows import value
from pi_rag.types import Fingerprint

SAMPLE = 256
"""Passages that are looked at. Four times as many change no figure of benchmarks.quality."""

PASSAGES_MIN = 16
"""Of fewer there is nothing to learn."""

GROWTH = 1.25
"""Learned again when there are this many times as many."""


@dataclass(frozen=True, slots=True)
class _Learned:
    model: Fingerprint
    reach: int
    """How many numbers of passages there were when it was learned."""
    likeness: Likeness | None


class Chances:
    """One for the life of the service. Several readers may ask at once; the last one's sample stays."""

    def __init__(self) -> None:
        self._learned: _Learned | None = None

    def of(self, db: Connection, vector: bytes, model: Fingerprint) -> Chance | None:
        """For one query's vector, made by `model`; None while there are too few passages to tell."""
        # Two looks at the ends of the table; min and max in one SELECT would read all of it.
        first = value(db, "SELECT min(chunk_id) FROM vectors")
        last = value(db, "SELECT max(chunk_id) FROM vectors")
        if first is None:
            return None
        learned = self._learned
        if learned is None or learned.model != model or not _still(learned.reach, last - first + 1):
            learned = self._learned = _Learned(model, last - first + 1, _likeness(db, first, last, model))
        if learned.likeness is None:
            return None
        return Chance(learned.likeness.mean(vector), learned.likeness.deviation)


def _still(before: int, now: int) -> bool:
    return before / GROWTH < now < before * GROWTH


def _likeness(db: Connection, first: int, last: int, model: Fingerprint) -> Likeness | None:
    """From passages at even distances, so that the same database always gives the same."""
    step = max(1.0, (last - first + 1) / SAMPLE)
    at = {first + int(place * step) for place in range(SAMPLE)}
    after = "SELECT chunk_id FROM vectors WHERE chunk_id >= ? ORDER BY chunk_id LIMIT 1"
    found = {value(db, after, (number,)) for number in sorted(at) if number <= last}
    if len(found) < PASSAGES_MIN:
        return None
    rows = vectors.of(db, sorted(found))
    return likeness(b"".join(vector for _, vector in rows), model.dimensions)
