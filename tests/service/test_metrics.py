"""What is counted while the service works, and the page of `/metrics`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pi_rag.config import Settings
from pi_rag.query import Question
from pi_rag.service import measures
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.house import House

CANARY = "zanzibarine"
"""A word that stands in a document, in its name and metadata, and in a question."""


def samples(page: str) -> dict[str, float]:
    """Every sample, as `name{label=value}` without quotes."""
    found = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    return {
        each.name + "".join(f" {key}={value}" for key, value in sorted(each.labels.items())): each.value
        for each in found
    }


@pytest.fixture
def counted(house: House, settings: Settings) -> httpx.AsyncClient:
    """A client whose requests are counted."""
    gate = Gate(application(house), settings.service, house.metrics.answered)
    transport = httpx.ASGITransport(app=gate, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


async def worked(guest: httpx.AsyncClient) -> None:
    """One document, and the same question twice."""
    document = {"source": f"/{CANARY}.md", "text": f"the {CANARY} lamp", "metadata": {CANARY: CANARY}}
    added = await guest.post("/v1/documents", json={"documents": [document], "collection": CANARY})
    assert added.json()["job"]["items_done"] == 1
    for _ in range(2):
        found = await guest.post("/v1/search", json={"query": f"{CANARY} lamp"})
        assert len(found.json()["hits"]) == 1


async def test_stages_are_timed_by_lane(counted: httpx.AsyncClient) -> None:
    """Each stage of a search, of the one that the cache answered only the total, and each of a document."""
    await worked(counted)
    found = samples((await counted.get("/metrics")).text)

    stages = {
        name.removeprefix("pi_rag_stage_seconds_count lane="): count
        for name, count in found.items()
        if name.startswith("pi_rag_stage_seconds_count")
    }
    assert stages == {
        **{f"query stage={stage}": 1 for stage in ("embed", "vector", "text", "fuse", "read")},
        "query stage=total": 2,
        **{f"ingest stage={stage}": 1 for stage in ("read", "cut", "embed", "compare", "store", "total")},
    }


async def test_requests_are_counted_by_route_and_status(counted: httpx.AsyncClient) -> None:
    """The pattern of a route, never an address: one that a guest invents adds no label."""
    await counted.get("/v1/documents/12345")
    await counted.get(f"/{CANARY}")
    await counted.post("/v1/search", content=b"{")
    page = (await counted.get("/metrics")).text

    counts = {name: n for name, n in samples(page).items() if name.startswith("pi_rag_requests_total")}
    assert counts == {
        "pi_rag_requests_total method=GET route=/v1/documents/{document_id} status=404": 1,
        "pi_rag_requests_total method=GET route=other status=404": 1,
        "pi_rag_requests_total method=POST route=/v1/search status=400": 1,
    }
    assert "12345" not in page


async def test_a_method_that_nobody_knows_adds_no_label(counted: httpx.AsyncClient) -> None:
    """A guest cannot fill the RAM with names of its own."""
    await counted.request(CANARY.upper(), "/v1/search")
    page = (await counted.get("/metrics")).text
    assert "pi_rag_requests_total method=other route=/v1/search status=404" in samples(page)
    assert CANARY.upper() not in page


async def test_the_page_is_what_its_documentation_lists(counted: httpx.AsyncClient) -> None:
    """Every family of the page stands in the table with its kind, and nothing in the table is missing."""
    page = (await counted.get("/metrics")).text
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))
    assert kinds == {each.name: each.kind for each in measures.MEASURES}


async def test_labels_are_those_that_are_documented(counted: httpx.AsyncClient) -> None:
    """No sample has a label that the table does not name."""
    await worked(counted)
    families = text_string_to_metric_families((await counted.get("/metrics")).text)
    labels = {each.name.removesuffix("_total"): set(each.labels) for each in measures.MEASURES}
    wrong = [
        sample.name
        for family in families
        for sample in family.samples
        if set(sample.labels) - {"le"} != labels[family.name]
    ]
    assert wrong == []


async def test_nothing_of_a_document_or_a_question_is_shown(counted: httpx.AsyncClient) -> None:
    """Neither their words nor their names, collections and metadata."""
    await worked(counted)
    assert CANARY not in (await counted.get("/metrics")).text


async def test_the_status_tells_of_the_time_just_past(counted: httpx.AsyncClient) -> None:
    """How many searches, how fast, and how many requests since the start."""
    await worked(counted)
    told = (await counted.get("/v1/status")).json()
    assert told["searches"]["searches"] == told["searches"]["window"]["count"] == 2
    assert told["searches"]["window"]["p50_ms"] <= told["searches"]["window"]["p95_ms"]
    assert told["searches"]["answered"] == 3
    assert told["jobs"] == {
        "states": {"queued": 0, "running": 0, "paused": 0, "done": 1, "cancelled": 0},
        "dead_letters": 0,
    }


async def test_what_a_status_counts_is_of_one_moment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that ends while the status waits for its slow parts is in all of its counters, or in none."""

    def after_a_search(of: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def searched(**how: Any) -> Any:
            house.metrics.searched(await house.results.search(Question("lamp")))
            return await of(**how)

        return searched

    for owner, name in (
        (house.tally, "now"),
        (house, "_reindex"),
        (house.watchdog, "status"),
    ):
        monkeypatch.setattr(owner, name, after_a_search(getattr(owner, name)))
    told = await house.minute()
    assert told["searches"]["searches"] == told["cache"]["results"]["asked"] == 3
    assert told["cache"]["results"]["hits"] == 2
