"""One to fifty clients at once, who search, add, remove, remember and recall as a house does.

Each asks, reads the answer for a moment, and asks again. What must hold: nobody is told anything worse than
`busy`, searches stay fast, and the service keeps to its own budget of memory.
"""

from __future__ import annotations

from collections.abc import Mapping

from pi_rag.stress import ending
from pi_rag.stress.tally import Histogram, judged
from pi_rag.stress.types import Crowd, Operation, Scenario, Stage

MIX: Mapping[Operation, float] = {
    "search": 60,
    "add": 10,
    "remove": 4,
    "remember": 8,
    "event": 8,
    "recall": 10,
}
"""Of hundred requests."""

PACE_S = 2.0
"""How long a client looks at an answer: fifty then ask some twenty times a second."""

PHASES = ((1, 0.1), (5, 0.1), (20, 0.2), (50, 0.6))
"""Clients, and the share of the run that they have: of the whole form's 8.6 minutes fifty have 309 s."""

SEARCH_P95_MS_MAX = {20: 150.0, 50: 500.0}
"""By number of clients: what is promised."""

OPERATIONS: tuple[Operation, ...] = ("search", "add", "remove", "remember", "event", "recall")


def run(stage: Stage) -> None:
    """The phases one after the other."""
    whole_s = stage.left_s()
    for clients, share in PHASES:
        if not stage.left_s():
            _leave_out(stage, clients)
            continue
        stage.mark(f"{clients} clients" if clients > 1 else "1 client")
        with stage.crowd(clients, MIX, pace_s=PACE_S) as crowd:
            going = stage.pause(whole_s * share)
        # The last one ends with the run; any other that does so was too short to show anything.
        if going or clients == PHASES[-1][0]:
            _look(stage, clients, crowd)
        else:
            _leave_out(stage, clients)
    _check_memory(stage)


def _leave_out(stage: Stage, clients: int) -> None:
    """The promises of a phase for which there was no time."""
    why = ending.why(stage)
    stage.check(_no_error(clients), "0", why, None)
    if clients in SEARCH_P95_MS_MAX:
        stage.check(_fast(clients), f"p95 of at most {SEARCH_P95_MS_MAX[clients]:g} ms", why, None)


def _no_error(clients: int) -> str:
    return f"{clients} clients: no error but busy"


def _fast(clients: int) -> str:
    return f"{clients} clients: searches are fast"


def _look(stage: Stage, clients: int, crowd: Crowd) -> None:
    """What one phase has shown."""
    seen: dict[str, Histogram] = {operation: crowd.seen(operation) for operation in OPERATIONS}
    stage.check(_no_error(clients), "0", *judged(seen))
    _figures(stage, clients, seen)
    if clients in SEARCH_P95_MS_MAX:
        bound_ms, searches = SEARCH_P95_MS_MAX[clients], seen["search"]
        p95_ms = searches.percentile_ms(95)
        told = "no search was answered" if p95_ms is None else f"{p95_ms:.0f} ms of {searches.count} searches"
        is_fast = p95_ms is not None and p95_ms <= bound_ms
        asked = f"p95 of at most {bound_ms:g} ms"
        stage.check(_fast(clients), asked, told, is_fast if searches.count else None)


def _figures(stage: Stage, clients: int, seen: Mapping[str, Histogram]) -> None:
    for percent in (50, 95, 99):
        if (value := seen["search"].percentile_ms(percent)) is not None:
            stage.figure(f"clients_{clients}_search_p{percent}_ms", value)
    stage.figure(f"clients_{clients}_requests", sum(each.count for each in seen.values()))
    stage.figure(f"clients_{clients}_degraded", sum(each.codes["degraded"] for each in seen.values()))
    stage.figure(f"clients_{clients}_busy", sum(each.codes["busy"] for each in seen.values()))


def _check_memory(stage: Stage) -> None:
    """By the harness's own count of pages, against the budget that the service says it has."""
    budget_mib = stage.record.figures["memory_budget_mib"]
    most_mib = max((sum(each.pss_mib.values()) for each in stage.record.samples), default=0.0)
    stage.figure("memory_mib_max", most_mib)
    stage.check(
        "memory stays within the budget",
        f"at most {budget_mib:g} MiB",
        f"{most_mib:.0f} MiB at most",
        most_mib <= budget_mib if most_mib else None,
    )


SCENARIO = Scenario(
    name="clients",
    about="1, 5, 20 and 50 clients at once: search, adding and memory mixed",
    minutes=8.6,
    quick_minutes=0.4,
    run=run,
)
