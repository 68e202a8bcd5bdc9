"""A document that takes down whoever works on it, each time: its reader, or the whole service."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard
from tests.stress.truth import until

pytestmark = pytest.mark.model

POISON = "\n".join(
    f"The lamp number {number} was lit on Monday, and put out at night." for number in range(9000)
)
"""It takes far longer to embed than it takes to see that it has been begun."""

LONG_TO_READ = "<p>The lamp was lit.</p>" * 60_000
"""Of a page: it takes far longer than it takes to see its reader."""


@pytest.fixture
def service(tmp_path: Path, minilm: ModelCard) -> Iterator[RunningService]:
    with RunningService(
        tmp_path, {"PI_RAG_MODEL": minilm.path, "PI_RAG_INGEST_RETRY_S_MIN": "0.1"}
    ) as running:
        yield running


def in_hand(service: RunningService) -> list[str]:
    return list(service.client.status()["ingest"]["current"])


def test_a_document_that_ends_the_service_three_times_waits_for_a_person(service: RunningService) -> None:
    """At the fourth start nothing is begun: search and removal work, and what is sent is kept. Then
    `pi-rag jobs resume` ends it: the poison alone is given up, with its reason, and all others are done.
    """
    kept = [{"source": f"kept-{n}", "text": f"a bicycle stands in the shed number {n}"} for n in range(2)]
    service.client.add_documents(kept, wait=True)
    others = [{"source": f"other-{n}", "text": f"the kettle of house {n} boils"} for n in range(6)]
    job = service.client.add_documents([{"source": "poison", "text": POISON}, *others])["job"]["id"]
    for _ in range(3):
        until(lambda: "poison" in in_hand(service))
        service.kill()
        service.start()
    status = service.client.status()
    found = service.client.search("bicycle")
    removed = service.client.remove_source("kept-0")
    late = service.client.add_documents([{"source": "late", "text": "the fence is green"}])["job"]
    waiting = service.client.status()
    resumed = service.run("jobs", "resume")
    until(lambda: service.client.status()["counts"]["items_queued"] == 0)
    ended, [letter] = service.client.job(job)["job"], service.client.failed_jobs()["failed"]

    assert (status["ready"], status["ingest"]["waiting_for"]) == (True, "safe_mode")
    assert {hit["source"] for hit in found["hits"]} >= {"kept-0", "kept-1"} and not found["degraded"]
    assert removed["removed"] == 1
    assert (late["state"], waiting["ingest"]["current"]) == ("queued", [])
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert (ended["state"], ended["items_done"], ended["items_failed"]) == ("done", len(others), 1)
    assert (letter["source"], letter["code"], letter["attempts"]) == ("poison", "document_gave_up", 3)
    assert service.client.job(late["id"])["job"]["items_done"] == 1
    assert service.client.status(check=True)["store"]["problems"] == []


def test_a_document_that_ends_its_reader_each_time_is_given_up(service: RunningService) -> None:
    """With its reason, while others are taken in; the next page finds a new reader."""
    page = "<html><body><p>The window was cleaned in June.</p></body></html>"
    given = [
        {"source": "poison.html", "text": page + LONG_TO_READ},
        {"source": "note", "text": "the oven is warm"},
    ]
    job = service.client.add_documents(given)["job"]["id"]
    killed = 0
    while service.client.job(job)["job"]["state"] != "done":
        status = service.client.status()
        for each in status["memory"]["processes"]:
            if each["role"] == "reader" and "poison.html" in status["ingest"]["current"]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each["pid"], signal.SIGKILL)
                    killed += 1
    ended = service.client.job(job)["job"]
    good = service.client.add_documents([{"source": "good.html", "text": page}], wait=True)["job"]

    assert killed >= 3
    assert (ended["items_done"], ended["items_failed"]) == (1, 1)
    assert [(each["source"], each["code"]) for each in ended["refusals"]] == [
        ("poison.html", "reader_killed")
    ]
    assert good["items_done"] == 1
