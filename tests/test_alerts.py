"""When an alert fires and when it clears."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag.alerts import QUIET, Alerts, Rule, turned

STEP_S = 5.0
HOLD_S = 15.0

high = Rule("hot", fires_at=80.0, clears_at=75.0, hold_s=HOLD_S, unit="°C")
low = Rule("disk_low", fires_at=500.0, clears_at=625.0, hold_s=HOLD_S, high=False, unit="MiB")

RULES = st.sampled_from([high, low, Rule("at_once", fires_at=0.0, clears_at=0.0)])
VALUES = st.lists(st.none() | st.floats(-10, 1000), max_size=60)


def walked(rule: Rule, values: list[float | None]) -> list[bool]:
    """Whether the rule fires after each value, one every STEP_S."""
    state, fires = QUIET, []
    for number, value in enumerate(values):
        state = turned(rule, state, value, number * STEP_S)
        fires.append(state.fired_s is not None)
    return fires


@pytest.mark.parametrize(
    ("rule", "values", "fires"),
    [
        (high, [81, 81, 81], [0, 0, 0]),
        (high, [81, 81, 81, 81], [0, 0, 0, 1]),
        (high, [81, 81, 80, 81, 81, 81], [0, 0, 0, 0, 0, 0]),
        (high, [81, 81, 81, 81, 76, 76, 76, 76, 76], [0, 0, 0, 1, 1, 1, 1, 1, 1]),
        (high, [81, 81, 81, 81, 75, 75, 75, 75], [0, 0, 0, 1, 1, 1, 1, 0]),
        (high, [81, 81, None, 81, 81, 81], [0, 0, 0, 0, 0, 0]),
        (high, [81, 81, 81, 81, None, None, None, None, None], [0, 0, 0, 1, 1, 1, 1, 1, 1]),
        (low, [499, 499, 499, 499, 600, 600, 600, 600], [0, 0, 0, 1, 1, 1, 1, 1]),
        (low, [499, 499, 499, 499, 625, 625, 625, 625], [0, 0, 0, 1, 1, 1, 1, 0]),
    ],
)
def test_it_turns_after_its_time_and_not_between_its_limits(
    rule: Rule, values: list[float | None], fires: list[int]
) -> None:
    """Beyond one limit without a break it fires, within the other it clears; what is not known is no news."""
    assert walked(rule, values) == [bool(each) for each in fires]


@given(RULES, VALUES)
def test_it_turns_only_for_its_reason(rule: Rule, values: list[float | None]) -> None:
    """Whatever is measured: each turn has all values of its hold time on the side that it turned to."""
    fires = [False, *walked(rule, values)]
    steps = int(rule.hold_s / STEP_S)
    for at, (before, after) in enumerate(pairwise(fires)):
        if before != after:
            reasons = values[at - steps : at + 1]
            assert len(reasons) == steps + 1
            assert all(value is not None for value in reasons)
            turns = rule.is_beyond if after else rule.is_within
            assert all(turns(value) for value in reasons if value is not None)


@given(RULES, VALUES)
def test_it_always_turns_when_it_has_its_reason(rule: Rule, values: list[float | None]) -> None:
    """Whatever came before: beyond the limit for its time it fires, and within the other it clears."""
    steps = int(rule.hold_s / STEP_S) + 1
    far, near = (rule.fires_at + 1, rule.clears_at) if rule.high else (rule.fires_at - 1, rule.clears_at)

    assert walked(rule, [*values, *[far] * steps])[-1]
    assert not walked(rule, [*values, *[near] * steps])[-1]


@given(VALUES)
def test_what_changes_is_told_once_and_in_turn(values: list[float | None]) -> None:
    """An alert that fired is cleared before it fires again, and what fires now is what was told."""
    alerts = Alerts([high])
    told = []
    for number, value in enumerate(values):
        now_s = number * STEP_S
        told += [change.kind for change in alerts.look({"hot": value}, now_s)]
        assert bool(alerts.firing(now_s)) == (told[-1:] == ["fired"])

    assert all(one != other for one, other in pairwise(told))
    assert told[:1] in ([], ["fired"])


def test_an_alert_carries_its_figures() -> None:
    """A person sees what was measured, the limit and since when; a measure that is missing is not known."""
    alerts = Alerts([high, Rule("dead_letters", fires_at=0, clears_at=0, unit="documents")])
    fired = alerts.look({"dead_letters": 3}, 100.0)
    firing = alerts.firing(160.0)
    cleared = alerts.look({"dead_letters": 0}, 200.0)

    assert alerts.names == ("hot", "dead_letters")
    assert [(each.kind, each.alert.name, each.alert.value) for each in fired] == [
        ("fired", "dead_letters", 3)
    ]
    assert [(each.name, each.limit, each.unit, each.for_s) for each in firing] == [
        ("dead_letters", 0, "documents", 60.0)
    ]
    assert [(each.kind, each.alert.value, each.alert.for_s) for each in cleared] == [("cleared", 0, 100.0)]
    assert alerts.firing(200.0) == []


def test_limits_that_contradict_each_other_are_a_fault() -> None:
    """A rule that would fire and clear at the same value is refused where it is written."""
    with pytest.raises(AssertionError):
        Rule("odd", fires_at=1.0, clears_at=2.0)
