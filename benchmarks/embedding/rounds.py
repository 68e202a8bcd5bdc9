"""Turns: every row does the same piece of work after the other, again and again, and medians are kept.

Only one row works at a time. A machine that is slow for a minute is so for all of them.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from benchmarks.child import PeerFailed
from benchmarks.embedding.children import Runner
from benchmarks.embedding.texts import Texts

P50, P95 = 50, 95


@dataclass
class Timed:
    """What the turns of one row gave, a number a round."""

    rates: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Texts per second by the name of the list."""
    core_rates: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """The same per second of processor time."""
    p50_ms: list[float] = field(default_factory=list)
    p95_ms: list[float] = field(default_factory=list)
    failed: str = ""
    """Why it did not get to the end; empty when it did."""

    @contextmanager
    def unless_failed(self) -> Iterator[bool]:
        """False when an earlier turn failed. A failure of this turn is kept, and the others go on."""
        try:
            yield not self.failed
        except PeerFailed as error:
            self.failed = str(error)

    def rate(self, name: str) -> float:
        """The median over all rounds."""
        return statistics.median(self.rates[name])

    def core_rate(self, name: str) -> float:
        """The same per second of processor time."""
        return statistics.median(self.core_rates[name])


def timed(runners: Sequence[Runner], texts: Texts, rounds: int, seconds: float) -> Mapping[str, Timed]:
    """Every row's figures by its name."""
    found = {runner.row.name: Timed() for runner in runners}
    for number in range(rounds):
        for name, each in texts.timed().items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            for runner in runners:
                _turn(runner, found[runner.row.name], name, each, seconds)
        for runner in runners:
            _queries(runner, found[runner.row.name], texts.queries, seconds)
    return found


def _turn(runner: Runner, found: Timed, name: str, texts: Sequence[str], seconds: float) -> None:
    with found.unless_failed() as go:
        if go:
            turn = runner.rate(texts, seconds)
            found.rates[name].append(turn.texts_per_s)
            found.core_rates[name].append(turn.texts_per_core_s)


def _queries(runner: Runner, found: Timed, texts: Sequence[str], seconds: float) -> None:
    with found.unless_failed() as go:
        if go:
            ms = runner.latencies_ms(texts, seconds)
            found.p50_ms.append(percentile(ms, P50))
            found.p95_ms.append(percentile(ms, P95))


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many of a hundred lie."""
    return float(np.percentile(values, percent))
