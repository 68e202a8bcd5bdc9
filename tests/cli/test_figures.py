"""Rates, curves and quantiles from looks that are made up."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from pi_rag.cli.figures import WINDOW_S, Buckets, History, Look, quantile_ms, stages_of


def status(uptime_s: float, **more: Any) -> dict[str, Any]:
    """A status that has been up so long."""
    return {"uptime_s": uptime_s, **more}


def remembered(*looks: tuple[float, dict[str, Any]]) -> History:
    """A history of these, by their times."""
    history = History()
    for at_s, told in looks:
        history.add(Look(at_s, told))
    return history


def searches(count: int) -> dict[str, Any]:
    return {"searches": {"searches": count}}


def test_a_rate_is_the_difference_of_two_looks() -> None:
    """Per second, at the later one's time; nothing can be said of a single look."""
    assert remembered((10, status(5, **searches(3)))).rates("searches", "searches") == []
    history = remembered(
        (10, status(5, **searches(3))), (12, status(7, **searches(9))), (16, status(11, **searches(9)))
    )
    assert history.rates("searches", "searches") == [(12, 3.0), (16, 0.0)]


def test_a_restarted_service_begins_anew() -> None:
    """Its counters begin at nothing, which is no negative rate."""
    history = remembered((10, status(500, **searches(900))), (12, status(1, **searches(2))))
    assert history.rates("searches", "searches") == []
    assert history.values("uptime_s") == [(12, 1)]


def test_what_is_older_than_the_window_is_forgotten() -> None:
    """However long the screen is open, it holds the last minutes."""
    history = remembered(*((at_s, status(at_s)) for at_s in range(0, 2000, 2)))
    times = [at_s for at_s, _ in history.values("uptime_s")]
    assert (times[0], times[-1]) == (1998 - WINDOW_S, 1998)


def test_what_is_not_told_is_left_out() -> None:
    """An older service, a part that is null, a value of another kind: no figure, and no fault."""
    history = remembered(
        (1, status(1, counts=None)), (2, status(2, counts={"items_queued": "many"})), (3, status(3))
    )
    assert history.values("counts", "items_queued") == [] == history.rates("counts", "items_queued")
    assert history.left_s() is None and history.stages_ms("query") == ({}, None)


def test_the_share_of_what_a_cache_had() -> None:
    """From look to look, and only where something was asked."""
    looks = [(0, 0, 0), (1, 3, 1), (2, 3, 1), (3, 3, 5)]
    history = remembered(
        *((at_s, status(at_s, cache={"hits": hits, "misses": misses})) for at_s, hits, misses in looks)
    )
    assert history.share(("cache", "hits"), ("cache", "misses")) == [(1, 0.75), (3, 0.0)]


def waiting(*counts: int) -> History:
    """A queue, seen every ten seconds."""
    looks = enumerate(counts)
    return remembered(*((10 * n, status(n, counts={"items_queued": count})) for n, count in looks))


@pytest.mark.parametrize(
    ("counts", "left_s"),
    [((30, 20), 20), ((30, 25, 10), 10), ((30,), None), ((30, 30), None), ((5, 0), None)],
)
def test_the_time_left_follows_how_the_queue_sinks(counts: tuple[int, ...], left_s: float | None) -> None:
    """Nothing is said of a queue that does not sink, or is empty."""
    assert waiting(*counts).left_s() == left_s


def test_the_stages_are_read_from_what_the_library_writes() -> None:
    """The page is as prometheus-client makes it, other metrics beside."""
    registry = CollectorRegistry()
    made = Histogram("pi_rag_stage_seconds", "x", ["lane", "stage"], buckets=(0.01, 0.1), registry=registry)
    Histogram("pi_rag_other_seconds", "x", registry=registry).observe(1)
    for seconds in (0.005, 0.05, 0.05, 7):
        made.labels("query", "embed").observe(seconds)
    found = stages_of(generate_latest(registry).decode())
    assert found == {("query", "embed"): {0.01: 1, 0.1: 3, float("inf"): 4}}
    assert stages_of("") == stages_of("pi_rag_stage_seconds_sum 3") == {}


def test_stages_are_all_of_the_same_time() -> None:
    """What was slow before the first look no longer counts, unless nothing at all came since."""
    inf = float("inf")
    old: Buckets = {0.1: 0, 1.0: 50, inf: 50}
    history = History()
    history.add(Look(0, status(0), {("query", "total"): old, ("query", "embed"): old}))
    first = history.stages_ms("query")
    history.add(
        Look(2, status(2), {("query", "total"): {0.1: 10, 1.0: 60, inf: 60}, ("query", "embed"): old})
    )
    assert first.last_s is None and first.ms["embed"] == first.ms["total"] and first.ms["total"]["p50"] > 100
    assert history.stages_ms("query") == ({"total": {"p50": 50.0, "p95": 95.0}}, 2)
    assert history.as_object()["stages"] == {
        "query": {"ms": {"total": {"p50": 50.0, "p95": 95.0}}, "last_s": 2},
        "ingest": {"ms": {}, "last_s": None},
    }


@pytest.mark.parametrize("buckets", [{}, {0.1: 0.0, float("inf"): 0.0}])
def test_nothing_has_no_quantile(buckets: Buckets) -> None:
    """Before the first search there is no latency."""
    assert quantile_ms(buckets, 0.5) is None


BOUNDS = (0.001, 0.01, 0.1, 1.0, float("inf"))


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any), st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_of_its_rank(counts: list[int], share: float) -> None:
    """So it is off by no more than a bucket's width; beyond the last bound it is that bound."""
    sums = [sum(counts[: number + 1]) for number in range(5)]
    value = quantile_ms(dict(zip(BOUNDS, map(float, sums), strict=True)), share)
    rank = share * sums[-1]
    holds = next(number for number, below in enumerate(sums) if below >= rank and counts[number])
    low, high = [*pairwise((0.0, *BOUNDS))][holds]
    assert value is not None
    assert 1000 * low - 1e-9 <= value <= 1000 * min(high, 1.0) + 1e-9
