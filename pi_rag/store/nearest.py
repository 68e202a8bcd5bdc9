"""The passages nearest in meaning: proposed by the RAM index where it pays, decided by exact vectors always.

A proposal is only a number. What is not in the database any more, or not within the scope, falls out when the
exact vectors are read, so an index that is behind can miss a passage but never name a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pi_rag.index.proposer import Proposer
from pi_rag.store import Connection, identity, plan, scope, vectors
from pi_rag.store.derived import Derived
from pi_rag.store.plan import WIDER, Plan
from pi_rag.store.rows import all_rows
from pi_rag.store.vectors import Distance, Scored, cosine
from pi_rag.types import Scope


@dataclass(frozen=True, slots=True)
class Nearest:
    """(chunk_id, cosine), nearest first, and how they were found."""

    found: Scored
    explain: dict[str, Any]


def nearest(
    db: Connection, derived: Derived, vector: bytes, k: int, within: Scope, sure: int | None = None
) -> Nearest:
    """The `k` passages nearest to a unit vector (float32 little-endian); `sure` is told at `plan.choose`.

    Raises VectorInvalid for a vector of another width, FilterInvalid.
    """
    model = identity.fingerprint(db)
    if model is None:
        return Nearest([], {"way": "all", "why": "there is no model yet"})
    vectors.check_size(vector, 1, model.dimensions)
    index, reason = derived.usable(model)
    known, breadth = (None, 1) if index is None else (len(index), index.breadth)
    chosen = plan.choose(known, reason, breadth, k, derived.settings, sure)
    if index is None or chosen.way == "all":
        return Nearest(exact(db, vector, k, within), {"way": chosen.way, "why": chosen.why})
    if not within.everything:
        return _scoped(db, index, vector, k, within, chosen)
    derived.asked(vector)
    proposals = index.propose(vector, chosen.proposals)
    return _nearest(vectors.nearest_of(db, vector, k, proposals), chosen, proposals=len(proposals))


def exact(db: Connection, vector: bytes, k: int, within: Scope) -> Scored:
    """The same by comparing all that is within the scope, which is applied before the `k` are chosen."""
    among, bindings = ("", []) if within.everything else scope.chunk_ids(within)
    return _scored(vectors.nearest(db, vector, k, among, bindings))


def _scoped(db: Connection, index: Proposer, vector: bytes, k: int, within: Scope, chosen: Plan) -> Nearest:
    """Enough of the nearest may be within the scope anyway; else what is within it is listed first."""
    for wider in WIDER:
        proposals = index.propose(vector, wider * chosen.proposals)
        held = scope.holds(db, within, proposals)
        inside = [each for each in proposals if each in held][: chosen.proposals]
        if len(inside) >= min(chosen.proposals, len(index)):
            found = vectors.nearest_of(db, vector, k, inside)
            return _nearest(found, chosen, proposals=len(proposals), filter="after the index")
        if len(held) * len(index) <= scope.LISTED_MAX * len(proposals):
            break  # as large as the scope seems, to list it is cheaper than to look at ten times as many
    return _listed(db, index, vector, k, _ids(db, within), chosen)


def _listed(
    db: Connection, index: Proposer, vector: bytes, k: int, ids: Sequence[int], chosen: Plan
) -> Nearest:
    if len(ids) <= chosen.proposals:
        found = vectors.nearest_of(db, vector, k, ids)
        return _nearest(found, chosen, proposals=len(ids), filter="before, all of it compared")
    proposals = index.propose(vector, chosen.proposals, ids)
    found = vectors.nearest_of(db, vector, k, proposals)
    return _nearest(found, chosen, proposals=len(proposals), filter="before the index")


def _ids(db: Connection, within: Scope) -> list[int]:
    sql, bindings = scope.chunk_ids(within)
    return [chunk_id for (chunk_id,) in all_rows(db, sql, bindings)]


def _nearest(rows: Sequence[Distance], chosen: Plan, **more: Any) -> Nearest:
    return Nearest(_scored(rows), {"way": chosen.way, "why": chosen.why, **more})


def _scored(rows: Sequence[Distance]) -> Scored:
    return [(chunk_id, cosine(distance)) for chunk_id, distance in rows]
