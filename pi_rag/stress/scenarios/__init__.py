"""Every scenario by its name. A new one is a module with a SCENARIO, one import and one entry here."""

from __future__ import annotations

from pi_rag.stress.naming import named
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
    return named(BY_NAME, name, "scenario", " See: pi-rag stress --list")
