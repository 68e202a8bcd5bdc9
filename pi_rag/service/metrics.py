"""The door to prometheus-client: what is counted while the service works, and the page of `/metrics`.

A registry of its own, so that nothing of the process is in it that is not in `measures.py`. Everything that
the status knows is taken from there when somebody asks; only times and answers are counted as they happen,
each at well under two microseconds. It knows no desk and no route.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pi_rag.clock import Clock
from pi_rag.query import Answer
from pi_rag.service.measures import MEASURES, Measure, Status
from pi_rag.service.recent import Recent
from pi_rag.types import Lane

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

STAGES: Mapping[Lane, tuple[str, ...]] = {
    "query": ("embed", "vector", "text", "fuse", "read", "total"),
    "ingest": ("read", "cut", "embed", "compare", "store", "total"),
}
"""The closed vocabulary of `stage`."""

BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""From a cached answer to a book that is read with OCR, each about twice the one before."""

WINDOW_S = 300.0
"""The time just past, in the status and for alerts: long enough for a p95 of a few searches a minute."""

TELLING_MIN = 20
"""Of fewer, the p95 is the slowest, which may be the first after a start."""

_OF_STATUS = tuple(measure for measure in MEASURES if measure.of is not None)
_COUNTED = {measure.name: measure for measure in MEASURES if measure.of is None}


class Metrics:
    """One for the life of the service. To count may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._registry = CollectorRegistry()
        stages = self._histogram("pi_rag_stage_seconds")
        # Looked up once: a lookup by labels costs twice what it costs to count.
        self._stages = {
            (lane, stage): stages.labels(lane, stage) for lane in STAGES for stage in STAGES[lane]
        }
        self._requests = self._counter("pi_rag_requests_total")
        self._degraded = self._counter("pi_rag_searches_degraded_total")
        self._numbers = dict.fromkeys(("searches", "degraded", "answered", "refused", "failed"), 0)
        self.recent = Recent(clock)
        """Milliseconds of whole searches, cached ones included."""

    def searched(self, answer: Answer) -> None:
        """A search was answered."""
        for stage, ms in answer.took_ms.items():
            child = self._stages.get(("query", stage))
            if child is not None:
                child.observe(ms / 1000)
        self.recent.add(answer.took_ms["total"])
        self._numbers["searches"] += 1
        self._numbers["degraded"] += bool(answer.degraded)
        for reason in answer.degraded:
            self._degraded.labels(reason).inc()

    def ingested(self, stage: str, seconds: float) -> None:
        """A stage of a document is over."""
        self._stages["ingest", stage].observe(seconds)

    def answered(self, route: str, method: str, status: int) -> None:
        """A request has its answer. `route` is the pattern, never the address itself."""
        self._requests.labels(route, method, str(status)).inc()
        kind = "answered" if status < 400 else "refused" if status < 500 else "failed"
        self._numbers[kind] += 1

    def searches(self, window_s: float = WINDOW_S) -> dict[str, Any]:
        """As /v1/status shows it: searches and requests since the start, and how the last searches were."""
        return {**self._numbers, "window_s": window_s, "window": asdict(self.recent.spread(window_s))}

    def p95_ms(self, window_s: float = WINDOW_S) -> float | None:
        """Of the searches just past; None where they are too few to tell."""
        found = self.recent.spread(window_s)
        return found.p95_ms if found.count >= TELLING_MIN else None

    def page(self, status: Status) -> bytes:
        """Everything in Prometheus' text form. `status` is as `/v1/status` shows it."""
        return generate_latest(_Page(self._registry, status))

    def _histogram(self, name: str) -> Histogram:
        measure = _COUNTED[name]
        return Histogram(name, measure.meaning, measure.labels, buckets=BUCKETS_S, registry=self._registry)

    def _counter(self, name: str) -> Counter:
        measure = _COUNTED[name]
        return Counter(name, measure.meaning, measure.labels, registry=self._registry)


class _Page(Collector):
    """What is counted, then what the status says."""

    def __init__(self, counted: CollectorRegistry, status: Status) -> None:
        self._counted = counted
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        for metric in self._counted.collect():
            # When a child was made says nothing that the start of the service does not.
            metric.samples = [each for each in metric.samples if not each.name.endswith("_created")]
            yield metric
        for measure in _OF_STATUS:
            yield _family(measure, self._status)


def _family(measure: Measure, status: Status) -> Metric:
    assert measure.of is not None
    kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
    family = kind(measure.name, measure.meaning, labels=measure.labels)
    for labels, value in measure.of(status):
        family.add_metric(labels, value)
    return family
