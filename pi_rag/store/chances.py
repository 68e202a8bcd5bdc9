"""What cosines are by chance in this database, learned from some of its passages and kept in RAM.

It is learned again when the passages have become others: another model, or a quarter more. Nothing of it is
written, because it costs some milliseconds and comes out the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pi_rag.index.chance import Likeness, likeness
from pi_rag.rank.calibrated import Chance
from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, value
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
    """One for each table of vectors. Several readers may ask at once; the last one's sample stays."""

    def __init__(self, table: str = "vectors", number: str = "chunk_id") -> None:
        self._table, self._number = table, number
        # Two looks at the ends of the table; min and max of one SELECT would read all of it.
        self._ends = f"SELECT (SELECT min({number}) FROM {table}), (SELECT max({number}) FROM {table})"
        self._learned: _Learned | None = None

    def of(self, db: Connection, vector: bytes, model: Fingerprint) -> Chance | None:
        """For one query's vector, made by `model`; None while there are too few passages to tell."""
        first, last = all_rows(db, self._ends)[0]
        if first is None:
            return None
        learned = self._learned
        if learned is None or learned.model != model or not _still(learned.reach, last - first + 1):
            learned = self._learned = _Learned(
                model, last - first + 1, self._likeness(db, first, last, model)
            )
        if learned.likeness is None:
            return None
        return Chance(learned.likeness.mean(vector), learned.likeness.deviation)

    def _likeness(self, db: Connection, first: int, last: int, model: Fingerprint) -> Likeness | None:
        """From passages at even distances, so that the same database always gives the same.

        Where most of these have no passage, the newest ones tell: a few old ones may stand before a long gap.
        """
        step = max(1.0, (last - first + 1) / SAMPLE)
        at = {first + int(place * step) for place in range(SAMPLE)}
        table, number = self._table, self._number
        after = f"SELECT {number} FROM {table} WHERE {number} >= ? ORDER BY {number} LIMIT 1"
        found = {value(db, after, (each,)) for each in sorted(at) if each <= last}
        if len(found) < SAMPLE // 2:
            newest = f"SELECT {number} FROM {table} ORDER BY {number} DESC LIMIT ?"
            found |= {each for (each,) in all_rows(db, newest, (SAMPLE,))}
        if len(found) < PASSAGES_MIN:
            return None
        sql = (
            f"SELECT {number}, vector FROM json_each(?) AS given CROSS JOIN {table} ON {number} = given.value"
        )
        rows = all_rows(db, sql, (json.dumps(sorted(found)),))
        return likeness(b"".join(vector for _, vector in rows), model.dimensions)


def _still(before: int, now: int) -> bool:
    return before / GROWTH < now < before * GROWTH
