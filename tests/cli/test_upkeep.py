"""`pi-rag upkeep`: what it says, and how long it asks."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from pi_rag.cli import upkeep
from pi_rag.client import Client
from pi_rag.errors import DeadlineExceeded
from tests.cli.conftest import Run
from tests.standin import StandIn


def test_what_was_done_is_said_in_words(service: StandIn, run: Run) -> None:
    """One line, and exit code 0."""
    service.on("POST", "/v1/upkeep", {"done": ["plan", "empty_log"], "problems": [], "took_s": 1.25})

    done = run("upkeep")

    assert (done.code, done.out) == (
        0,
        "statistics for the planner made; the log emptied; all is whole (1.2 s)\n",
    )


def test_each_problem_has_a_line_and_the_exit_code_tells(service: StandIn, run: Run) -> None:
    """A timer that fails is seen; nothing that the service says can steer the terminal."""
    problems = ["2 passages without words", "torn\x1b[2J page"]
    service.on("POST", "/v1/upkeep", {"done": [], "problems": problems, "took_s": 3.0})

    done = run("upkeep")

    assert done.code == 7
    assert done.out.splitlines() == ["looked over (3.0 s)", "  2 passages without words", "  torn�[2J page"]
    assert "2 found" in done.err


def test_a_program_gets_the_answer_as_it_is(service: StandIn, run: Run) -> None:
    """--json, with the same exit code."""
    answer = {"done": [], "problems": ["x"], "took_s": 3.0}
    service.on("POST", "/v1/upkeep", answer)

    done = run("upkeep", "--json")

    assert (done.code, json.loads(done.out)) == (7, answer)


@dataclass
class Time:
    """A clock that moves by so much each time that it is looked at."""

    step_s: float
    now_s: float = 0.0

    def monotonic_s(self) -> float:
        self.now_s += self.step_s
        return self.now_s

    def wall_s(self) -> float:
        raise AssertionError("It does not look at the wall clock.")


class Slow(Client):
    """A service whose reading takes longer than so many requests may."""

    def __init__(self, requests: int) -> None:
        self.requests = requests

    def upkeep(self) -> dict[str, object]:
        self.requests -= 1
        if self.requests >= 0:
            raise DeadlineExceeded("It took longer than 300 s.")
        return {"done": [], "problems": [], "took_s": 700.0}


def test_a_long_reading_is_waited_for() -> None:
    """A request's time is not the reading's: it asks again, and joins the one under way."""
    assert upkeep._asked(Slow(3), Time(step_s=300.0))["took_s"] == 700.0


def test_it_gives_up_one_day() -> None:
    """A reading that never ends does not keep it for ever."""
    with pytest.raises(DeadlineExceeded):
        upkeep._asked(Slow(1000), Time(step_s=300.0))
