"""Promises of `pi-rag reindex`."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pi_rag.cli.model_change import state_line
from tests.cli.conftest import Run
from tests.standin import Asked, Reply, StandIn

RUNNING = {
    "state": "running",
    "model": "new",
    "index_model": "old",
    "passages_done": 34,
    "passages_total": 1200,
    "rate_passages_s": 12.34,
    "left_s": 94.5,
    "documents_to_cut": 0,
    "waiting_for": None,
    "error": None,
}
DONE = RUNNING | {"state": "done", "index_model": "new"}
FAILED = RUNNING | {
    "state": "failed",
    "error": {"code": "model_corrupt", "message": "Its checksum is wrong.", "hint": "Fetch it."},
}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two questions nobody waits here."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


def in_turn(*answers: dict[str, Any]) -> Any:
    """One after another, the last one for ever."""
    left = list(answers)

    def reply(_: Asked) -> Reply:
        return 200, left.pop(0) if len(left) > 1 else left[0]

    return reply


def test_it_is_followed_to_its_end(run: Run, service: StandIn) -> None:
    """The model is named to the service; the last word is that it is done."""
    service.on("POST", "/v1/reindex", RUNNING, 202)
    service.on("GET", "/v1/reindex", in_turn(RUNNING, RUNNING, DONE))
    ran = run("reindex", "new")

    assert (ran.code, ran.out) == (0, "to new is done\n")
    assert service.bodies("/v1/reindex") == [{"model": "new"}]


def test_without_a_name_the_chosen_one_is_meant(run: Run, service: StandIn) -> None:
    """And with --no-wait nobody waits for it."""
    service.on("POST", "/v1/reindex", RUNNING, 202)
    ran = run("reindex", "--no-wait")

    assert (ran.code, ran.out) == (0, "to new: 34/1,200 passages, 12.3 passages/s, 1 min 34 s left\n")
    assert service.bodies("/v1/reindex") == [{"model": ""}]


def test_a_failure_on_the_way_is_the_commands_failure(run: Run, service: StandIn) -> None:
    """Its exit code is that of the reason, and what to do is told."""
    service.on("POST", "/v1/reindex", RUNNING, 202)
    service.on("GET", "/v1/reindex", FAILED)
    ran = run("reindex", "new")

    assert ran.code == 6
    assert "Its checksum is wrong." in ran.err and "Fetch it." in ran.err


def test_a_restart_of_the_service_is_waited_out(run: Run, service: StandIn) -> None:
    """The reindex is kept, so a service that is busy or away for a moment costs nothing."""
    left = [503, 200]

    def reply(_: Asked) -> Reply:
        if left.pop(0) == 503:
            return 503, {"error": {"code": "stopping", "message": "m", "hint": "h", "retry_after_ms": 1}}
        return 200, DONE

    service.on("POST", "/v1/reindex", RUNNING, 202)
    service.on("GET", "/v1/reindex", reply)

    assert run("reindex").code == 0
    assert left == []


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (RUNNING, "to new: 34/1,200 passages, 12.3 passages/s, 1 min 34 s left"),
        (
            RUNNING | {"waiting_for": "disk_full", "rate_passages_s": 0, "left_s": None},
            "held up by disk_full",
        ),
        (FAILED, "to new has failed: Its checksum is wrong."),
        (DONE | {"documents_to_cut": 3}, "to new is done, 3 documents to be cut anew"),
        (RUNNING | {"state": "offered"}, "new is chosen, the index is of old; run: pi-rag reindex"),
        (
            RUNNING | {"state": "offered", "index_model": "new"},
            "texts are cut better than when this index was made; run: pi-rag reindex",
        ),
        (RUNNING | {"state": "none", "model": None}, "Nothing is being embedded again; the index is of old."),
        ({"state": "none", "index_model": None}, "The index is empty."),
    ],
)
def test_how_it_is_is_told_in_a_line(run: Run, service: StandIn, answer: dict[str, Any], line: str) -> None:
    """For each state; a failure that is only looked at is none of the command's."""
    service.on("GET", "/v1/reindex", answer)
    ran = run("reindex", "--status")

    assert (ran.code, line in ran.out) == (0, True)
    assert ran.out.count("\n") == 1


@pytest.mark.parametrize(
    ("cancelled", "line"),
    [(True, "Given up. The index in use is as it was.\n"), (False, "There is nothing to give up.\n")],
)
def test_it_can_be_given_up(run: Run, service: StandIn, cancelled: bool, line: str) -> None:
    """Whether there was something to give up is told."""
    service.on("DELETE", "/v1/reindex", {"cancelled": cancelled})
    ran = run("reindex", "--cancel")

    assert (ran.code, ran.out) == (0, line)


def test_programs_get_the_services_own_object(run: Run, service: StandIn) -> None:
    """With --json, for each of the three."""
    service.on("POST", "/v1/reindex", RUNNING, 202)
    service.on("GET", "/v1/reindex", DONE)
    service.on("DELETE", "/v1/reindex", {"cancelled": True})

    assert run("reindex", "--json").json == DONE
    assert run("reindex", "--status", "--json").json == DONE
    assert run("reindex", "--cancel", "--json").json == {"cancelled": True}


def test_nobody_is_told_of_what_is_not() -> None:
    """A service that is older, or has nothing to tell, adds no line to the status."""
    assert state_line({}) == ""
