"""Another model for the index while the service answers."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pi_rag.config import Settings
from pi_rag.errors import (
    Busy,
    DiskFull,
    EmbedderUnavailable,
    ModelCorrupt,
    ModelMismatch,
    ModelNotFound,
    PiRagError,
    RequestInvalid,
)
from pi_rag.ingest.reindex import PASSAGES_AT_ONCE
from pi_rag.models import sources
from pi_rag.models.shelf import Shelf
from pi_rag.query import Question
from pi_rag.service import reindexing
from pi_rag.service.house import House
from pi_rag.service.meaning import Meaning, fingerprint
from pi_rag.service.reindexing import Reindexing
from pi_rag.store import checkup, documents, identity, reindex
from pi_rag.store.rows import value
from pi_rag.stress import workload
from pi_rag.stress.running import RunningService
from pi_rag.types import Lane, ModelCard, NewItem, Text
from tests.embedder.fake import FakeEmbedder
from tests.models.seeded import write_folder

if TYPE_CHECKING:
    from pi_rag.types import Vectors


class Slow(FakeEmbedder):
    """It embeds `left` more texts, then waits for `go_on`."""

    def __init__(self, dimensions: int) -> None:
        super().__init__(dimensions)
        self.left = 1_000_000
        self.go_on = asyncio.Event()
        self.embedded = 0
        self.stops = 0

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        self.left -= len(texts)
        if self.left < 0:
            await self.go_on.wait()
        self.embedded += len(texts)
        return await super().embed(texts, lane=lane, deadline_s=deadline_s)

    async def stop(self) -> None:
        self.stops += 1
        await super().stop()


@dataclass
class Other:
    """The model that is to come, and how its pool behaves."""

    card: ModelCard
    pool: Slow = field(default_factory=lambda: Slow(48))
    tokens_max: int = 512

    def of(self, card: ModelCard) -> Meaning:
        """A new pool each time, as the service makes them; it behaves as the one before."""
        assert card.sha256 == self.card.sha256
        before, self.pool = self.pool, Slow(48)
        self.pool.left, self.pool.broken = before.left, before.broken
        return Meaning(replace(card, tokens_max=self.tokens_max), self.pool, None, b"other")


def shelve(settings: Settings, name: str, digit: str, dimensions: int) -> ModelCard:
    """A model on the shelf whose file nobody opens."""
    shelf = Shelf(settings.models_path)
    prefix = "" if name == "fake" else f"{name}: "
    card = ModelCard(name, "", digit * 64, dimensions, "mean", 512, prefix, "Q8_0", "here", "MIT")
    with shelf.workbench(name) as bench:
        file = bench / "made.gguf"
        file.write_bytes(b"GGUF")
        return shelf.put(file, card)


@pytest.fixture
def other(settings: Settings, house: House, monkeypatch: pytest.MonkeyPatch) -> Other:
    """The house's model is on the shelf and chosen; another one lies beside it."""
    monkeypatch.setattr(reindexing, "REST_S", 0.01)
    shelve(settings, "fake", "0", 384)
    other = Other(shelve(settings, "other", "1", 48))
    house.reindexing._of = other.of
    return other


def notes(first: int, count: int) -> list[NewItem]:
    numbers = range(first, first + count)
    return [NewItem("text", f"note-{n}", payload=f"lamp{n} burns in room{n}".encode()) for n in numbers]


async def add(house: House, first: int, count: int) -> None:
    job = await house.runner.finished(await house.runner.enqueue("default", notes(first, count)))
    assert job.items_done == count


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def ended(house: House) -> dict[str, Any]:
    """The status once nothing is under way."""
    task = house.reindexing._task
    assert task is not None
    async with asyncio.timeout(20):
        await asyncio.wait({task})
    return await house.reindexing.status()


async def first_of(house: House, number: int) -> tuple[str, tuple[str, ...]]:
    """By meaning alone: the source of the first hit, and what the answer lacks."""
    answer = await house.query.search(Question(f"lamp{number} burns in room{number}", mode="vector"))
    return answer.hits[0].passage.source, tuple(answer.degraded)


async def test_searches_are_answered_all_along(house: House, other: Other) -> None:
    """One question after another, from before the beginning to after the end, finds its passage."""
    await add(house, 0, 40)
    done, asked = asyncio.Event(), 0

    async def ask() -> None:
        nonlocal asked
        while not done.is_set():
            number = asked % 40
            assert await first_of(house, number) == (f"note-{number}", ())
            asked += 1

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    await until(lambda: asked > 10)
    begun = await house.reindexing.begin("other")
    status = await ended(house)
    before = asked
    await until(lambda: asked > before + 10)
    done.set()
    await asyncio.gather(*asking)

    assert (begun["state"], begun["model"], begun["index_model"]) == ("running", "other", "fake")
    assert (status["state"], status["index_model"], status["error"]) == ("done", "other", None)
    assert house.meaning.card is not None and house.meaning.card.name == "other"
    assert await house.store.read(checkup.check) == []
    assert await house.store.read(value, "SELECT DISTINCT length(vector) FROM vectors") == 48 * 4
    assert Shelf(house.settings.models_path).name_in_use() == "other"


async def test_what_comes_and_goes_meanwhile_is_right_before_and_after(
    house: House, other: Other, embedder: FakeEmbedder
) -> None:
    """Documents are taken in by the old model until the swap, and found by the new one afterwards."""
    await add(house, 0, 10)
    other.pool.left = 3
    await house.reindexing.begin("other")
    await until(lambda: other.pool.left < 0)
    await add(house, 50, 5)
    await house.store.write(documents.remove_source, "note-7", None)
    found = await first_of(house, 52)
    other.pool.go_on.set()
    await ended(house)
    old_calls = len(embedder.calls)
    await add(house, 80, 2)

    assert found == ("note-52", ())
    assert [await first_of(house, number) for number in (3, 52, 81)] == [
        ("note-3", ()),
        ("note-52", ()),
        ("note-81", ()),
    ]
    assert (await first_of(house, 7))[0] != "note-7"
    assert len(embedder.calls) == old_calls
    assert await house.store.read(checkup.check) == []


async def test_the_old_model_goes_when_the_new_one_is_in_office(
    house: House, other: Other, embedder: FakeEmbedder
) -> None:
    """The memory of two is held only while both are needed."""
    await add(house, 0, 3)
    await house.reindexing.begin("other")
    await ended(house)

    assert embedder.status()["state"] != "ready"
    assert other.pool.stops == 0
    assert house.reindexing.processes() == []
    assert (
        await house.store.read(value, "SELECT count(*) FROM sqlite_schema WHERE name = 'vectors_before'") == 0
    )


async def test_it_goes_on_after_a_stop(house: House, other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is not embedded again; the index in use answers in between."""
    monkeypatch.setattr("pi_rag.ingest.reindex.PASSAGES_AT_ONCE", 4)
    await add(house, 0, 20)
    other.pool.left = 10
    await house.reindexing.begin("other")
    await until(lambda: other.pool.left < 0)
    await house.reindexing.stop()
    stopped, first = other.pool.stops, await house.store.read(reindex.done)
    between = await first_of(house, 3)
    other.pool.left = 1000
    again = Reindexing(
        house.store, house.meaning, house.query, house.runner, house.settings, house.clock, other.of
    )
    house.reindexing = again
    again.resume()
    status = await ended(house)

    assert (stopped, between) == (1, ("note-3", ()))
    assert first > 0
    assert other.pool.embedded == 20 - first
    assert (status["state"], await first_of(house, 3)) == ("done", ("note-3", ()))


async def test_given_up_it_leaves_nothing(house: House, other: Other) -> None:
    """The index in use answers on, the pool is gone, and the room on the disk is free again."""
    await add(house, 0, 10)
    other.pool.left = 3
    await house.reindexing.begin("other")
    await until(lambda: other.pool.left < 0)
    cancelled, again = await house.reindexing.cancel(), await house.reindexing.cancel()
    status = await house.reindexing.status()

    assert (cancelled, again) == (True, False)
    assert (status["state"], status["index_model"]) == ("none", "fake")
    assert other.pool.stops == 1
    assert await first_of(house, 3) == ("note-3", ())


async def test_a_model_that_cannot_boot_changes_nothing(house: House, other: Other) -> None:
    """The reason is told, the old index stays in use, and another attempt may follow."""
    await add(house, 0, 5)
    other.pool.broken = ModelCorrupt("Its checksum is wrong.")
    await house.reindexing.begin("other")
    failed = await ended(house)
    between = await first_of(house, 3)
    other.pool.broken = None
    await house.reindexing.begin("other")
    status = await ended(house)

    assert (failed["state"], failed["error"]["code"]) == ("failed", "model_corrupt")
    assert between == ("note-3", ())
    assert status["state"] == "done"


async def test_a_failed_one_does_not_begin_by_itself(house: House, other: Other) -> None:
    """A restart of the service tries nothing that has failed."""
    await add(house, 0, 2)
    other.pool.broken = ModelCorrupt("Its checksum is wrong.")
    await house.reindexing.begin("other")
    await ended(house)
    other.pool.broken = None
    house.reindexing.resume()

    assert (await ended(house))["state"] == "failed"


async def test_workers_that_are_away_for_a_while_are_waited_for(house: House, other: Other) -> None:
    """It says what it waits for, and goes on."""
    await add(house, 0, 5)
    other.pool.broken = EmbedderUnavailable("Workers failed too often.")
    await house.reindexing.begin("other")
    await until(lambda: house.reindexing._waiting_for == "embedder_unavailable")
    told = (await house.reindexing.status())["waiting_for"]
    other.pool.broken = None
    status = await ended(house)

    assert told == "embedder_unavailable"
    assert (status["state"], status["waiting_for"]) == ("done", None)


async def test_workers_that_stay_away_end_it(
    house: House, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model file that was damaged meanwhile is not waited for for ever; documents are taken in again."""
    monkeypatch.setattr(reindexing, "MENDED_S_MAX", 0.0)
    await add(house, 0, 5)
    other.pool.broken = EmbedderUnavailable("The embedder is not running: the model is damaged.")
    await house.reindexing.begin("other")
    status = await ended(house)
    await add(house, 10, 2)

    assert (status["state"], status["error"]["code"]) == ("failed", "embedder_unavailable")
    assert "damaged" in status["error"]["message"]
    assert await first_of(house, 11) == ("note-11", ())


async def test_it_mends_an_index_whose_model_is_gone(house: House, other: Other) -> None:
    """Words answer until it is done; then meaning does, and documents are taken again."""
    await add(house, 0, 5)
    reason: PiRagError = ModelMismatch("The index was made with another model.")
    gone = Meaning(None, None, reason)
    house.meaning.take_over(gone)
    house.query.cache.follow(gone.embedder, b"")
    house.runner._refusal = reason
    before = await house.query.search(Question("lamp3"))
    with pytest.raises(ModelMismatch):
        await house.runner.enqueue("default", notes(50, 1))
    await house.reindexing.begin("other")
    await ended(house)
    await add(house, 50, 1)

    assert list(before.degraded) == ["model_mismatch"]
    assert await first_of(house, 50) == ("note-50", ())
    assert house.degraded() == []


async def test_passages_too_long_for_the_new_model_are_cut_anew(house: House, other: Other) -> None:
    """With a window of a hundred tokens none is longer in the end; how many documents wait is told."""
    text = " ".join(f"word{number}." for number in range(900))
    job_id = await house.runner.enqueue("default", [NewItem("text", "long", payload=text.encode())])
    await house.runner.finished(job_id)
    other.tokens_max = 100
    await house.reindexing.begin("other")
    status = await ended(house)

    assert status["documents_to_cut"] == 0
    assert await house.store.read(value, "SELECT max(token_count) FROM chunks") <= 100
    assert await house.store.read(checkup.check) == []


async def test_a_disk_without_room_is_told_before_anything_is_made(
    house: House, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is free, and what is needed."""
    await add(house, 0, 5)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DiskFull, match="MiB"):
        await house.reindexing.begin("other")

    assert await house.store.read(reindex.current) is None


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("fake", RequestInvalid),
        ("", RequestInvalid),
        ("unknown", ModelNotFound),
        ("/etc/passwd", ModelNotFound),
        ("../other.gguf", ModelNotFound),
    ],
)
async def test_only_another_installed_model_is_taken(
    house: House, other: Other, name: str, error: type[PiRagError]
) -> None:
    """The model in use needs none, and no path that a guest sends is read."""
    await add(house, 0, 2)
    with pytest.raises(error):
        await house.reindexing.begin(name)

    assert await house.store.read(reindex.current) is None


async def test_there_is_one_at_a_time(house: House, other: Other) -> None:
    """A second one is told to wait."""
    await add(house, 0, 5)
    other.pool.left = 1
    await house.reindexing.begin("other")
    with pytest.raises(Busy):
        await house.reindexing.begin("other")
    other.pool.left = 1000


@pytest.mark.usefixtures("other")
async def test_texts_that_an_earlier_version_cut_are_searched_and_offered(house: House) -> None:
    """After an upgrade nothing is lost: meaning goes on, and one command cuts them anew."""
    await add(house, 0, 3)
    now = await house.store.read(identity.fingerprint)
    assert now is not None
    await house.store.write(identity.write, replace(now, chunker_version=now.chunker_version - 1))
    house.query.adopt("", now)
    house.reindexing._of = lambda card: Meaning(card, Slow(384), None, b"fake")

    offered = await house.reindexing.status()
    found = await first_of(house, 1)
    await house.reindexing.begin("")
    status = await ended(house)

    assert (offered["state"], offered["model"], offered["index_model"]) == ("offered", "fake", "fake")
    assert found == await first_of(house, 1) == ("note-1", ())
    assert (status["state"], status["documents_to_cut"]) == ("done", 0)
    assert await house.store.read(identity.fingerprint) == now


async def test_a_choice_that_differs_is_offered(house: House, other: Other, settings: Settings) -> None:
    """Who has chosen another model sees how to go on; without a name that one is taken."""
    await add(house, 0, 2)
    before = (await house.reindexing.status())["state"]
    Shelf(settings.models_path).use("other")
    offered = await house.reindexing.status()
    await house.reindexing.begin("")
    status = await ended(house)

    assert before == "none"
    assert (offered["state"], offered["model"]) == ("offered", "other")
    assert status["state"] == "done"
    assert await house.store.read(identity.fingerprint) == fingerprint(other.card)


async def test_progress_is_told(house: House, other: Other) -> None:
    """How many are done of how many, how fast, and in the service's own status."""
    await add(house, 0, 12)
    other.pool.left = 8
    await house.reindexing.begin("other")
    await until(lambda: other.pool.left < 0 and other.pool.embedded > 4)
    status = (await house.status())["reindex"]
    other.pool.go_on.set()
    await ended(house)

    assert status["state"] == "running"
    assert 0 < status["passages_done"] < status["passages_total"] == 12
    assert status["rate_passages_s"] > 0
    assert status["left_s"] is not None


async def test_over_http(house: House, other: Other, guest: httpx.AsyncClient) -> None:
    """Begun, looked at, given up; an unknown model is a 404."""
    await add(house, 0, 5)
    other.pool.left = 1
    begun = await guest.post("/v1/reindex", json={"model": "other"})
    looked = await guest.get("/v1/reindex")
    ended_it = await guest.delete("/v1/reindex")
    unknown = await guest.post("/v1/reindex", json={"model": "unknown"})

    assert (begun.status_code, begun.json()["state"]) == (202, "running")
    assert looked.json()["passages_total"] == 5
    assert ended_it.json() == {"cancelled": True}
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


class Asking:
    """A guest that asks one question after another, inside the block, and keeps what was amiss."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers = 0
        self.amiss: list[object] = []

    def _ask(self) -> None:
        client = self._service.client
        while not self._over.is_set():
            try:
                answer = client.search(f"the cat sat on mat {self.answers}", mode="vector")
            except PiRagError as error:
                self.amiss.append(error)
            else:
                self.amiss += answer["degraded"] or ([] if answer["hits"] else ["no hits"])
            self.answers += 1

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.model
def test_with_real_models_a_kill_costs_nothing_and_no_search_notices(
    tmp_path: Path, minilm: ModelCard
) -> None:
    """From MiniLM to a model of another width and a short window: killed half-way, gone on with, in use at
    last, and again at the next start, whatever model the settings name."""
    wanted = list(islice(workload.documents(5), 150))
    with RunningService(tmp_path, {"PI_RAG_MODEL": minilm.path}) as service:
        sources.import_path(write_folder(tmp_path / "other"), Shelf(service.data / "models"))
        service.client.add_documents(wanted, wait=True)
        with Asking(service) as before:
            service.client.reindex("other")
            wait(lambda: service.client.reindex_status()["passages_done"] >= PASSAGES_AT_ONCE + 8)
        service.kill()
        service.start()
        with Asking(service) as after:
            wait(lambda: service.client.reindex_status()["state"] == "done")
            wait(lambda: not service.client.reindex_status()["documents_to_cut"])
            found = service.client.search("the cat", mode="vector")
        status = service.client.status(check=True)
        service.stop()
        service.start()
        again = service.client.status()

    assert (before.amiss, after.amiss) == ([], [])
    assert before.answers and after.answers
    assert found["hits"] and not found["degraded"]
    assert (status["model"]["name"], status["store"]["problems"]) == ("other", [])
    assert status["reindex"]["index_model"] == "other"
    assert (again["model"]["name"], again["ready"]) == ("other", True)


def wait(condition: Callable[[], bool]) -> None:
    """Until it is true, within a bounded time."""
    end_s = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.02)
