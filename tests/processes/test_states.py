"""Promises of pi_rag/processes/states.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.processes.states import MOVES, READY, Circuit, Life, State

STATES = sorted(MOVES)


def test_a_life_begins_and_ends() -> None:
    """From nothing to work and back, and again."""
    life = Life()
    for _ in range(2):
        for state in ("starting", "idle", "busy", "idle", "examined", "idle", "ended"):
            life.move(state)
            assert life.ready == (state in READY)


@pytest.mark.parametrize("here", STATES)
@pytest.mark.parametrize("there", STATES)
def test_a_move_that_is_not_in_the_table_is_a_fault_of_ours(here: State, there: State) -> None:
    """And one that is in it is made."""
    life = Life()
    life.state = here
    if there in MOVES[here]:
        life.move(there)
        assert life.state == there
    else:
        with pytest.raises(AssertionError, match=f"{here} cannot be {there}"):
            life.move(there)


@pytest.mark.parametrize("state", STATES)
def test_every_state_can_end(state: State) -> None:
    """Directly or by being stopped first: nothing lives for ever."""
    assert state == "ended" or "ended" in MOVES[state]


def circuit() -> Circuit:
    """Five failures in a minute open it for half a minute."""
    return Circuit(failures_max=5, window_s=60.0, open_s=30.0)


def failing(times: list[float]) -> Circuit:
    """A circuit that has seen failures at these times."""
    tried = circuit()
    for time_s in times:
        tried.failed(time_s)
    return tried


def test_five_failures_in_a_minute_open_it() -> None:
    """Four do not, and five in more than a minute do not."""
    assert failing([0, 1, 2, 3]).state(3) == "closed"
    assert failing([0, 15, 30, 45, 61]).state(61) == "closed"
    opened = failing([0, 15, 30, 45, 60])
    assert opened.state(60) == "open"
    assert opened.wait_s(70) == 20.0


def test_one_attempt_decides() -> None:
    """After the wait it is half open: what works closes it, what fails opens it again."""
    tried = failing([0] * 5)
    assert tried.state(30) == "half_open"
    tried.failed(31)
    assert tried.state(31) == "open"
    tried.worked(40)
    assert tried.state(40) == "open", "what was under way when it opened proves nothing"
    tried.worked(61)
    assert tried.state(61) == "closed"
    tried.failed(62)
    assert tried.state(62) == "closed", "the old failures are forgotten"


def test_what_was_no_fault_of_the_processes_is_forgiven() -> None:
    """A bad text costs two workers and does not count."""
    tried = failing([0, 1, 2, 3])
    tried.forgive(2)
    for time_s in (4, 5):
        tried.failed(time_s)
    assert tried.state(5) == "closed"
    tried.failed(6)
    assert tried.state(6) == "open"


@given(st.lists(st.floats(0, 50), max_size=30))
def test_it_opens_exactly_when_five_came_within_the_window(waits: list[float]) -> None:
    """Against counting them all."""
    now_s, seen, tried = 0.0, list[float](), circuit()
    for wait_s in waits:
        now_s += wait_s
        seen.append(now_s)
        tried.failed(now_s)
        full = len(seen) >= 5 and seen[-1] - seen[-5] <= 60.0
        assert (tried.state(now_s) == "open") == full
        if full:
            return
