"""Why documents wait is said in words, with what to type."""

from __future__ import annotations

from typing import Any, cast, get_args

import pytest

from pi_rag.cli import held
from pi_rag.client import Client
from pi_rag.errors import Busy, ServiceDown
from pi_rag.types import Priority

JOB = {"id": 7, "state": "queued"}


class Service:
    """Answers one question about its status, or none; and has these jobs."""

    def __init__(self, *answers: Any, jobs: Any = ()) -> None:
        self._answers = list(answers)
        self._jobs = jobs

    def jobs(self, *, limit: int) -> dict[str, Any]:
        """All of them."""
        if isinstance(self._jobs, Exception):
            raise self._jobs
        return {"jobs": self._jobs}

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


def other(number: int, state: str = "running", priority: str = "normal") -> dict[str, Any]:
    """A job of 1,204 documents with one of each fate, and 1,200 left."""
    fates = ("done", "unchanged", "refused", "failed")
    counts = {f"items_{fate}": 1 for fate in fates}
    return {"id": number, "state": state, "priority": priority, "items_total": 1204} | counts


def behind(*jobs: dict[str, Any], priority: str = "normal") -> list[str]:
    """What job 7 is said to wait behind."""
    job = JOB | {"priority": priority}
    return held.of_these(cast(Client, Service({}, jobs=[*jobs, job])), job)


def test_a_job_says_which_one_goes_first_and_what_that_has_left() -> None:
    """The one that is worked on, and how the next one need not wait."""
    assert behind(other(6, "queued"), other(5), other(4, "done")) == [
        "Job 7 waits behind job 5, which has 1,200 documents left. "
        "What must not wait: pi-rag add PATH --priority high"
    ]


def test_the_order_is_that_of_the_queue() -> None:
    """Priorities first, then the older job; one that is paused or comes later holds nothing up."""
    assert "behind job 8," in behind(other(5), other(8, priority="high"))[0]
    assert behind(other(5, priority="low"), other(6, "paused"), other(8)) == []
    (reason,) = behind(other(5, priority="high"), other(4), priority="high")
    assert reason.endswith("behind job 5, which has 1,200 documents left.")
    assert get_args(Priority) == held.PRIORITIES


def test_what_holds_everything_up_is_said_instead() -> None:
    """Nothing goes first then. Nor is anything said of jobs that have begun, or when nobody can tell."""
    service = cast(Client, Service({"waiting_for": "paused"}, jobs=[other(5)]))
    assert held.of_these(service, JOB) == ["Adding is paused. Let it go on with: pi-rag jobs resume"]
    assert held.of_these(cast(Client, Service({}, jobs=[other(5)])), other(7)) == []
    assert held.of_these(cast(Client, Service({}, jobs=Busy("Full."))), JOB) == []


def test_only_the_magnitude_of_what_is_left_makes_a_new_reason() -> None:
    """Else a line would be printed every two seconds."""
    texts = [
        f"Job 7 waits behind job 6, which has {left} left." for left in ("1,200 documents", "1,199 documents")
    ]
    assert len({held.roughly(text) for text in texts}) == 1
    for text in (
        "behind job 6, which has 999 documents left.",
        "behind job 7, which has 1,200 documents left.",
    ):
        assert held.roughly(text) != held.roughly(texts[0].partition(" waits ")[2])
