"""What a line of the metrics file says."""

from __future__ import annotations

import json
from typing import Any

from pi_rag.service.minute import LINE, event, line

BEFORE: dict[str, Any] = {
    "state": "ready",
    "searches": {"searches": 10, "window": {"p95_ms": 3.0}},
    "embedder": {"restarts": 5, "workers": [{"state": "idle"}, {"state": "ended"}], "queued": {"query": 1}},
    "cache": {"hits": 4, "results": {"hits": 1}},
    "io": {"written_bytes": 10_000},
    "memory": {"processes": [{"role": "worker", "pss_mib": 8.0}], "step": "normal"},
}


def test_counters_are_told_as_what_came_since_the_line_before() -> None:
    """At first since the start; and one that began anew, as that of a new set of workers, is told whole."""
    now = BEFORE | {
        "searches": {"searches": 17, "window": {"p95_ms": 4.0}},
        "embedder": BEFORE["embedder"] | {"restarts": 2},
        "cache": {"hits": 9, "results": {"hits": 1}},
        "io": {"written_bytes": 15_120},
    }
    first, then = line(BEFORE, {}), line(now, BEFORE)
    assert [each["searches"] for each in (first, then)] == [10, 7]
    assert [each["restarts"] for each in (first, then)] == [5, 2]
    assert [each["query_hits"] for each in (first, then)] == [4, 5]
    assert [each["written_kib"] for each in (first, then)] == [10, 5]
    assert then["p95_ms"] == 4.0


def test_what_is_there_now_is_told_as_it_is() -> None:
    """Also where it did not change."""
    told = line(BEFORE, BEFORE)
    assert told["memory_mib"] == {"worker": 8.0}
    assert (told["workers"], told["texts_waiting"], told["step"]) == (1, 1, "normal")


def test_what_is_not_known_is_left_out() -> None:
    """A status that cannot be told in full, as while all readers are taken, makes a shorter line."""
    assert line({"counts": None, "jobs": None, "board": {"temperature_c": None}}, {}).keys() <= {
        "texts_waiting",
        "workers",
        "memory_mib",
    }
    assert event("memory_step", {"cause": None, "used_mib": 7}) == {"event": "memory_step", "used_mib": 7}


def test_every_field_has_one_name() -> None:
    """Which is none of those that each line has: when it was, and what happened."""
    names = [column.name for column in LINE]
    assert len({*names, "at", "event"}) == len(names) + 2
    json.dumps(line(BEFORE, {}))
