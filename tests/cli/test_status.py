"""`pi-rag status`: one screen, from whatever the service tells."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.standin import StandIn

STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "ready": True,
    "state": "ready",
    "degraded": [],
    "uptime_s": 7500.0,
    "model": {"name": "bge-small-en-v1.5", "quantisation": "Q8_0", "dimensions": 384, "pooling": "cls"},
    "embedder": {
        "state": "ready",
        "reason": None,
        "workers": [{"pid": 2, "state": "idle"}, {"pid": 3, "state": "busy"}, {"pid": 4, "state": "idle"}],
        "restarts": 1,
        "queued": {"query": 0, "ingest": 3},
    },
    "counts": {"documents": 1200, "chunks": 9000, "collections": 1, "jobs_open": 1, "items_queued": 5},
    "ingest": {"current": ["/a/b.pdf"], "rate_chunks_s": 12.34, "waiting_for": None},
    "cache": {
        "state": "on",
        "entries": 1204,
        "bytes": 2516582,
        "hits": 630,
        "misses": 1370,
        "results": {"state": "on", "entries": 1, "bytes": 20971, "hits": 5, "misses": 7},
    },
    "remembered": {"facts": 1200, "events": 1, "sessions": 0, "scopes": 2, "pending": 3, "gone": 9},
    "memory": {"pss_mib_total": 287.4, "processes": [{"pid": 1}, {"pid": 2}]},
}


def test_one_screen_says_how_everything_is(service: StandIn, run: Run) -> None:
    """State, model, workers, memory, counts and what is being added."""
    service.on("GET", "/v1/status", STATUS)
    ran = run("status")
    assert ran.code == 0
    lines = dict(line.split(None, 1) for line in ran.out.splitlines())
    assert lines["state"] == "ready, pi-rag 0.1.0, up 2 h 5 min"
    assert lines["model"] == "bge-small-en-v1.5 (Q8_0, 384 dimensions, cls)"
    assert lines["workers"] == "1 busy, 2 idle; 3 ingest waiting; 1 restart"
    assert lines["memory"] == "287 MiB in 2 processes"
    assert lines["stored"] == "1,200 documents, 9,000 passages, 1 collection"
    assert lines["adding"] == "5 documents waiting, 12.3 passages/s, now /a/b.pdf"
    assert lines["cache"] == "1,204 queries in 2.4 MiB, 630 of 2,000 asked were known"
    assert lines["answers"] == "1 answer in 0.0 MiB, 5 of 12 asked were known"
    assert lines["told"] == "1,200 facts, 1 event, 2 scopes, 3 found by words alone so far"
    assert lines["socket"] == str(service.socket_path)


def test_workers_that_are_on_their_way_have_not_ended(service: StandIn, run: Run) -> None:
    """A service that is starting has lost nobody; later an ended worker is told as one."""
    embedder = {"embedder": {"workers": [{"state": "ended"}, {"state": "idle"}]}}
    service.on("GET", "/v1/status", STATUS | embedder | {"state": "starting"})
    assert "workers  1 idle, 1 starting\n" in run("status").out
    service.on("GET", "/v1/status", STATUS | embedder)
    assert "workers  1 ended, 1 idle\n" in run("status").out


def test_what_is_missing_is_said_with_what_to_do(service: StandIn, run: Run) -> None:
    """Every reason of a degraded service has a line and a next step, also one that we do not know yet."""
    degraded = {"degraded": ["model_mismatch", "of_a_newer_service"], "state": "degraded", "model": None}
    ingest = {"ingest": {"current": [], "waiting_for": "disk_full"}}
    service.on("GET", "/v1/status", STATUS | degraded | ingest)
    out = run("status").out
    assert "model    none; get one with: pi-rag model pull" in out
    assert "held up  Documents wait. The disk is full; what was acknowledged before is safe." in out
    assert "no answer" not in out
    assert "degraded: model_mismatch\n  The index was made with another model." in out
    assert "degraded: of_a_newer_service\n  Run: pi-rag doctor" in out


def test_why_there_is_no_model_is_said_beside_it(service: StandIn, run: Run) -> None:
    """A damaged file of one's own is no reason to fetch another model."""
    why = "/m.gguf is not a whole GGUF file. Put a whole file in its place."
    embedder = {"embedder": {"workers": [], "reason": why}}
    service.on("GET", "/v1/status", STATUS | embedder | {"model": None})
    out = run("status").out
    assert f"model    none: {why}\n" in out
    assert "workers  none\n" in out
    assert "pull" not in out


def test_what_waits_for_the_reader_is_named_by_all_its_kinds(service: StandIn, run: Run) -> None:
    """Who has added a PDF would not look for it among office files."""
    service.on("GET", "/v1/status", STATUS | {"degraded": ["reader_unavailable"]})
    out = run("status").out
    assert all(kind in out for kind in ("PDF", "office files", "e-books", "mails", "archives", "web pages"))


def test_alerts_come_with_their_figures_and_what_to_do(service: StandIn, run: Run) -> None:
    """What was measured, the limit, since when, and a next step; of an alert of a newer service, too."""
    alerts = [
        {"name": "hot", "value": 81.5, "limit": 80.0, "unit": "°C", "for_s": 130.0},
        {"name": "of_a_newer_service", "value": 1, "limit": 0, "unit": "", "for_s": 4},
    ]
    service.on("GET", "/v1/status", STATUS | {"alerts": alerts})
    out = run("status").out
    assert "alert: hot, 81.5 °C (limit 80), for 2 min 10 s\n  Give the board air" in out
    assert "alert: of_a_newer_service, 1 (limit 0), for 4.0 s\n  Run: pi-rag doctor" in out


@pytest.mark.parametrize(
    ("waiting_for", "queued", "line"),
    [
        ("paused", 0, "nothing, paused: let it go on with pi-rag jobs resume"),
        ("safe_mode", 2, "2 documents waiting, in safe mode: let it go on with pi-rag jobs resume"),
        ("disk_full", 0, "nothing"),
    ],
)
def test_who_paused_it_is_reminded(
    service: StandIn, run: Run, waiting_for: str, queued: int, line: str
) -> None:
    """Also when nothing waits yet: what is added next would seem to hang."""
    paused = {"ingest": {"current": [], "waiting_for": waiting_for}, "counts": {"items_queued": queued}}
    service.on("GET", "/v1/status", STATUS | paused)
    assert f"adding   {line}\n" in run("status").out


def test_a_mount_that_does_not_answer_is_named(service: StandIn, run: Run) -> None:
    """Why the documents on it do not come, though all else does."""
    stuck = {"disks_stuck": [{"mount": "/mnt/nas", "for_s": 130.0, "threads": 2}]}
    service.on("GET", "/v1/status", STATUS | {"ingest": stuck})
    assert "no answer  from /mnt/nas for 2 min 10 s\n" in run("status").out


@pytest.mark.parametrize(
    ("board", "line"),
    [
        ({"temperature_c": 61.35, "undervoltage": False}, "board    61 °C\n"),
        ({"temperature_c": 82.0, "undervoltage": False, "throttled": True}, "board    82 °C; slowed\n"),
        (
            {"temperature_c": 61.35, "undervoltage": True},
            "board    61 °C; too little power: use the 27 W supply (5.1 V, 5 A)\n",
        ),
        ({"temperature_c": None, "undervoltage": True}, "board    too little power: use the 27 W supply"),
    ],
)
def test_heat_and_power_of_the_board_are_told(
    service: StandIn, run: Run, board: dict[str, Any], line: str
) -> None:
    """With what mends a weak supply; where the machine tells nothing there is no line."""
    service.on("GET", "/v1/status", STATUS | {"board": board})
    assert line in run("status").out
    service.on("GET", "/v1/status", STATUS | {"board": {"temperature_c": None, "undervoltage": None}})
    assert "board" not in run("status").out


@pytest.mark.parametrize(
    ("cache", "line"),
    [
        ({"state": "off"}, "off"),
        ({"state": "shed"}, "shed: the machine is short of memory"),
        ({"state": "on", "entries": 0, "bytes": 0, "hits": 0, "misses": 0}, "0 queries in 0.0 MiB"),
    ],
)
def test_a_cache_that_does_nothing_says_why(
    service: StandIn, run: Run, cache: dict[str, Any], line: str
) -> None:
    """Turned off, put away for want of memory, or not yet used."""
    service.on("GET", "/v1/status", STATUS | {"cache": cache})
    assert f"cache    {line}\n" in run("status").out


def test_memory_is_shown_against_its_budget_and_what_is_given_up(service: StandIn, run: Run) -> None:
    """In good times the figures alone; else what the service does without, in words."""
    memory = STATUS["memory"] | {"budget_mib": 1024, "step": "normal"}
    service.on("GET", "/v1/status", STATUS | {"memory": memory})
    assert "287 of 1024 MiB in 2 processes\n" in run("status").out
    service.on("GET", "/v1/status", STATUS | {"memory": memory | {"step": "refuse"}})
    assert "2 processes; short: no documents are taken in for a while" in run("status").out
    service.on("GET", "/v1/status", STATUS | {"memory": memory | {"step": "recycle"}})
    assert "a worker is replaced if it has grown\n" in run("status").out


def test_a_budget_that_was_not_kept_is_told(service: StandIn, run: Run) -> None:
    """What was set, why it is another, what was lowered to fit it; in one line, or none."""
    told = {"budget_mib": 288, "budget_set_mib": 10, "budget_why": "less than a reader needs", "lowered": {}}
    service.on("GET", "/v1/status", STATUS | {"memory": STATUS["memory"] | told})
    assert "budget   288 MiB, since the 10 that are set are less than a reader needs\n" in run("status").out
    told |= {"budget_set_mib": 0, "budget_why": "more than the cgroup allows"}
    told |= {"lowered": {"embedder.workers": 1, "store.cache_mib": 2}}
    service.on("GET", "/v1/status", STATUS | {"memory": STATUS["memory"] | told})
    assert (
        "budget   288 MiB, since a quarter of the board's memory is more than the cgroup allows; "
        "lowered to fit: embedder.workers = 1, store.cache_mib = 2\n"
    ) in run("status").out
    told |= {"budget_why": "", "lowered": {}}
    service.on("GET", "/v1/status", STATUS | {"memory": STATUS["memory"] | told})
    assert "budget  " not in run("status").out


def test_what_is_refused_for_want_of_memory_has_a_next_step(service: StandIn, run: Run) -> None:
    """Another than the command that was just typed."""
    short = {"state": "degraded", "degraded": ["ingest_refused", "memory_short"]}
    service.on("GET", "/v1/status", STATUS | short)
    out = run("status").out
    assert out.count("memory.budget_mib") == 2
    assert "pi-rag status" not in out


def test_an_answer_with_less_than_everything_is_still_shown(service: StandIn, run: Run) -> None:
    """A service that just starts may not know much."""
    service.on("GET", "/v1/status", {"state": "starting"})
    ran = run("status")
    assert ran.code == 0
    assert ran.out.startswith("state    starting")
    assert "memory   not measured" in ran.out
    assert "adding   nothing" in ran.out


def test_what_could_not_be_counted_is_not_shown_as_nothing(service: StandIn, run: Run) -> None:
    """A service that is too busy to count still holds what it held."""
    service.on("GET", "/v1/status", STATUS | {"counts": None})
    assert "stored   not counted" in run("status").out


def test_json_is_the_answer_unchanged(service: StandIn, run: Run) -> None:
    """Also the fields that this program does not know."""
    answer = STATUS | {"of_a_newer_service": [1, "ä"]}
    service.on("GET", "/v1/status", answer)
    assert run("status", "--json").json == answer
