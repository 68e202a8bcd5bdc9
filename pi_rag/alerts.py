"""When a measure says that a person should look, and when it says so no more. Pure: it measures nothing.

A rule has two limits: beyond one it fires, within the other it clears, so that a measure that wavers around
one of them does not come and go. It does neither before the measure has stood there for a while. What is not
known, None, is no news: what fired stays, and what was about to fire begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rule:
    """When one alert fires and when it clears."""

    name: str
    fires_at: float
    """Beyond this, not at it."""
    clears_at: float
    """At this or on the other side of it."""
    hold_s: float = 0.0
    """So long the measure must stand there without a break before it fires, and again before it clears."""
    high: bool = True
    """True: it fires above its limit. False: below."""
    unit: str = ""

    def __post_init__(self) -> None:
        low, high = (self.clears_at, self.fires_at) if self.high else (self.fires_at, self.clears_at)
        assert low <= high, f"{self.name} would fire and clear at once"

    def is_beyond(self, value: float) -> bool:
        """Whether the value is a reason to fire."""
        return value > self.fires_at if self.high else value < self.fires_at

    def is_within(self, value: float) -> bool:
        """Whether the value is a reason to clear."""
        return value <= self.clears_at if self.high else value >= self.clears_at


@dataclass(frozen=True, slots=True)
class State:
    """Where a rule stands."""

    fired_s: float | None = None
    """When it fired, on the monotonic clock; None while it is quiet."""
    turning_s: float | None = None
    """Since when the measure has stood where the rule will turn; None while it does not."""
    value: float | None = None
    """The last known."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One that fires now."""

    name: str
    value: float
    limit: float
    unit: str
    for_s: float


@dataclass(frozen=True, slots=True)
class Change:
    """One that has just fired or cleared, with the figures that decided it."""

    kind: Literal["fired", "cleared"]
    alert: Alert


QUIET = State()


def turned(rule: Rule, state: State, value: float | None, now_s: float) -> State:
    """Where the rule stands after this value. `now_s` is monotonic and never less than before."""
    if value is None:
        return replace(state, turning_s=None)
    fires = state.fired_s is not None
    turns = rule.is_within(value) if fires else rule.is_beyond(value)
    if not turns:
        return State(state.fired_s, None, value)
    since_s = now_s if state.turning_s is None else state.turning_s
    if now_s - since_s < rule.hold_s:
        return State(state.fired_s, since_s, value)
    return State(None if fires else now_s, None, value)


class Alerts:
    """All rules, and where each stands."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._states = dict.fromkeys(self._rules, QUIET)

    @property
    def names(self) -> Sequence[str]:
        """Of all rules, whether they fire or not."""
        return tuple(self._rules)

    def look(self, values: Mapping[str, float | None], now_s: float) -> list[Change]:
        """Take in what was measured, by rule; what is missing is not known. Returns what has changed."""
        changes: list[Change] = []
        for name, rule in self._rules.items():
            before = self._states[name]
            after = self._states[name] = turned(rule, before, values.get(name), now_s)
            if (before.fired_s is None) != (after.fired_s is None):
                kind: Literal["fired", "cleared"] = "cleared" if after.fired_s is None else "fired"
                changes.append(Change(kind, _alert(rule, after, before.fired_s, now_s)))
        return changes

    def firing(self, now_s: float) -> list[Alert]:
        """Those that fire now, in the order of the rules."""
        states = ((self._rules[name], state) for name, state in self._states.items())
        return [
            _alert(rule, state, state.fired_s, now_s) for rule, state in states if state.fired_s is not None
        ]


def _alert(rule: Rule, state: State, fired_s: float | None, now_s: float) -> Alert:
    assert state.value is not None, "nothing fires or clears without a value"
    for_s = 0.0 if fired_s is None else now_s - fired_s
    limit = rule.fires_at if state.fired_s is not None else rule.clears_at
    return Alert(rule.name, round(state.value, 3), limit, rule.unit, round(for_s, 1))
