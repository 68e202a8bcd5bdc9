"""Why documents wait is said in words, with what to type."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pi_rag.cli import held
from pi_rag.client import Client
from pi_rag.errors import Busy, ServiceDown

JOB = {"id": 7, "state": "queued"}


class Service:
    """Answers one question about its status, or none."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    def status(self) -> dict[str, Any]:
        """What was laid out."""
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"ingest": answer}


def asked(service: Service, *jobs: dict[str, Any]) -> list[str]:
    """The reasons."""
    return held.asked(cast(Client, service), *jobs)


@pytest.mark.parametrize(
    ("ingest", "said"),
    [
        ({"waiting_for": "paused"}, "Adding is paused. Let it go on with: pi-rag jobs resume"),
        ({"waiting_for": "safe_mode"}, "Adding is in safe mode. Let it go on with: pi-rag jobs resume"),
        ({"waiting_for": "reindex"}, "Documents wait while the index changes its model."),
        ({"waiting_for": "reader_unavailable"}, "Documents wait. What reads PDF, office files"),
        ({"waiting_for": "reader_unavailable"}, "Look at: df -h /tmp"),
        ({"waiting_for": "disk_full"}, "what was acknowledged before is safe. Free some space"),
        ({"waiting_for": "memory_short"}, "Try again in a while"),
        ({"waiting_for": "disk_stuck", "disks_stuck": [{"mount": "/mnt/a"}]}, "No answer from /mnt/a"),
        ({"waiting_for": "disk_full", "disks_stuck": [{"mount": "/mnt/a"}]}, "Free some space"),
        ({"waiting_for": "of_a_newer_service"}, "Documents wait: of_a_newer_service. See: pi-rag status"),
    ],
)
def test_every_reason_is_a_sentence_with_what_to_do(ingest: dict[str, Any], said: str) -> None:
    """No bare code, unless it is one that only a newer service knows."""
    (reason,) = asked(Service(ingest), JOB)
    assert said in reason
    assert "_" not in reason or "newer" in reason


def test_each_reason_is_said_once_for_all_jobs() -> None:
    """A pause of one job has its own line, with its number."""
    jobs = [JOB, {"id": 8, "state": "running"}, {"id": 9, "state": "paused"}, {"id": 1, "state": "done"}]
    assert asked(Service({"waiting_for": "paused"}), *jobs) == [
        "Adding is paused. Let it go on with: pi-rag jobs resume",
        "Job 9 is paused. Let it go on with: pi-rag jobs resume 9",
    ]


@pytest.mark.parametrize("answer", [{"waiting_for": None}, None, ServiceDown("Gone."), Busy("Full.")])
def test_nothing_is_said_of_what_nobody_knows(answer: Any) -> None:
    """What goes on has no reason to wait; when nobody can tell, the job is shown all the same."""
    assert asked(Service(answer), JOB) == []


def test_jobs_that_have_ended_are_not_asked_about() -> None:
    """They wait for nothing."""
    assert asked(Service(), {"id": 1, "state": "done"}, {"id": 2, "state": "cancelled"}) == []
