"""Turns: every row does the same piece of work after the other, again and again, and medians are kept.

Only one row works at a time. A machine that is slow for a minute is so for all of them.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

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
                turn = runner.rate(each, seconds)
                found[runner.row.name].rates[name].append(turn.texts_per_s)
                found[runner.row.name].core_rates[name].append(turn.texts_per_core_s)
        for runner in runners:
            ms = runner.latencies_ms(texts.queries, seconds)
            found[runner.row.name].p50_ms.append(percentile(ms, P50))
            found[runner.row.name].p95_ms.append(percentile(ms, P95))
    return found


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many of a hundred lie."""
    return float(np.percentile(values, percent))
