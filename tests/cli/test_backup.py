"""`pi-rag backup`: begun, followed, and told; what goes wrong is its exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pi_rag.cli import follow
from tests.cli.conftest import Run
from tests.standin import StandIn

RUNNING: dict[str, Any] = {
    "state": "running",
    "doing": "copying",
    "share": 0.25,
    "path": "/srv/b/pi-rag-backup-x.db",
    "error": None,
    "newest_at": None,
}
DONE = RUNNING | {
    "state": "done",
    "took_s": 3.25,
    "size_bytes": 3 * 2**20,
    "counts": {"documents": 2, "memories": 1},
    "removed": ["/srv/b/pi-rag-backup-w.db"],
    "warnings": ["same_disk"],
}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "ASK_S_MAX", 0.001)
    monkeypatch.setattr(follow, "AWAY_S_MAX", 0.01)


def test_it_is_followed_until_it_is_there(service: StandIn, run: Run) -> None:
    """Where it is, what is in it, what went, and what to type to have it back."""
    service.on("POST", "/v1/backup", RUNNING)
    service.on("GET", "/v1/backup", DONE)

    done = run("backup", "/srv/b")

    assert service.bodies("/v1/backup") == [{"to": "/srv/b"}]
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "/srv/b/pi-rag-backup-x.db"
    assert lines[1].startswith("2 documents, 1 memory, 3.0 MiB, compared with")
    assert (lines[2], lines[3][:27]) == ("1 older one removed", "Note: it lies on the same d")
    assert lines[4].endswith("pi-rag restore /srv/b/pi-rag-backup-x.db")


def test_without_a_place_it_is_the_settings(service: StandIn, run: Run) -> None:
    """And --no-wait comes back at once."""
    service.on("POST", "/v1/backup", RUNNING)

    done = run("backup", "--no-wait")

    assert service.bodies("/v1/backup") == [{}]
    assert "copying, 25 %" in done.out


def test_what_it_failed_of_is_the_exit_code(service: StandIn, run: Run) -> None:
    """For programs too; --status only tells of it."""
    error = {"code": "disk_full", "message": "No room.", "hint": "Make some.", "retry_after_ms": None}
    service.on("POST", "/v1/backup", RUNNING)
    service.on("GET", "/v1/backup", RUNNING | {"state": "failed", "error": error, "newest_at": 0.0})

    failed, told, asked = run("backup"), run("backup", "--json"), run("backup", "--status")

    assert (failed.code, told.code, asked.code) == (7, 7, 0)
    assert "No room." in failed.err and json.loads(told.out)["error"]["code"] == "disk_full"
    assert asked.out.splitlines()[0] == "The last one failed: No room."


def test_a_service_that_was_ended_meanwhile_has_made_none(service: StandIn, run: Run) -> None:
    """The one that came after it knows of no backup."""
    service.on("POST", "/v1/backup", RUNNING)
    service.on("GET", "/v1/backup", RUNNING | {"state": "none", "path": None})

    done = run("backup")

    assert (done.code, "ended before the backup was made" in done.err) == (5, True)


def test_a_second_one_is_refused(service: StandIn, run: Run) -> None:
    """Busy: the exit code of what may be tried later."""
    service.refuse("POST", "/v1/backup", 503, "busy", message="A backup is under way.")
    assert run("backup").code == 4
