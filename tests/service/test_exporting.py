"""An export over HTTP: what stands in it, and how it ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from pi_rag.errors import StoreBusy
from pi_rag.service import exporting
from pi_rag.service.house import House
from pi_rag.store import documents
from pi_rag.store.pool import Pool

SOURCES = ["a", "b", "c"]


@pytest.fixture
async def filled(guest: httpx.AsyncClient) -> httpx.AsyncClient:
    """Three documents."""
    for name in SOURCES:
        body = {"documents": [{"source": name, "text": f"the lamp {name}", "metadata": {"name": name}}]}
        assert (await guest.post("/v1/documents", json=body)).status_code == 200
    return guest


async def exported(guest: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    answer = await guest.get(f"/v1/export{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


async def lines(house: House, until_s: float, after: int = 0) -> list[dict[str, Any]]:
    given = exporting.lines(house.store, collection=None, vectors=False, after=after, until_s=until_s)
    return [json.loads(line) async for line in given]


async def test_all_documents_then_the_end(filled: httpx.AsyncClient) -> None:
    """Without vectors nothing stands before them; `next` is null when there is no more."""
    *found, end = await exported(filled)
    assert [each["source"] for each in found] == SOURCES
    assert [each["text"] for each in found] == [f"the lamp {name}" for name in SOURCES]
    assert all("passages" not in each for each in found)
    assert end == {"pi_rag_export": 1, "next": None}
    assert await exported(filled, "?collection=none") == [end]
    assert [each.get("source") for each in await exported(filled, "?after=2")] == ["c", None]


async def test_with_vectors_the_model_is_said_first(filled: httpx.AsyncClient) -> None:
    """And every passage has its vector, where the document's text has it."""
    head, *found, _ = await exported(filled, "?vectors=true")
    assert head["made_by"]["model_name"] == "fake"
    for each in found:
        (passage,) = each["passages"]
        assert each["text"][passage["start"] : passage["end"]] == each["text"]
        assert len(passage["vector"]) == 384 * 4 * 4 // 3


async def test_an_answer_ends_in_time_and_says_where_to_go_on(
    filled: httpx.AsyncClient, house: House
) -> None:
    """However little time there is, each answer has a document, so that it comes to an end."""
    first = await lines(house, until_s=0.0)
    assert [each.get("source") for each in first] == ["a", None]
    assert first[-1]["next"] == 1
    last = await lines(house, until_s=asyncio.get_running_loop().time() + 60, after=2)
    assert [each.get("source") for each in last] == ["c", None]
    assert last[-1]["next"] is None


async def test_what_is_removed_or_added_meanwhile_may_be_in_it_and_all_else_is(
    filled: httpx.AsyncClient, house: House
) -> None:
    """No reader is held between two documents, so the rest of the house goes on; each document is whole."""
    until_s = asyncio.get_running_loop().time() + 60
    given = exporting.lines(house.store, collection=None, vectors=False, after=0, until_s=until_s)
    assert json.loads(await anext(given))["source"] == "a"
    await house.store.write(documents.remove_source, "b", None)
    await filled.post("/v1/documents", json={"documents": [{"source": "d", "text": "the late lamp"}]})
    assert [json.loads(line).get("source") async for line in given] == ["c", "d", None]


async def test_it_waits_for_a_reader_and_gives_up_in_the_end(
    filled: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searches go first; a while without a free reader does not break an export off."""
    busy = [True, True]
    run = Pool.run

    async def taken(self: Pool, job: Any) -> Any:
        if busy:
            busy.pop()
            raise StoreBusy("All readers are taken.")
        return await run(self, job)

    monkeypatch.setattr(Pool, "run", taken)
    now_s = asyncio.get_running_loop().time()
    assert len(await lines(house, until_s=now_s + 60)) == 4
    busy.append(True)
    with pytest.raises(StoreBusy):
        await lines(house, until_s=0.0)
