"""Which way a search by meaning takes: decided from numbers alone.

Few passages are all compared. Of many, the RAM index proposes some and their exact vectors decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pi_rag.config import IndexSettings

WIDER = (4, 40)
"""With a filter, so many times as many are proposed at first and at second, before the filter is listed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and why."""

    way: Literal["all", "index"]
    why: str
    proposals: int = 0
    """How many passages the index proposes; 0 for `all`."""


def choose(
    known: int | None, reason: str, breadth: int, k: int, settings: IndexSettings, sure: int | None = None
) -> Plan:
    """`known`: passages in the index, None when there is no usable one, for `reason`.

    `sure`: so many of the `k` are to be the nearest, and of the others some that are nearly as near will do;
    None: all of them.
    """
    if known is None:
        return Plan("all", reason)
    if known <= settings.exact_passages_max:
        return Plan("all", f"there are only {known} passages")
    proposals = max(k, (k if sure is None else sure) + settings.proposals_extra * breadth)
    return Plan("index", f"there are {known} passages", min(proposals, known))
