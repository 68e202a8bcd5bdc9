"""What is wrong in a run, from its record alone: slow-downs, stalls, errors, lost answers, leaks.

A run begins with plain use, and all that comes after is held against that. Something is found when it is
large in three ways: against what is usual (see `series`), in absolute units, so that nobody is called for a
millisecond, and in time, so that one hiccup is not an anomaly. How long a question took is counted without
the time for which the service's threads stood in line for a processor: who else is at work on the machine
is not the service's doing.

Pure. It sees answers, probes and samples, and does not know what was done to the service, nor when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Literal

from pi_rag.stress import series
from pi_rag.stress.series import Episode, Marked, Points, Usual
from pi_rag.stress.types import Probe, Record, Sample

Kind = Literal[
    "slow",
    "slow_at_times",
    "stall",
    "errors",
    "degraded",
    "recall_loss",
    "memory_leak",
    "descriptor_leak",
    "thread_leak",
    "wal_growth",
]

Times = tuple[float, float]
"""From, until: seconds since the run began."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One anomaly."""

    kind: Kind
    began_s: float
    noticed_s: float
    """When enough of it had been seen to tell."""
    ended_s: float
    size: float
    unit: str
    where: str = ""
    """A role, or a way of asking."""

    def __str__(self) -> str:
        """In a line, for people."""
        where = f" ({self.where})" if self.where else ""
        return f"{self.kind}{where}: {self.size:.3g} {self.unit}"

    def meets(self, others: Iterable[Finding]) -> bool:
        """Whether it is at the time of one of those."""
        return any(self.began_s <= each.ended_s and each.began_s <= self.ended_s for each in others)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is large enough to be found. What is below a person would not mind, or noise does it."""

    deviations: float = 6.0
    """From the median are still usual: of a normal distribution, two in a thousand million."""
    slow_ms: float = 25.0
    slow_s: int = 3
    """Seconds in a row in which the median question is slower by so much."""
    late_ms: float = 200.0
    late_count: int = 4
    late_share: float = 0.03
    """Single questions that are slower by so much, so many and of all, within `late_window_s`."""
    late_window_s: float = 15.0
    stall_s: float = 1.5
    """Nobody is answered for so long."""
    error_count: int = 5
    error_share: float = 0.05
    lost_count: int = 4
    lost_share: float = 0.2
    """Known answers that are not among the hits, of those asked the same way within `window_s`."""
    leak_mib: float = 8.0
    leak_handles: float = 12.0
    """Growth within `leak_window_s`, in steps."""
    wal_mib: float = 0.6
    wal_kept_mib: float = 1.0
    """The log, above where the service empties it, and above what it was at most in plain use."""
    window_s: float = 6.0
    leak_window_s: float = 12.0
    """Longer: memory is counted every few seconds only."""


PLAIN = Bounds()


def found(record: Record, plain_s: Times, bounds: Bounds = PLAIN) -> list[Finding]:
    """All anomalies after `plain_s`, the time of plain use, in the order in which they began."""
    ways = _by_way(record)
    stalls = list(_stalls(record, plain_s, bounds))
    slow = [each for each in _slow(ways, plain_s, bounds) if not each.meets(stalls)]
    late = [each for each in _late(ways, plain_s, bounds) if not each.meets([*stalls, *slow])]
    others = [*_said(record, plain_s, bounds), *_lost(ways, plain_s, bounds)]
    taken = [*_leaks(record.samples, plain_s, bounds), *_log(record.samples, plain_s, bounds)]
    return sorted([*stalls, *slow, *late, *others, *taken], key=lambda each: each.began_s)


def own_ms(probe: Probe) -> float:
    """What a question took, without what others on the machine took from it."""
    return max(0.0, probe.latency_ms - probe.waited_ms)


def _stalls(record: Record, plain_s: Times, bounds: Bounds) -> Iterator[Finding]:
    """Times in which nobody was answered, by the service's own doing."""
    times = sorted([each.at_s for each in record.answers] + [each.at_s for each in record.probes])
    waited_s = {each.at_s: each.waited_ms / 1000.0 for each in record.probes}
    gaps = [(early, late, late - early - waited_s.get(late, 0.0)) for early, late in pairwise(times)]
    usual = [gap for _, late, gap in gaps if plain_s[0] <= late <= plain_s[1]]
    limit = max(bounds.stall_s, 3 * max(usual, default=0.0))
    for early, late, gap in gaps:
        if late > plain_s[1] and gap > limit:
            yield Finding("stall", early, early + limit, late, gap, "s")


def _slow(ways: Mapping[str, Sequence[Probe]], plain_s: Times, bounds: Bounds) -> Iterator[Finding]:
    """The median question of each second against that of plain use, for each way of asking."""
    each_way: list[Finding] = []
    for way, probes in ways.items():
        took = series.each_second([(each.at_s, own_ms(each)) for each in probes])
        usual = Usual.of(series.values_within(took, plain_s))
        limit = usual.above(bounds.slow_ms, bounds.deviations)
        for stretch in series.stretches(_after(took, plain_s), limit):
            if len(stretch) >= bounds.slow_s:
                more_ms = median(value for _, value in stretch) - usual.middle
                noticed_s = stretch[bounds.slow_s - 1][0] + 1
                each_way.append(
                    Finding("slow", stretch[0][0], noticed_s, stretch[-1][0] + 1, more_ms, "ms", way)
                )
    yield from _of_any_way(each_way)


def _late(ways: Mapping[str, Sequence[Probe]], plain_s: Times, bounds: Bounds) -> Iterator[Finding]:
    """Single questions that are far slower than usual, more of them than in plain use."""
    more: list[tuple[float, float]] = []
    for probes in ways.values():
        took = [(each.at_s, own_ms(each)) for each in probes]
        usual = Usual.of(series.values_within(took, plain_s))
        allowed = usual.above(bounds.late_ms, 2 * bounds.deviations) - usual.middle
        more += [
            (at_s, value - usual.middle if value - usual.middle > allowed else 0.0) for at_s, value in took
        ]
    marked = [(at_s, value > 0) for at_s, value in sorted(more)]
    for burst in _bursts(marked, plain_s, bounds.late_window_s, bounds.late_count, bounds.late_share):
        size = median(value for at_s, value in more if value and burst.began_s <= at_s <= burst.ended_s)
        yield _finding("slow_at_times", replace(burst, size=size), "ms")


def _said(record: Record, plain_s: Times, bounds: Bounds) -> Iterator[Finding]:
    """Bursts of errors and refusals, and of answers that were made from less than everything."""
    said = [(each.at_s, each.code) for each in record.answers]
    said = sorted(said + [(each.at_s, each.code) for each in record.probes])
    kinds: dict[Kind, list[tuple[float, bool]]] = {
        "errors": [(at_s, code not in {"", "degraded"}) for at_s, code in said],
        "degraded": [(at_s, code == "degraded") for at_s, code in said],
    }
    for kind, marked in kinds.items():
        for burst in _bursts(marked, plain_s, bounds.window_s, bounds.error_count, bounds.error_share):
            yield _finding(kind, burst, "% of answers")


def _lost(ways: Mapping[str, Sequence[Probe]], plain_s: Times, bounds: Bounds) -> Iterator[Finding]:
    """Known answers that are no longer found, for each way of asking."""
    each_way: list[Finding] = []
    for way, probes in ways.items():
        marked = [(each.at_s, not each.is_found) for each in probes if not each.code]
        for burst in _bursts(marked, plain_s, bounds.window_s, bounds.lost_count, bounds.lost_share):
            each_way.append(_finding("recall_loss", burst, "% of known answers", way))
    yield from _of_any_way(each_way)


def _leaks(samples: Sequence[Sample], plain_s: Times, bounds: Bounds) -> Iterator[Finding]:
    """Growth that goes on: memory of a role, descriptors, threads."""
    for role in sorted({role for sample in samples for role in sample.private_mib}):
        sizes = [(each.at_s, each.private_mib[role]) for each in samples if role in each.private_mib]
        for episode in _growing(series.changes(sizes), plain_s, bounds.leak_mib, bounds):
            yield _finding("memory_leak", episode, "MiB/s", role)
    counts: dict[Kind, Callable[[Sample], float]] = {
        "descriptor_leak": lambda each: each.descriptors,
        "thread_leak": lambda each: each.threads,
    }
    for kind, count in counts.items():
        numbers = [(each.at_s, count(each)) for each in samples]
        for episode in _growing(numbers, plain_s, bounds.leak_handles, bounds):
            yield _finding(kind, episode, "a second")


def _log(samples: Sequence[Sample], plain_s: Times, bounds: Bounds) -> Iterator[Finding]:
    """A write-ahead log far above what it was at most in plain use, when the writer had emptied it."""
    sizes = [(each.at_s, each.wal_mib) for each in samples]
    usual = max((value for at_s, value in sizes if at_s <= plain_s[1]), default=0.0)
    limit = max(usual, bounds.wal_kept_mib) + bounds.wal_mib
    for stretch in series.stretches(_after(sizes, plain_s), limit):
        if len(stretch) >= 2:
            size = max(value for _, value in stretch)
            yield Finding("wal_growth", stretch[0][0], stretch[1][0], stretch[-1][0], size, "MiB")


def _growing(points: Points, plain_s: Times, least: float, bounds: Bounds) -> Iterator[Episode]:
    """Beyond what it varies by in plain use."""
    varies = Usual.of(series.values_within(points, plain_s)).deviation
    later = [point for point in points if point[0] >= plain_s[1] - 1]
    yield from series.growing(later, least + bounds.deviations * varies, window_s=bounds.leak_window_s)


def _bursts(marked: Marked, plain_s: Times, window_s: float, count: int, share: float) -> Iterator[Episode]:
    """Beyond their share in plain use; the size is their share in %."""
    usual = series.usual_share([is_so for at_s, is_so in marked if plain_s[0] <= at_s <= plain_s[1]])
    later = [each for each in marked if each[0] > plain_s[1]]
    for burst in series.bursts(later, usual, window_s=window_s, count=count, share=share):
        inside = [is_so for at_s, is_so in later if burst.began_s <= at_s <= burst.ended_s]
        yield replace(burst, size=100 * series.share(inside))


def _of_any_way(findings: Sequence[Finding]) -> Iterator[Finding]:
    """What is found both ways at one time is one: the larger, with the time of both."""
    rest = sorted(findings, key=lambda each: each.began_s)
    while rest:
        first, *rest = rest
        same = [each for each in rest if each.meets([first])]
        rest = [each for each in rest if each not in same]
        largest = max([first, *same], key=lambda each: each.size)
        yield replace(
            largest,
            began_s=first.began_s,
            noticed_s=min(each.noticed_s for each in [first, *same]),
            ended_s=max(each.ended_s for each in [first, *same]),
            where=" and ".join(sorted({each.where for each in [first, *same]})),
        )


def _finding(kind: Kind, episode: Episode, unit: str, where: str = "") -> Finding:
    return Finding(kind, episode.began_s, episode.noticed_s, episode.ended_s, episode.size, unit, where)


def _by_way(record: Record) -> Mapping[str, list[Probe]]:
    ways: defaultdict[str, list[Probe]] = defaultdict(list)
    for probe in sorted(record.probes, key=lambda each: each.at_s):
        ways[probe.way].append(probe)
    return ways


def _after(points: Points, plain_s: Times) -> Points:
    return [point for point in points if point[0] >= plain_s[1]]
