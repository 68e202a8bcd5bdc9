"""The desk keeps its promises whatever is asked of it in whatever order: it says what a plain model says."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from pi_rag.text import contrast
from tests.memory.machine import Crowded, Machine
from tests.memory.sayings import Saying, contrasts, everything

SHORT = hypothesis.settings(
    max_examples=15,
    stateful_step_count=40,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
"""The same each time: a change is not held up by what it did not do."""

SHORT_CROWDED = hypothesis.settings(SHORT, max_examples=5)

LONG = hypothesis.settings(SHORT, max_examples=100, stateful_step_count=100, derandomize=False)
"""Ten thousand operations."""

sayings = st.sampled_from([saying for saying in everything() if saying.family == 0])


@pytest.mark.slow
def test_the_desk_and_the_model_say_the_same(long_form: bool) -> None:
    """After each of thousands of random operations, over restarts and through time."""
    run_state_machine_as_test(Machine, settings=LONG if long_form else SHORT)


@pytest.mark.slow
def test_the_desk_and_the_model_evict_the_same(long_form: bool) -> None:
    """Where a scope is full: whom, when, with which line in the log; and what may not go is refused."""
    run_state_machine_as_test(Crowded, settings=LONG if long_form else SHORT_CROWDED)


@hypothesis.given(sayings, sayings)
def test_the_sayings_are_what_the_model_takes_them_for(one: Saying, other: Saying) -> None:
    """What they contradict in each other is by design what the rules of contrast find."""
    assert contrast.contrasts(one.text, other.text) == contrasts(one, other)
    assert (contrast.same_words(one.text) == contrast.same_words(other.text)) == (one.plain == other.plain)
