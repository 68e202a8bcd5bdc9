"""Why documents wait: a sentence that a person understands, and what to type, from the service's status.

It knows the words of the status and of the tree of errors, and nothing of how somebody waits for a job.
"""

from __future__ import annotations

import re
from typing import Any

from pi_rag.cli import progress
from pi_rag.cli.printing import counted
from pi_rag.client import Client
from pi_rag.errors import DiskStuck, ServiceDown, TryLater, every_kind

NOT_BEGUN = {"paused": "paused", "safe_mode": "in safe mode"}
"""What holds documents up until a person lets them go on."""

ENDED = frozenset({"done", "cancelled"})
"""The states of jobs that wait for nothing any more."""

PRIORITIES = ("low", "normal", "high")
"""`types.Priority`, lowest first. Those types are not loaded for a light command."""

JOBS_MAX = 1000
"""How many of the newest jobs are looked at for one that goes first: as many as the service gives."""


def of_these(client: Client, *jobs: dict[str, Any]) -> list[str]:
    """Why these jobs do not go on now; when nothing holds them up, what the first of them waits behind."""
    queued = [job for job in jobs if job.get("state") == "queued"]
    return asked(client, *jobs) or (behind(client, queued[0]) if queued else [])


def asked(client: Client, *jobs: dict[str, Any]) -> list[str]:
    """Why these jobs do not go on now, each reason once; none when they do, or when nobody can say."""
    waiting = [job for job in jobs if job.get("state") not in ENDED]
    if not waiting:
        return []
    try:
        ingest = client.status().get("ingest") or {}
    except (ServiceDown, TryLater):
        return []
    return [said for said in dict.fromkeys(reason(job, ingest) for job in waiting) if said]


def reason(job: dict[str, Any], ingest: dict[str, Any]) -> str:
    """Why a job stands still, and what to type; empty when nobody knows, as of one long document."""
    if job.get("state") == "paused":
        return f"Job {job.get('id')} is paused. Let it go on with: pi-rag jobs resume {job.get('id')}"
    held_by = str(ingest.get("waiting_for") or "")
    if held_by in NOT_BEGUN:
        return f"Adding is {NOT_BEGUN[held_by]}. Let it go on with: pi-rag jobs resume"
    # The seconds are left out: with them it would be another reason each time.
    mounts = [str(each["mount"]) for each in ingest.get("disks_stuck") or []]
    if mounts and held_by in {"", DiskStuck.code}:
        return f"No answer from {', '.join(mounts)}; what lies there has to wait. See: df -h"
    return up_by(ingest)


def up_by(ingest: dict[str, Any]) -> str:
    """What holds all documents up, but for what a person has paused; empty when nothing does."""
    held_by = str(ingest.get("waiting_for") or "")
    return _of_code(held_by) if held_by and held_by not in NOT_BEGUN else ""


def behind(client: Client, job: dict[str, Any]) -> list[str]:
    """The job that is worked on before this one, with what it has left; none when nobody can say."""
    try:
        others = client.jobs(limit=JOBS_MAX).get("jobs") or []
    except (ServiceDown, TryLater):
        return []
    before = [
        each for each in others if each.get("state") in {"queued", "running"} and _turn(each) < _turn(job)
    ]
    if not before:
        return []
    first = min(before, key=_turn)
    ended = sum(int(first.get(f"items_{how}") or 0) for how in progress.ENDED)
    left = counted(int(first.get("items_total") or 0) - ended, "document")
    sooner = "" if job.get("priority") == "high" else " What must not wait: pi-rag add PATH --priority high"
    return [f"Job {job.get('id')} waits behind job {first.get('id')}, which has {left} left.{sooner}"]


def _turn(job: dict[str, Any]) -> tuple[int, int]:
    """The queue's order: the higher priority first, then the older job."""
    return -PRIORITIES.index(job.get("priority", "normal")), int(job["id"])


def roughly(reason: str) -> str:
    """A reason with no more than the magnitude of what is left: one document less is no new reason."""
    return re.sub(r"\d(?=[\d,]* documents? left)", "0", reason)


def _of_code(code: str) -> str:
    """What an error of this code means, and its hint; the code itself when it is a newer service's."""
    if code == "reindex":
        return "Documents wait while the index changes its model. See: pi-rag reindex --status"
    for kind in every_kind():
        if kind.code == code:
            return f"Documents wait. {' '.join((kind.__doc__ or '').split())} {kind.hint_default}"
    return f"Documents wait: {code}. See: pi-rag status"
