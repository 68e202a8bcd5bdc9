"""The watchdog's hands over a real house: what each step asks for is done by the rooms."""

from __future__ import annotations

import asyncio
import os

import httpx
import pytest

from pi_rag.errors import EmbedderUnavailable, MemoryShort
from pi_rag.service.house import House
from pi_rag.service.relief import Relief
from pi_rag.types import NewItem
from tests.embedder.fake import FakeEmbedder

NOTE = {"documents": [{"source": "a.txt", "text": "The garden has a well."}], "wait": True}


async def test_it_knows_this_process(house: House) -> None:
    """The supervisor is always there, and is none that could be replaced."""
    assert (os.getpid(), "supervisor") in Relief(house).processes()


async def test_what_is_cached_is_dropped(house: House, guest: httpx.AsyncClient) -> None:
    """Answers and vectors of queries are gone; the next search makes them anew."""
    await guest.post("/v1/documents", json=NOTE)
    await guest.post("/v1/search", json={"query": "a well"})
    assert house.results.status()["entries"] == 1
    await Relief(house).shed()
    await Relief(house).shed()
    assert house.results.status()["entries"] == 0
    assert house.query.cache.status()["entries"] == 0
    assert (await guest.post("/v1/search", json={"query": "a well"})).json()["hits"]


async def test_documents_are_refused_with_a_time_to_come_again(
    house: House, guest: httpx.AsyncClient
) -> None:
    """Guests are told when; what was queued waits, searches are answered, and then all of it goes on."""
    relief = Relief(house)
    relief.refuse(True)
    refused = await guest.post("/v1/documents", json=NOTE)
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "memory_short"
    assert refused.json()["error"]["retry_after_ms"] > 0
    assert (await guest.post("/v1/search", json={"query": "a well"})).status_code == 200
    assert house.runner.status()["waiting_for"] == "memory_short"
    relief.refuse(False)
    assert (await guest.post("/v1/documents", json=NOTE)).json()["job"]["state"] == "done"


async def test_what_was_acknowledged_waits_until_there_is_room(house: House) -> None:
    """Nothing is begun while memory is short, and nothing is forgotten."""
    item = NewItem(kind="text", source="b.txt", payload=b"A lamp in the cellar.")
    job_id = await house.runner.enqueue("default", [item])
    await house.runner.finished(job_id)
    house.runner.refuse(refuse=True)
    with pytest.raises(MemoryShort):
        await house.runner.enqueue("default", [item])
    house.runner.refuse(refuse=False)
    again = await house.runner.enqueue("default", [item])
    assert (await asyncio.wait_for(house.runner.finished(again), 30.0)).finished_at is not None


async def test_without_the_embedder_words_answer(
    house: House, guest: httpx.AsyncClient, embedder: FakeEmbedder
) -> None:
    """The last resort is an answer from words, which says so, and it is called off."""
    await guest.post("/v1/documents", json=NOTE)
    Relief(house).rest(True)
    assert isinstance(embedder.broken, EmbedderUnavailable)
    answer = (await guest.post("/v1/search", json={"query": "a garden with a well"})).json()
    assert answer["hits"] and "embedder_unavailable" in answer["degraded"]
    Relief(house).rest(False)
    answer = (await guest.post("/v1/search", json={"query": "the well of the garden"})).json()
    assert answer["hits"] and answer["degraded"] == []


async def test_replacing_who_is_not_there_changes_nothing(house: House) -> None:
    """A process may have ended between the look and the act."""
    relief = Relief(house)
    await relief.recycle(2**22 + 1)
    relief.hold_to(1)
