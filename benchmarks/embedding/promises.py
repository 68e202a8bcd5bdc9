"""What only our own embedder can be asked: a query under load, and what the pool costs around the engine."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.embedding.children import Runner
from benchmarks.embedding.rounds import P50, P95, percentile
from benchmarks.embedding.texts import Texts

OVERHEAD_TEXTS = 8


def under_load(runner: Runner, texts: Texts, rounds: int, seconds: float) -> Mapping[str, float]:
    """Milliseconds of a query's vector, idle and while the ingest lane is full, in turns."""
    idle, loaded = [], []
    order = {"do": "loaded", "texts": texts.queries, "load": texts.abstracts, "seconds": 2 * seconds}
    for _ in range(rounds):
        idle.append(runner.latencies_ms(texts.queries, seconds))
        loaded.append(list(runner.ask(order)["ms"]))
    return {
        "idle_p50_ms": statistics.median(percentile(each, P50) for each in idle),
        "idle_p95_ms": statistics.median(percentile(each, P95) for each in idle),
        "loaded_p50_ms": statistics.median(percentile(each, P50) for each in loaded),
        "loaded_p95_ms": statistics.median(percentile(each, P95) for each in loaded),
    }


def overhead(runner: Runner, texts: Texts) -> Mapping[str, float]:
    """What the pool adds to the engine's call: in percent of a full passage, in milliseconds of a query."""
    engine_ms, pool_ms = _both_ms(runner, texts.full[:OVERHEAD_TEXTS], "ingest")
    query_engine_ms, query_pool_ms = _both_ms(runner, texts.queries[: 4 * OVERHEAD_TEXTS], "query")
    return {
        "full_engine_ms": engine_ms,
        "full_overhead_percent": 100 * (pool_ms / engine_ms - 1),
        "query_engine_ms": query_engine_ms,
        "query_overhead_ms": query_pool_ms - query_engine_ms,
    }


def _both_ms(runner: Runner, texts: Sequence[str], lane: str) -> tuple[float, float]:
    answer = runner.ask({"do": "overhead", "texts": texts, "lane": lane})
    return statistics.median(answer["engine_ms"]), statistics.median(answer["pool_ms"])
