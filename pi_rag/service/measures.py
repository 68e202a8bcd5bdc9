"""Every metric by its name, kind, labels, unit and meaning, and where in the status its value stands.

docs/metrics.md is written from this table. It is pure: what `/v1/status` says goes in, numbers come out; what
is counted while the service works stands in `metrics.py`. What the status does not know has no value, so that
a machine without a sensor shows none instead of a zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pi_rag.budget import Step

Kind = Literal["counter", "gauge", "histogram"]

Status = Mapping[str, Any]

Value = tuple[tuple[str, ...], float]
"""The values of its labels, and its own."""

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric. `of` finds its values in the status; a counter or histogram without it is counted."""

    name: str
    """As Prometheus shows it; a counter's ends in `_total`."""
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    meaning: str
    of: Callable[[Status], Iterable[Value]] | None = None


def part(status: Status, *path: str) -> Any:
    """What stands there; None where any of it is missing."""
    found: Any = status
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
    return found


def _one(*path: str, times: float = 1) -> Callable[[Status], Iterable[Value]]:
    """The single number at a place of the status."""

    def of(status: Status) -> Iterator[Value]:
        found = part(status, *path)
        if isinstance(found, (int, float)):
            yield (), float(found) * times

    return of


def _each(*path: str) -> Callable[[Status], Iterable[Value]]:
    """The numbers of a mapping, each by its name."""

    def of(status: Status) -> Iterator[Value]:
        for name, found in (part(status, *path) or {}).items():
            if isinstance(found, (int, float)):
                yield (str(name),), float(found)

    return of


def _caches(field: str) -> Callable[[Status], Iterable[Value]]:
    def of(status: Status) -> Iterator[Value]:
        for name, cache in caches(status).items():
            if isinstance(cache.get(field), (int, float)):
                yield (name,), float(cache[field])

    return of


def caches(status: Status) -> dict[str, Mapping[str, Any]]:
    """Every cache by its name, from what the status tells of them."""
    queries = status.get("cache") or {}
    return {"queries": queries, "answers": queries.get("results") or {}}


def _info(status: Status) -> Iterator[Value]:
    yield (str(status.get("version", "")), str(part(status, "model", "name") or "")), 1.0


def _named(*path: str) -> Callable[[Status], Iterable[Value]]:
    """1 for each word of a list."""

    def of(status: Status) -> Iterator[Value]:
        for word in part(status, *path) or []:
            yield (str(word),), 1.0

    return of


def _workers(status: Status) -> Iterator[Value]:
    found = Counter(
        (each["lane"] or "none", each["state"]) for each in part(status, "embedder", "workers") or []
    )
    for labels, count in found.items():
        yield labels, float(count)


def _worker_restarts(status: Status) -> Iterator[Value]:
    yield (), float(sum(each["restarts"] for each in part(status, "embedder", "workers") or []))


def _nursery_restarts(status: Status) -> Iterator[Value]:
    workers = sum(each["restarts"] for each in part(status, "embedder", "workers") or [])
    yield (), float((part(status, "embedder", "restarts") or 0) - workers)


def _waits(status: Status) -> Iterator[Value]:
    waiting = part(status, "ingest", "waiting_for")
    if waiting:
        yield (str(waiting),), 1.0


def _remembered(status: Status) -> Iterator[Value]:
    found = part(status, "remembered") or {}
    yield from (
        ((name,), float(found[name])) for name in ("facts", "events", "summaries", "gone") if name in found
    )


def memory_mib(status: Status) -> dict[str, float]:
    """Proportional set size of all processes of each role."""
    found: dict[str, float] = {}
    for each in part(status, "memory", "processes") or []:
        found[each["role"]] = round(found.get(each["role"], 0.0) + (each.get("pss_mib") or 0.0), 1)
    return found


def _memory(status: Status) -> Iterator[Value]:
    for role, mib in memory_mib(status).items():
        yield (role,), mib * MIB


def _alerts(status: Status) -> Iterator[Value]:
    firing = {each["name"] for each in status.get("alerts") or []}
    for name in status.get("alert_names") or []:
        yield (str(name),), float(name in firing)


def _silences(status: Status) -> Iterator[Value]:
    for loop, beat in (status.get("loops") or {}).items():
        yield (str(loop),), float(beat["silent_s"])


def _step(status: Status) -> Iterator[Value]:
    word = part(status, "memory", "step")
    yield from (((), float(step)) for step in Step if step.word == word)


MEASURES: tuple[Measure, ...] = (
    Measure(
        "pi_rag_stage_seconds",
        "histogram",
        ("lane", "stage"),
        "seconds",
        "How long a stage took. Lane `query`, of a search: `embed`, `vector`, `text`, `fuse`, `read`, and "
        "`total`, which answers from the cache have alone. Lane `ingest`, of a document: `read`, `cut`, "
        "`embed`, `compare`, `store`, and `total`, which a document that is known as it is has alone. "
        "Stages of a search overlap, so their sum may exceed the total.",
    ),
    Measure(
        "pi_rag_requests_total",
        "counter",
        ("route", "method", "status"),
        "requests",
        "Requests that were answered. The route is the pattern, such as `/v1/documents/{document_id}`; "
        "`other` is what no route took.",
    ),
    Measure(
        "pi_rag_searches_degraded_total",
        "counter",
        ("reason",),
        "searches",
        "Searches that were answered from less than everything.",
    ),
    Measure("pi_rag_info", "gauge", ("version", "model"), "1", "Which version and model answer.", _info),
    Measure("pi_rag_up_seconds", "gauge", (), "seconds", "Since the start.", _one("uptime_s")),
    Measure("pi_rag_ready", "gauge", (), "0 or 1", "1: answers are made from everything.", _one("ready")),
    Measure(
        "pi_rag_degraded",
        "gauge",
        ("reason",),
        "1",
        "There while the service is less than whole for that reason.",
        _named("degraded"),
    ),
    Measure(
        "pi_rag_alert",
        "gauge",
        ("alert",),
        "1",
        "1 while the alert of that name fires.",
        _alerts,
    ),
    Measure(
        "pi_rag_embedder_queue_texts",
        "gauge",
        ("lane",),
        "texts",
        "Texts that wait for a worker.",
        _each("embedder", "queued"),
    ),
    Measure(
        "pi_rag_workers",
        "gauge",
        ("lane", "state"),
        "processes",
        "Workers by what they are, and of which lane their work is; `none` at rest.",
        _workers,
    ),
    Measure(
        "pi_rag_worker_restarts_total",
        "counter",
        (),
        "starts",
        "Workers that were replaced, whyever.",
        _worker_restarts,
    ),
    Measure(
        "pi_rag_nursery_restarts_total",
        "counter",
        (),
        "starts",
        "Nurseries that were replaced, each with all its workers.",
        _nursery_restarts,
    ),
    Measure(
        "pi_rag_embedder_batches_total",
        "counter",
        (),
        "batches",
        "Batches given to workers.",
        _one("embedder", "batches"),
    ),
    Measure(
        "pi_rag_embedder_shared_texts_total",
        "counter",
        (),
        "texts",
        "Texts that were under way for somebody else already, and cost nothing.",
        _one("embedder", "shared"),
    ),
    Measure(
        "pi_rag_queue_documents",
        "gauge",
        (),
        "documents",
        "Documents that wait or are being taken in.",
        _one("counts", "items_queued"),
    ),
    Measure(
        "pi_rag_jobs", "gauge", ("state",), "jobs", "Jobs that are known, by state.", _each("jobs", "states")
    ),
    Measure(
        "pi_rag_dead_letters",
        "gauge",
        (),
        "documents",
        "Documents that were given up and can be tried again.",
        _one("jobs", "dead_letters"),
    ),
    Measure(
        "pi_rag_ingest_waits",
        "gauge",
        ("reason",),
        "1",
        "There while documents are held up, by the code of what holds them up.",
        _waits,
    ),
    Measure(
        "pi_rag_ingest_documents_max",
        "gauge",
        (),
        "documents",
        "How many may be in hand now: fewer while somebody searches, memory is short, or it is hot.",
        _one("ingest", "pace", "documents"),
    ),
    Measure(
        "pi_rag_ingest_passages_total",
        "counter",
        ("origin",),
        "passages",
        "Passages that were taken in: `embedded`, or `reused` with the vector that was there.",
        _each("ingest", "passages"),
    ),
    Measure("pi_rag_documents", "gauge", (), "documents", "Documents stored.", _one("counts", "documents")),
    Measure("pi_rag_passages", "gauge", (), "passages", "Passages stored.", _one("counts", "chunks")),
    Measure(
        "pi_rag_remembered",
        "gauge",
        ("type",),
        "memories",
        "What agents keep and is in force, as `facts`, `events` and `summaries`; and what is `gone`: "
        "superseded, forgotten or evicted, and not erased.",
        _remembered,
    ),
    Measure(
        "pi_rag_remembered_pending",
        "gauge",
        (),
        "memories",
        "Those that wait for their vectors, and are found by their words alone until then.",
        _one("remembered", "pending"),
    ),
    Measure(
        "pi_rag_remembered_scopes",
        "gauge",
        (),
        "scopes",
        "Scopes in which anything was kept.",
        _one("remembered", "scopes"),
    ),
    Measure(
        "pi_rag_cache_hits_total",
        "counter",
        ("cache",),
        "asked",
        "What a cache had: `queries`, vectors of questions; `answers`, whole answers.",
        _caches("hits"),
    ),
    Measure(
        "pi_rag_cache_misses_total",
        "counter",
        ("cache",),
        "asked",
        "What it had not.",
        _caches("misses"),
    ),
    Measure(
        "pi_rag_cache_evictions_total",
        "counter",
        ("cache",),
        "entries",
        "What it dropped to make room.",
        _caches("evictions"),
    ),
    Measure("pi_rag_cache_entries", "gauge", ("cache",), "entries", "What it holds now.", _caches("entries")),
    Measure("pi_rag_cache_bytes", "gauge", ("cache",), "bytes", "RAM of that.", _caches("bytes")),
    Measure("pi_rag_cache_bytes_max", "gauge", ("cache",), "bytes", "RAM it may take.", _caches("bytes_max")),
    Measure(
        "pi_rag_index_passages",
        "gauge",
        (),
        "passages",
        "Passages in the RAM index; none where all vectors are read.",
        _one("index", "passages"),
    ),
    Measure(
        "pi_rag_index_bytes", "gauge", (), "bytes", "RAM of that index.", _one("index", "mib", times=MIB)
    ),
    Measure(
        "pi_rag_recall_ratio",
        "gauge",
        (),
        "0 to 1",
        "Which part of the nearest passages the RAM index finds, by its samples.",
        _one("index", "recall", "mean"),
    ),
    Measure(
        "pi_rag_recall_samples",
        "gauge",
        (),
        "samples",
        "How many samples that is the mean of.",
        _one("index", "recall", "samples"),
    ),
    Measure(
        "pi_rag_database_bytes",
        "gauge",
        (),
        "bytes",
        "Size of the database's file.",
        _one("store", "size_mib", times=MIB),
    ),
    Measure(
        "pi_rag_wal_bytes",
        "gauge",
        (),
        "bytes",
        "Size of the write-ahead log's file.",
        _one("store", "wal_mib", times=MIB),
    ),
    Measure(
        "pi_rag_wal_used_bytes",
        "gauge",
        (),
        "bytes",
        "How much of it is not yet in the database.",
        _one("store", "writer", "wal_used_mib", times=MIB),
    ),
    Measure("pi_rag_store_reads_total", "counter", (), "reads", "Reads.", _one("store", "readers", "reads")),
    Measure(
        "pi_rag_store_reads_waited_total",
        "counter",
        (),
        "reads",
        "Reads that had to wait for a free connection.",
        _one("store", "readers", "waited"),
    ),
    Measure(
        "pi_rag_store_readers_in_use",
        "gauge",
        (),
        "connections",
        "Connections that read just now.",
        _one("store", "readers", "in_use"),
    ),
    Measure(
        "pi_rag_memory_bytes",
        "gauge",
        ("process",),
        "bytes",
        "Proportional set size of all processes of a role: `supervisor`, `nursery`, `worker`, `reader`, "
        "`tuner`; while the model changes `reindex nursery` and `reindex worker`; `other` is what else was "
        "started.",
        _memory,
    ),
    Measure(
        "pi_rag_memory_budget_bytes",
        "gauge",
        (),
        "bytes",
        "What all of them together may take.",
        _one("memory", "budget_mib", times=MIB),
    ),
    Measure(
        "pi_rag_memory_available_bytes",
        "gauge",
        (),
        "bytes",
        "What the kernel could still give to programs.",
        _one("memory", "available_mib", times=MIB),
    ),
    Measure(
        "pi_rag_memory_ladder_step",
        "gauge",
        (),
        "step",
        "How far the watchdog had to go: " + ", ".join(f"{step.value} {step.word}" for step in Step) + ".",
        _step,
    ),
    Measure(
        "pi_rag_written_bytes_total",
        "counter",
        (),
        "bytes",
        "What the processes of the service had written to the disk since its start.",
        _one("io", "written_bytes"),
    ),
    Measure(
        "pi_rag_temperature_celsius",
        "gauge",
        (),
        "degrees Celsius",
        "Of the processor's hottest part.",
        _one("board", "temperature_c"),
    ),
    Measure(
        "pi_rag_undervoltage",
        "gauge",
        (),
        "0 or 1",
        "1: the supply is below what the board needs.",
        _one("board", "undervoltage"),
    ),
    Measure(
        "pi_rag_throttled",
        "gauge",
        (),
        "0 or 1",
        "1: the chip is slowed, by heat or for lack of power.",
        _one("board", "throttled"),
    ),
    Measure(
        "pi_rag_loop_silence_seconds",
        "gauge",
        ("loop",),
        "seconds",
        "How long ago a loop that works has beaten.",
        _silences,
    ),
    Measure(
        "pi_rag_log_lines_dropped_total",
        "counter",
        (),
        "lines",
        "Lines that the journal did not take in time.",
        _one("log", "lines_dropped"),
    ),
    Measure(
        "pi_rag_log_fields_dropped_total",
        "counter",
        (),
        "fields",
        "Fields of log lines that are not on the list of what may be told.",
        _one("log", "fields_dropped"),
    ),
)
