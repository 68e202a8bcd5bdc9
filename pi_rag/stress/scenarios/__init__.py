"""Every scenario by its name. A new one is a module with a SCENARIO, one import and one entry here."""

from __future__ import annotations

import difflib

from pi_rag.errors import RequestInvalid
from pi_rag.stress.scenarios import anomalies, canary, churn, clients, faults, files, kills, leaks, load
from pi_rag.stress.types import Scenario

ALL: tuple[Scenario, ...] = (
    canary.SCENARIO,
    clients.SCENARIO,
    files.SCENARIO,
    load.SCENARIO,
    churn.SCENARIO,
    kills.SCENARIO,
    faults.SCENARIO,
    leaks.SCENARIO,
    anomalies.SCENARIO,
)
"""In the order in which a whole run has them. The canary comes first: it shows that the harness can fail."""

BY_NAME = {scenario.name: scenario for scenario in ALL}


def by_name(name: str) -> Scenario:
    """Raises RequestInvalid, with the names that there are."""
    if name in BY_NAME:
        return BY_NAME[name]
    near = difflib.get_close_matches(name, BY_NAME, 1)
    meant = f"Did you mean {near[0]!r}? " if near else ""
    raise RequestInvalid(
        f"There is no scenario {name!r}.",
        hint=f"{meant}There are: {', '.join(BY_NAME)}. See: pi-rag stress --list",
    )
