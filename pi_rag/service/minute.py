"""What one line of the metrics file says: the service in a minute, from what its status says.

docs/metrics.md is written from this table. It is pure. Only numbers and words of closed vocabularies are in a
line, so that it can be shown to anybody. What is not known is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pi_rag.processes.states import READY
from pi_rag.service.measures import Status, caches, memory_mib, part


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a line. `of` gets the status now and at the line before; {} there at the first."""

    name: str
    unit: str
    meaning: str
    of: Callable[[Status, Status], Any]


def _now(*path: str) -> Callable[[Status, Status], Any]:
    return lambda now, _: part(now, *path)


def _grown(*path: str) -> Callable[[Status, Status], Any]:
    """By how much a counter has grown since the line before."""
    return lambda now, before: _more(part(now, *path), part(before, *path))


def _cache(name: str, field: str) -> Callable[[Status, Status], Any]:
    return lambda now, before: _more(caches(now)[name].get(field), caches(before)[name].get(field))


def _more(now: Any, before: Any) -> Any:
    """A counter that is less than before has begun anew, as that of a new set of workers does."""
    if not isinstance(now, (int, float)):
        return None
    return now - before if before is not None and now >= before else now


def _waiting(now: Status, _: Status) -> Any:
    return sum((part(now, "embedder", "queued") or {}).values())


def _open_jobs(now: Status, _: Status) -> Any:
    states = part(now, "jobs", "states")
    return states["queued"] + states["running"] + states["paused"] if states else None


def _workers(now: Status, _: Status) -> Any:
    workers = part(now, "embedder", "workers") or []
    return sum(each["state"] in READY for each in workers)


def _written_kib(now: Status, before: Status) -> Any:
    grown = _grown("io", "written_bytes")(now, before)
    return None if grown is None else round(grown / 1024)


LINE: tuple[Column, ...] = (
    Column("state", "word", "ready, degraded, starting or stopping", _now("state")),
    Column("up_s", "s", "since the start of the service", _now("uptime_s")),
    Column("searches", "searches", "that were answered in this time", _grown("searches", "searches")),
    Column("p50_ms", "ms", "half of them took no longer", _now("searches", "window", "p50_ms")),
    Column("p95_ms", "ms", "19 of 20 took no longer", _now("searches", "window", "p95_ms")),
    Column("p99_ms", "ms", "99 of 100 took no longer", _now("searches", "window", "p99_ms")),
    Column("less", "searches", "of them, from less than everything", _grown("searches", "degraded")),
    Column("answered", "requests", "of all kinds, with a status below 400", _grown("searches", "answered")),
    Column("refused", "requests", "with one from 400 to 499", _grown("searches", "refused")),
    Column("failed", "requests", "with one from 500 on", _grown("searches", "failed")),
    Column("query_hits", "queries", "whose vector was known", _cache("queries", "hits")),
    Column("query_misses", "queries", "whose vector was not", _cache("queries", "misses")),
    Column("answer_hits", "searches", "whose answer was known", _cache("answers", "hits")),
    Column("answer_misses", "searches", "whose answer was not", _cache("answers", "misses")),
    Column("texts_waiting", "texts", "that wait for a worker", _waiting),
    Column("documents_waiting", "documents", "in the queue", _now("counts", "items_queued")),
    Column("jobs_open", "jobs", "that are not finished", _open_jobs),
    Column("dead_letters", "documents", "that were given up", _now("jobs", "dead_letters")),
    Column("embedded", "passages", "taken in with a new vector", _grown("ingest", "passages", "embedded")),
    Column("reused", "passages", "taken in with one that was there", _grown("ingest", "passages", "reused")),
    Column("held_by", "code", "what holds documents up", _now("ingest", "waiting_for")),
    Column("passages", "passages", "stored", _now("counts", "chunks")),
    Column("workers", "processes", "that can answer", _workers),
    Column("restarts", "starts", "of workers and nurseries", _grown("embedder", "restarts")),
    Column("memory_mib", "MiB", "of all processes, by role", lambda now, _: memory_mib(now)),
    Column("budget_mib", "MiB", "what they may take together", _now("memory", "budget_mib")),
    Column("available_mib", "MiB", "what the machine has left", _now("memory", "available_mib")),
    Column("step", "word", "of the ladder of memory", _now("memory", "step")),
    Column("wal_mib", "MiB", "of the log not yet in the database", _now("store", "writer", "wal_used_mib")),
    Column("database_mib", "MiB", "of the database's file", _now("store", "size_mib")),
    Column("written_kib", "KiB", "had written to the disk in this time", _written_kib),
    Column("recall", "0 to 1", "of the RAM index, by its samples", _now("index", "recall", "mean")),
    Column("temperature_c", "°C", "of the processor", _now("board", "temperature_c")),
    Column("undervoltage", "bool", "whether power lacks", _now("board", "undervoltage")),
    Column("throttled", "bool", "whether the chip is slowed", _now("board", "throttled")),
    Column(
        "alerts",
        "names",
        "of those that fire",
        lambda now, _: [each["name"] for each in now.get("alerts") or []],
    ),
    Column("lines_dropped", "lines", "of the log, in this time", _grown("log", "lines_dropped")),
)


def line(now: Status, before: Status) -> dict[str, Any]:
    """Without what is not known, and without lists that are empty."""
    found = {column.name: column.of(now, before) for column in LINE}
    return {name: value for name, value in found.items() if value is not None and value != []}


def event(kind: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """What happened, with the figures that caused it."""
    return {"event": kind} | {name: value for name, value in figures.items() if value is not None}
