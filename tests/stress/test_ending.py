"""What is waited for ends with the run, and what is not seen then is nobody's fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from pi_rag.client import Client
from pi_rag.errors import JobNotFound, ServiceDown
from pi_rag.stress import ending
from pi_rag.stress.types import Stage
from tests.stress.scenarios.staging import Timed


def waited(stage: Timed, comes_s: float, seconds: float) -> bool | None:
    """For what comes true then, of a service that is not there at first."""

    def has_come() -> bool:
        if not stage.elapsed_s():
            raise ServiceDown("It is away.")
        return stage.elapsed_s() >= comes_s

    return ending.seen(cast("Stage", stage), has_come, seconds, 1.0)


@pytest.mark.parametrize(
    ("comes_s", "seconds", "came", "took_s"),
    [(5.0, 10.0, True, 5.0), (15.0, 10.0, False, 10.0), (55.0, 100.0, None, 30.0)],
)
def test_a_wait_ends_when_it_comes_true_with_its_seconds_or_with_the_run(
    comes_s: float, seconds: float, came: bool | None, took_s: float
) -> None:
    """Only the second of them is somebody's fault; that somebody was away is nobody's end."""
    stage = Timed(30.0)

    assert waited(stage, comes_s, seconds) is came
    assert stage.elapsed_s() == took_s


def test_it_is_said_whether_the_time_was_over_or_the_run_interrupted() -> None:
    """Who reads of what was not looked at knows why."""
    over, stopped = Timed(30.0), Timed(30.0)
    stopped.stop_at(20.0)

    assert waited(over, 99.0, 99.0) is waited(stopped, 99.0, 99.0) is None
    assert stopped.elapsed_s() == 10.0
    assert ending.why(cast("Stage", over)) == ending.OVER
    assert ending.why(cast("Stage", stopped)) == ending.INTERRUPTED


def test_what_is_there_already_is_seen_without_time_too() -> None:
    """It is looked at once at least."""
    assert ending.seen(cast("Stage", Timed(0.0)), lambda: True, 10.0) is True


def test_a_last_wait_gets_a_share_of_a_short_run_and_no_more_than_it_needs() -> None:
    """So that a short run has time for what is to be seen at all."""
    assert ending.last_s(cast("Stage", Timed(100.0)), 240.0) == pytest.approx(100.0 * ending.LAST_SHARE)
    assert ending.last_s(cast("Stage", Timed(90_000.0)), 240.0) == 240.0


class Desk(Client):
    """One with these jobs, of which the second ends just as it is to be cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[int | None] = []

    def jobs(self, *, limit: int | None = None) -> dict[str, Any]:
        assert limit
        states: Iterator[tuple[int, str]] = enumerate(["done", "queued", "running", "paused", "cancelled"])
        return {"jobs": [{"id": number, "state": state} for number, state in states]}

    def steer_jobs(self, what: str, job_id: int | None = None) -> dict[str, Any]:
        assert what == "cancel"
        if job_id == 1:
            raise JobNotFound("It has gone.")
        self.cancelled.append(job_id)
        return {}


def test_all_that_has_not_ended_is_cancelled() -> None:
    """One that cannot be any more keeps none of the others."""
    desk = Desk()
    ending.give_up(desk)

    assert desk.cancelled == [2, 3]
