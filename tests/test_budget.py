"""The ladder: what is decided from which figures, for any figures."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.budget import (
    HOUR_S,
    SETTLE_S,
    WEAK_S,
    WORTH_MIB,
    Decision,
    Group,
    Process,
    Sample,
    State,
    Step,
    Terms,
    causes,
    decide,
)
from pi_rag.config import MemorySettings
from pi_rag.embedder.pool import REPLACE_S

SETTINGS = MemorySettings()
BUDGET_MIB = 1000.0
TERMS = Terms(BUDGET_MIB, workers=4, settings=SETTINGS)
LOOK_S = 1.0
ENOUGH = 100
"""Looks in which everything that can happen by itself has happened."""

used = st.floats(0, 3 * BUDGET_MIB)
steps = st.sampled_from(Step)


def sample(used_mib: float, **other: object) -> Sample:
    """A service that takes so much, most of it in one worker."""
    share = used_mib * 0.6
    worker = Process(11, "worker", share, share)
    return replace(Sample((Process(10, "supervisor", used_mib - share, used_mib - share), worker)), **other)  # type: ignore[arg-type]


def lived(samples: list[Sample], state: State | None = None, terms: Terms = TERMS) -> list[Decision]:
    """One decision after another, a look apart."""
    decisions, state = [], state or State()
    for number, each in enumerate(samples):
        decisions.append(decide(each, state, terms, 1000.0 + number * LOOK_S))
        state = decisions[-1].state
    return decisions


@given(used, used, steps)
def test_more_memory_never_means_a_lower_step(one: float, other: float, step: Step) -> None:
    """Whatever the step is now, who takes more is never treated better."""
    low, high = sorted((one, other))
    state = State(step=step)
    after = [decide(sample(each), state, TERMS, 1000.0).state.step for each in (low, high)]
    assert after[0] <= after[1]


@given(st.lists(used, max_size=80), steps)
def test_it_comes_down_one_step_at_a_time_and_not_too_soon(all_used: list[float], step: Step) -> None:
    """Two steps down are `calm_s` apart at least, and each is a single one."""
    state = State(step=step)
    down_s: list[float] = []
    for number, decision in enumerate(lived([sample(each) for each in all_used], state)):
        if decision.state.step < state.step:
            assert decision.state.step == state.step - 1
            down_s.append(number * LOOK_S)
        state = decision.state
    assert all(after - before >= SETTINGS.calm_s for before, after in pairwise(down_s))


@given(steps, st.floats(0, BUDGET_MIB * 0.79))
def test_it_always_comes_down_when_memory_is_free(step: Step, used_mib: float) -> None:
    """From wherever it stands, within the minute that is promised."""
    decisions = lived([sample(used_mib)] * int(60 / LOOK_S), State(step=step))
    assert decisions[-1].state.step == Step.NORMAL


@given(used, steps)
def test_steady_figures_come_to_rest(used_mib: float, step: Step) -> None:
    """It climbs or it comes down, never both, and then stays where it is."""
    taken = [int(each.state.step) for each in lived([sample(used_mib)] * ENOUGH, State(step=step))]
    path = [int(step), *taken]
    assert path in (sorted(path), sorted(path, reverse=True))
    assert len(set(taken[-20:])) == 1


@given(st.floats(0, 3), steps)
def test_a_figure_that_trembles_does_not_make_it_flap(part: float, step: Step) -> None:
    """A share that goes up and down by less than the slack moves the ladder one way only."""
    around = [BUDGET_MIB * (part + trembling) for trembling in (0.0, 0.09)] * (ENOUGH // 2)
    path = [int(step)] + [
        int(each.state.step) for each in lived([sample(each) for each in around], State(step=step))
    ]
    turns = [before != after for before, after in pairwise(path)]
    assert path in (sorted(path), sorted(path, reverse=True)) or sum(turns) <= len(Step) + 1


@given(st.lists(used, max_size=60), st.integers(1, 16), st.sampled_from([None, False, True]))
def test_there_is_always_one_worker_at_least(all_used: list[float], workers: int, weak: bool | None) -> None:
    """Whatever memory and power do, and never more than there are in good times."""
    terms = replace(TERMS, workers=workers)
    decisions = lived([sample(each, undervoltage=weak) for each in all_used], terms=terms)
    assert all(1 <= each.workers <= workers for each in decisions)


@given(st.lists(used, max_size=60), steps)
def test_every_step_that_is_entered_is_told_in_order(all_used: list[float], step: Step) -> None:
    """What is told leads from one state to the next without a gap; up, it names its cause."""
    state = State(step=step)
    for decision in lived([sample(each) for each in all_used], state):
        path = [int(state.step), *map(int, decision.entered)]
        assert all(abs(after - before) == 1 for before, after in pairwise(path))
        assert path[-1] == decision.state.step
        assert decision.cause is not None or decision.state.step <= state.step
        state = decision.state


@pytest.mark.parametrize(
    ("percent", "step"),
    [(89, Step.NORMAL), (90, Step.SHED), (93, Step.REFUSE), (96, Step.RECYCLE), (100, Step.RECYCLE)],
)
def test_each_step_begins_where_it_is_said_to(percent: int, step: Step) -> None:
    """In percent of the budget; beyond `recycle` it first waits for what that does."""
    assert decide(sample(BUDGET_MIB * percent / 100), State(), TERMS, 1000.0).state.step == step


def test_a_leap_over_the_budget_is_answered_within_five_seconds() -> None:
    """Replace, then fewer, then words alone: each only when the one before did not show."""
    path = [each.state.step for each in lived([sample(2000)] * 5)]
    assert path == [Step.RECYCLE, Step.RECYCLE, Step.FEWER, Step.FEWER, Step.WORDS]


def test_a_leap_that_no_worker_made_is_answered_after_one_settling() -> None:
    """When nobody is worth replacing it waits once, and then takes what is called for: with the second that
    may pass before the first look, words alone answer within three.
    """
    lean = Process(11, "worker", WORTH_MIB - 1, WORTH_MIB - 1)
    taken = [each.state.step for each in lived([Sample((Process(1, "supervisor", 2000, 2000), lean))] * 3)]
    assert taken == [Step.RECYCLE, Step.RECYCLE, Step.WORDS]
    just_over = Sample((Process(1, "supervisor", 1010, 1010),))
    assert lived([just_over] * 5)[-1].state.step is Step.FEWER, "no more than is called for"
    fat, gone = sample(2000), Sample((Process(1, "supervisor", 1900, 1900), lean))
    taken = [each.state.step for each in lived([fat, fat, gone])]
    assert taken == [Step.RECYCLE, Step.RECYCLE, Step.WORDS], "replacing it was not enough"


def test_no_other_is_chosen_while_one_is_being_replaced() -> None:
    """It would be counted without being done."""
    state = State(step=Step.RECYCLE)
    found = decide(sample(970), state, TERMS, 1000.0, is_recycling=True)
    assert found.recycle is None
    assert (found.state.recycled_s, found.state.replaced_s) == (state.recycled_s, state.replaced_s)
    assert decide(sample(970), found.state, TERMS, 1001.0).recycle is not None


def test_the_fattest_worker_goes_first_and_one_at_a_time() -> None:
    """The next one when the first had time to show; the supervisor and lean ones never."""
    processes = (
        Process(1, "supervisor", 800, 800),
        Process(2, "worker", 60, 60),
        Process(3, "reader", 90, 90),
        Process(4, "worker", WORTH_MIB - 1, WORTH_MIB - 1),
    )
    decisions = lived([Sample(processes)] * 5)
    gone = [each.recycle.pid if each.recycle else None for each in decisions]
    assert gone == [3, None, 3, None, 3], "every other look, since it needs more than one to settle"
    assert SETTLE_S > LOOK_S
    assert SETTLE_S > REPLACE_S, "or the same worker would be the fattest again, and be counted twice"
    alone = lived([Sample((processes[0], replace(processes[1], pss_mib=200), processes[3]))])
    assert alone[0].recycle is not None and alone[0].recycle.pid == 2
    assert lived([Sample((Process(1, "supervisor", 990, 990), processes[3]))])[0].recycle is None


def test_workers_are_not_replaced_for_ever() -> None:
    """After so many within an hour no more, until the hour is over; the reader is not counted."""
    terms = replace(TERMS, settings=replace(SETTINGS, recycles_h_max=2))
    full = State(step=Step.RECYCLE, recycled_s=(500.0, 501.0))
    assert decide(sample(970), full, terms, 1000.0).recycle is None
    assert decide(sample(970), full, terms, 502.0 + HOUR_S).recycle is not None
    reader = Sample((Process(1, "supervisor", 900, 900), Process(3, "reader", 90, 90)))
    found = decide(reader, full, terms, 1000.0)
    assert found.recycle is not None and found.state.recycled_s == full.recycled_s
    tuner = Sample((Process(1, "supervisor", 900, 900), Process(4, "tuner", 90, 90)))
    found = decide(tuner, full, terms, 1000.0)
    assert found.recycle is not None and found.recycle.role == "tuner", "nor is one that never comes back"


def test_the_kernels_own_limit_counts_as_the_budget_does() -> None:
    """Without the page cache, which the kernel takes back by itself."""
    near = sample(100, group=Group(current_mib=500, anon_mib=485, max_mib=500, kills=0))
    found = decide(near, State(), TERMS, 1000.0)
    assert found.state.step == Step.RECYCLE
    assert found.cause is not None and (found.cause.source, found.cause.bound) == ("cgroup", 500)
    cached = sample(100, group=Group(current_mib=500, anon_mib=100, max_mib=500, kills=0))
    assert decide(cached, State(), TERMS, 1000.0).state.step == Step.NORMAL


@given(st.floats(0, 100), st.floats(0, 10_000))
def test_what_others_do_to_the_board_never_takes_the_meaning_from_searches(
    pressure: float, available_mib: float
) -> None:
    """Pressure and a full board end at most workers for documents; a small service keeps its embedder."""
    short = sample(100, pressure_percent=pressure, available_mib=available_mib)
    assert max(each.state.step for each in lived([short] * ENOUGH)) <= Step.FEWER


def test_what_is_not_told_calls_for_nothing() -> None:
    """No cgroup, no pressure, no free memory: the sum over the processes alone decides."""
    assert [each.source for each in causes(Sample(()), TERMS)] == ["budget"]
    assert decide(Sample((Process(1, "worker", None, None),)), State(), TERMS, 1.0).state.step == Step.NORMAL


def test_too_little_power_halves_the_workers_for_a_while() -> None:
    """As long as the supply is too weak and a minute more; where nobody tells, all of them work."""
    weak = decide(sample(100, undervoltage=True), State(), TERMS, 1000.0)
    assert weak.workers == 2
    assert decide(sample(100, undervoltage=False), weak.state, TERMS, 1000.0 + WEAK_S - 1).workers == 2
    assert decide(sample(100, undervoltage=False), weak.state, TERMS, 1000.0 + WEAK_S).workers == 4
    assert decide(sample(100), State(), TERMS, 1000.0).workers == 4
