"""A run whose time ends, or that somebody interrupts, before something could be seen: what is waited for ends
then, what nobody sees any more is nobody's fault, and it says which of the two it was.

It knows no scenario.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from pi_rag.client import Client
from pi_rag.errors import JobEnded, NotFound, PiRagError
from pi_rag.stress.patience import LOOK_S, until
from pi_rag.stress.types import Stage

OVER = "the run's time was over"
INTERRUPTED = "the run was interrupted"

LAST_SHARE = 0.2
"""Of a run's time, at most, is kept for its last wait: without it nothing of what was done is seen."""

ENDED = frozenset({"done", "cancelled"})
JOBS_MAX = 1000
"""As many as are told at once, the newest."""


def why(stage: Stage) -> str:
    """Of a run of which nothing is left."""
    return OVER if stage.elapsed_s() >= stage.record.minutes * 60 else INTERRUPTED


def seen(
    stage: Stage, condition: Callable[[], object], seconds: float, look_s: float = LOOK_S
) -> bool | None:
    """Whether it comes true within so many seconds; an error is not true.

    None: nothing is left of the run before either, and nobody can say. It is looked at once at least.
    """
    end_s = stage.elapsed_s() + seconds
    while not until(condition, 0.0):
        if stage.elapsed_s() >= end_s:
            return False
        if not stage.pause(look_s):
            return None
    return True


def last_s(stage: Stage, seconds_max: float) -> float:
    """What is to be kept of the run's time for a last wait of so many seconds at most."""
    return min(seconds_max, LAST_SHARE * stage.record.minutes * 60)


def give_up(client: Client) -> None:
    """What still waits is cancelled: there was no time for it, and it is not to be missed afterwards."""
    with contextlib.suppress(PiRagError):
        waiting = [job["id"] for job in client.jobs(limit=JOBS_MAX)["jobs"] if job["state"] not in ENDED]
        for each in waiting:
            with contextlib.suppress(NotFound, JobEnded):
                client.steer_jobs("cancel", each)
