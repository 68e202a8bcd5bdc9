"""Where each number stands in the status."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pi_rag.service.measures import MEASURES
from pi_rag.service.metrics import Metrics
from pi_rag.types import Counts, ModelCard
from tests.service.hands import Hands

CARD = ModelCard("tiny", "/m", "0" * 64, 8, "mean", 64, "", "F32", "here", "MIT")

STATUS = {
    "version": "9",
    "ready": True,
    "degraded": ["model_mismatch"],
    "alerts": [{"name": "disk_low"}],
    "alert_names": ["disk_low", "hot"],
    "loops": {"ingest": {"silent_s": 1.5}},
    "log": {"lines_dropped": 2, "fields_dropped": 0},
    "io": {"written_bytes": 4096},
    "uptime_s": 5.5,
    "model": CARD,
    "counts": Counts(documents=1, chunks=12, collections=1, jobs_open=0, items_queued=3),
    "embedder": {
        "workers": [
            {"lane": None, "state": "idle", "restarts": 1},
            {"lane": "ingest", "state": "busy", "restarts": 2},
            {"lane": "ingest", "state": "busy", "restarts": 0},
        ],
        "restarts": 5,
        "queued": {"query": 1, "ingest": 2},
    },
    "cache": {"hits": 7, "misses": 3, "results": {"hits": 1, "misses": 0}},
    "remembered": {"facts": 5, "events": 0, "summaries": 0, "gone": 2, "pending": 1, "filled": 9},
    "jobs": {"states": {"queued": 4}, "dead_letters": 6},
    "memory": {
        "step": "refuse",
        "processes": [
            {"role": "worker", "pss_mib": 10.0},
            {"role": "worker", "pss_mib": 20.5},
            {"role": "reader", "pss_mib": None},
        ],
    },
    "ingest": {"waiting_for": "paused", "passages": {"embedded": 8, "reused": 9}},
    "board": {"temperature_c": None, "undervoltage": True},
    "index": {"recall": {"mean": None, "samples": 0}},
}


def shown(status: object) -> dict[str, float]:
    """Every sample of the page, as `name{label=value}`."""
    page = Metrics(Hands()).page(status).decode()  # type: ignore[arg-type]  # also what no status is
    families = text_string_to_metric_families(page)
    samples = [sample for family in families for sample in family.samples]
    return {
        each.name + "".join(f" {key}={value}" for key, value in sorted(each.labels.items())): each.value
        for each in samples
    }


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        ("pi_rag_info model=tiny version=9", 1),
        ("pi_rag_ready", 1),
        ("pi_rag_degraded reason=model_mismatch", 1),
        ("pi_rag_alert alert=disk_low", 1),
        ("pi_rag_alert alert=hot", 0),
        ("pi_rag_loop_silence_seconds loop=ingest", 1.5),
        ("pi_rag_log_lines_dropped_total", 2),
        ("pi_rag_written_bytes_total", 4096),
        ("pi_rag_memory_ladder_step", 2),
        ("pi_rag_workers lane=ingest state=busy", 2),
        ("pi_rag_workers lane=none state=idle", 1),
        ("pi_rag_worker_restarts_total", 3),
        ("pi_rag_nursery_restarts_total", 2),
        ("pi_rag_embedder_queue_texts lane=ingest", 2),
        ("pi_rag_cache_hits_total cache=queries", 7),
        ("pi_rag_cache_misses_total cache=answers", 0),
        ("pi_rag_jobs state=queued", 4),
        ("pi_rag_dead_letters", 6),
        ("pi_rag_memory_bytes process=worker", 30.5 * 2**20),
        ("pi_rag_ingest_waits reason=paused", 1),
        ("pi_rag_ingest_passages_total origin=reused", 9),
        ("pi_rag_undervoltage", 1),
        ("pi_rag_passages", 12),
        ("pi_rag_queue_documents", 3),
        ("pi_rag_remembered type=facts", 5),
        ("pi_rag_remembered type=gone", 2),
        ("pi_rag_remembered_pending", 1),
    ],
)
def test_what_the_status_says_is_a_number(sample: str, value: float) -> None:
    """Each at its own name, with its labels."""
    assert shown(STATUS)[sample] == value


@pytest.mark.parametrize("name", ["pi_rag_temperature_celsius", "pi_rag_recall_ratio", "pi_rag_wal_bytes"])
def test_what_is_not_known_has_no_value(name: str) -> None:
    """A machine without a sensor is not at 0 degrees."""
    assert name not in shown(STATUS)


def test_a_status_that_knows_nothing_is_no_fault() -> None:
    """While all readers are taken, or before anything was measured, the page is there all the same."""
    nothing: dict[str, object] = {"counts": None, "jobs": None, "model": None, "memory": {}, "reindex": None}
    assert shown(nothing)["pi_rag_info model= version="] == 1


def test_names_say_what_they_are() -> None:
    """As Prometheus wants it: a counter ends in `_total`, and no name is there twice."""
    assert [each.name for each in MEASURES if (each.kind == "counter") != each.name.endswith("_total")] == []
    assert len({each.name for each in MEASURES}) == len(MEASURES)
