"""Hours of steady use: does the service take more and more of anything?

Guests ask, add, remove, remember and recall at an even pace, and what is stored stays as much as it was.
After a warm-up the slope of private memory, by role and of the whole, is held against one MiB an hour. How
that is decided, and what a run of this length could have seen at all, is in `slopes`; a run too short or
too noisy to see a leak worth worrying about says that it cannot tell, and not that there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from pi_rag.stress.slopes import Growth, Point, growth
from pi_rag.stress.tally import judged
from pi_rag.stress.types import Operation, Sample, Scenario, Stage

GROWTH_MIB_H_MAX = 1.0
"""Of private memory, beyond noise."""

GROWN_MIB_MIN = 0.5
"""Less in all is none: a step of the C library is larger, and in minutes would be tens of MiB an hour."""

SEEN_MIB_H_MAX = 8.0
"""A run that could not have seen a leak of this size has not looked: a board of 4 GB would be full of it in
three weeks. One that could is well when nothing was found."""

SHARE_OF_WARM_UP = 1 / 3
WARM_UP_S_MAX = 1800.0
"""Caches have filled by then, and the C library has got the arenas that it wants."""

RESOLUTION_MIB = 0.1
"""Of a sample."""

HANDLES_MAX = 2
"""Descriptors and threads may differ by so much between two moments: a guest that is just asking has one."""
HANDLES_SAMPLES_MIN = 30
"""Of a quarter. In less than half a minute a connection that is made once and kept looks like a leak."""

WAL_MIB_MAX = 4
WAL_TIMES_MAX = 3
"""The log is emptied at its bound when no reader is in the way; three times as much is no accident."""

GUESTS, PACE_S = 4, 0.2
MIX: dict[Operation, float] = {"search": 0.68, "add": 0.1, "remove": 0.12, "recall": 0.08, "remember": 0.02}
"""More is removed than added, as far as there is anything: what is stored stays at what the filling left."""
SHARE_OF_FILLING, FILLING_S_MAX = 0.1, 60.0
CROWD = 40
CROWD_MIX: dict[Operation, float] = {"search": 0.5, "recall": 0.5}
SHARE_OF_CROWD, CROWD_S_MAX = 0.05, 20.0
"""Each connection to the database takes one to two MiB when it is first used. So many guests at once use all
of them, before anything is measured; four would now and then need one more, and each looks like a leak."""
ROLE_SHARE_MIN = 0.9
"""A role that was there in fewer samples comes and goes, such as a reading child: it counts in the whole."""


def run(stage: Stage) -> None:
    """Use it until the time is over, and judge."""
    filling_s = min(FILLING_S_MAX, SHARE_OF_FILLING * stage.left_s())
    stage.mark("filling")
    with stage.crowd(GUESTS, {"add": 1.0}, pace_s=PACE_S / 2):
        stage.pause(filling_s)
    stage.mark("a crowd")
    with stage.crowd(CROWD, CROWD_MIX):
        stage.pause(min(CROWD_S_MAX, SHARE_OF_CROWD * stage.left_s()))
    stage.mark("steady use")
    began_s = stage.elapsed_s()
    with stage.crowd(GUESTS, MIX, pace_s=PACE_S) as crowd:
        stage.pause(stage.left_s())
        ended_s = stage.elapsed_s()
    # A service that answers nobody takes nothing either.
    told, is_kept = judged({operation: crowd.seen(operation) for operation in MIX})
    stage.check("guests are answered all the while", "no error but busy", told, is_kept)
    judge(stage, [each for each in stage.record.samples if began_s <= each.at_s <= ended_s])


def judge(stage: Stage, samples: Sequence[Sample]) -> None:
    """Hold what was seen of steady use against what was promised."""
    if not samples:
        stage.check("steady use", "it is seen", "nothing was seen", None)
        return
    warm_up_s = min(SHARE_OF_WARM_UP * (samples[-1].at_s - samples[0].at_s), WARM_UP_S_MAX)
    for role in steady_roles(samples):
        _memory(stage, role, points(samples, partial(_private, role), role), warm_up_s)
    _memory(stage, "whole", points(samples, lambda each: sum(each.private_mib.values())), warm_up_s)
    settled = [each for each in samples if each.at_s - samples[0].at_s >= warm_up_s]
    # None at all are those of a supervisor that was not there.
    _handles(stage, "descriptors", [each.descriptors for each in settled if each.descriptors])
    _handles(stage, "threads", [each.threads for each in settled if each.threads])
    _log(stage, samples)


def _private(role: str, sample: Sample) -> float:
    return sample.private_mib[role]


def steady_roles(samples: Sequence[Sample]) -> list[str]:
    """Roles that have had a process all the while."""
    roles = {role for each in samples for role in each.private_mib}
    return sorted(
        role
        for role in roles
        if sum(role in each.private_mib for each in samples) >= ROLE_SHARE_MIN * len(samples)
    )


def points(samples: Sequence[Sample], value: Callable[[Sample], float], role: str = "") -> list[Point]:
    """One figure over time, where it was measured."""
    return [
        (each.at_s, value(each))
        for each in samples
        if each.private_mib and (not role or role in each.private_mib)
    ]


def _memory(stage: Stage, role: str, seen: Sequence[Point], warm_up_s: float) -> None:
    found = growth(seen, warm_up_s)
    sees = found.sees_from(GROWTH_MIB_H_MAX, RESOLUTION_MIB, GROWN_MIB_MIN)
    stage.check(
        f"private memory, {role}",
        f"grows by no more than {GROWTH_MIB_H_MAX:g} MiB an hour beyond noise",
        f"{told(found)}; {_could_see(sees)}",
        kept(found),
    )
    if math.isfinite(sees):
        stage.figure(f"{role}_growth_mib_h", found.whole.per_hour)
        stage.figure(f"{role}_growth_low_mib_h", found.whole.low)
        stage.figure(f"{role}_growth_high_mib_h", found.whole.high)
        stage.figure(f"{role}_growth_seen_from_mib_h", sees)


def kept(found: Growth) -> bool | None:
    """False for a leak; True when there is none and one would have been seen; None when nobody can tell."""
    if found.leaks(GROWTH_MIB_H_MAX, GROWN_MIB_MIN):
        return False
    sees = found.sees_from(GROWTH_MIB_H_MAX, RESOLUTION_MIB, GROWN_MIB_MIN)
    return True if sees <= SEEN_MIB_H_MAX else None


def told(found: Growth) -> str:
    """The slope in words."""
    if not math.isfinite(found.whole.width):
        return "too little was seen for a slope"
    whole, late = found.whole, found.late
    return (
        f"{whole.per_hour:.2f} MiB an hour, between {whole.low:.2f} and {whole.high:.2f} (99 %), "
        f"of which {late.per_hour:.2f} in the later half"
    )


def _could_see(sees: float) -> str:
    if math.isinf(sees):
        return "no leak could have been seen"
    return f"this run would have seen a leak from {sees:.1f} MiB an hour on"


def _handles(stage: Stage, what: str, counts: Sequence[int]) -> None:
    """Held at the end against the beginning, each the median of a quarter."""
    quarter = len(counts) // 4
    if quarter < HANDLES_SAMPLES_MIN:
        stage.check(what, "flat", "too little was seen", None)
        return
    before, after = median(counts[:quarter]), median(counts[-quarter:])
    stage.check(
        what,
        f"no more than {HANDLES_MAX} above what they were",
        f"{before:g} at first, {after:g} in the end, {max(counts)} at most",
        after - before <= HANDLES_MAX,
    )
    stage.figure(f"{what}_more", after - before)


def _log(stage: Stage, samples: Sequence[Sample]) -> None:
    most = max(each.wal_mib for each in samples)
    bound = WAL_MIB_MAX * WAL_TIMES_MAX
    stage.check("write-ahead log", f"at most {bound} MiB", f"{most:.1f} MiB at most", most <= bound)
    stage.figure("wal_mib_max", most)


SCENARIO = Scenario(
    name="leaks",
    about="Hours of steady use: memory, descriptors, threads and the log stay as they are",
    minutes=30,
    quick_minutes=1,
    run=run,
    environ={
        # Small: what fills looks like a leak, and the log should be emptied often.
        "PI_RAG_CACHE_QUERY_MIB_MAX": "1",
        "PI_RAG_CACHE_RESULTS_MAX": "100",
        "PI_RAG_STORE_CACHE_MIB": "1",
        "PI_RAG_STORE_WAL_MIB_MAX": str(WAL_MIB_MAX),
    },
)
