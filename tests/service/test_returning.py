"""A model file that could not be used at the start, and comes right later."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pi_rag.config import Settings, from_values
from pi_rag.errors import ModelCorrupt, ModelMismatch, PathNotFound, PiRagError
from pi_rag.models.convert import convert
from pi_rag.models.folder import read_folder
from pi_rag.models.shelf import OWN_HINT
from pi_rag.service import returning, tuning
from pi_rag.service.house import House
from pi_rag.service.meaning import Meaning
from pi_rag.stress.running import RunningService
from pi_rag.types import ModelCard, NewItem
from tests.embedder.fake import FakeEmbedder
from tests.models.seeded import write_folder

NOTE = NewItem("text", "note", payload=b"The lamp burns.")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """They name a file."""
    return from_values(
        {
            "service.data": str(tmp_path / "data"),
            "service.socket": str(tmp_path / "s"),
            "embedder.model": str(tmp_path / "m.gguf"),
        }
    )


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person has a second; a test has not."""
    monkeypatch.setattr(returning, "LOOK_S", 0.01)


@asynccontextmanager
async def looking(house: House, settings: Settings) -> AsyncIterator[asyncio.Task[tuning.Start]]:
    """The house began without the model that its settings name, and looks for it."""
    start = tuning.at_start(settings)
    assert isinstance(start.card, PiRagError)
    house.meaning.take_over(Meaning(None, None, start.card))
    house.runner.follow(house.meaning.embedder, 512, start.card)
    task = asyncio.create_task(returning.until_there(house, start))
    yield task
    task.cancel()
    await asyncio.wait({task})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def of(house: House, kind: type[PiRagError], word: str) -> Callable[[], bool]:
    """Whether the reason is of this kind now, and says this."""

    def condition() -> bool:
        reason = house.meaning.reason
        return isinstance(reason, kind) and word in reason.message

    return condition


async def test_what_is_said_is_true_of_the_file_that_is_there(
    house: House, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever adds, and the log, is told what is wrong with the file now, and what mends it."""
    async with looking(house, settings):
        (tmp_path / "m.gguf").write_bytes(b"GGUF")
        await until(of(house, ModelCorrupt, "header"))
        with pytest.raises(ModelCorrupt) as refused:
            await house.runner.enqueue("default", [NOTE])
        (tmp_path / "m.gguf").write_bytes(b"GGUZ and more")
        await until(of(house, ModelCorrupt, "letters"))
        (tmp_path / "m.gguf").unlink()
        await until(of(house, PathNotFound, "does not exist"))

    told = [line for line in capsys.readouterr().err.splitlines() if "event=model_not_used" in line]
    assert refused.value.hint == OWN_HINT
    assert [
        word in line for word, line in zip(("exist", "header", "letters", "exist"), told, strict=True)
    ] == [True] * 4


async def test_a_file_that_is_still_written_is_left_alone(
    house: House, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes of now are not a model, and would only be read for nothing."""
    looks = iter([(1,), (2,), (3,), (4,), (4,)])
    monkeypatch.setattr(returning, "look", lambda path: next(looks))
    assert await returning._another(tmp_path / "m.gguf", ()) == (4,)
    assert list(looks) == []


async def test_a_model_that_does_not_fit_the_index_is_not_used(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    """A whole file is as little taken for the one of the index as it would be at a start."""
    await house.runner.finished(await house.runner.enqueue("default", [NOTE]))
    async with looking(house, settings):
        convert(read_folder(write_folder(tmp_path / "folder")), tmp_path / "m.gguf", query_prefix="")
        await until(of(house, ModelMismatch, ""))
        with pytest.raises(ModelMismatch):
            await house.runner.enqueue("default", [NOTE])
    assert house.meaning.degraded() == ["model_mismatch"]


async def test_documents_that_wait_are_not_blamed_for_the_file(
    house: House, settings: Settings, embedder: FakeEmbedder
) -> None:
    """What was queued before goes on waiting, and is taken in when there is a model again."""
    await house.runner.pause()
    job_id = await house.runner.enqueue("default", [NOTE])
    async with looking(house, settings):
        await house.runner.resume()
        await until(lambda: house.runner.status()["waiting_for"] == "embedder_unavailable")
        house.meaning.take_over(Meaning(None, embedder, None))
        house.runner.follow(embedder, 512)
        async with asyncio.timeout(20):
            job = await house.runner.finished(job_id)
    assert (job.items_done, job.refusals) == (1, ())


async def test_a_model_that_was_there_is_not_looked_for(house: House, settings: Settings) -> None:
    """The start goes on as it began."""
    start = tuning.at_start(settings)
    assert await returning.until_there(house, start) is start


async def test_another_model_that_came_meanwhile_stays(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was embedded again with another model does not get the old one back."""
    office = Meaning(None, house.meaning.pools[0], None)

    def at_start(settings: Settings) -> tuning.Start:
        house.meaning.take_over(office)
        return tuning.Start(ModelCorrupt("Still."), settings, settings)

    async with looking(house, settings) as task:
        monkeypatch.setattr(tuning, "at_start", at_start)
        async with asyncio.timeout(20):
            start = await task
    assert house.meaning.reason is None
    assert isinstance(start.card, PathNotFound)


@pytest.mark.model
def test_a_whole_file_in_its_place_is_taken_into_use(tmp_path: Path, minilm: ModelCard) -> None:
    """Without a restart or a signal; searches are whole and documents are taken again."""
    own = tmp_path / "m.gguf"
    own.write_bytes(Path(minilm.path).read_bytes()[:10_000_000])
    with RunningService(tmp_path, {"PI_RAG_MODEL": str(own)}, ready=False) as service:
        reason = service.client.status()["embedder"]["reason"]
        shutil.copy(minilm.path, tmp_path / "x")
        (tmp_path / "x").replace(own)
        end_s = time.monotonic() + 60
        while not service.client.status()["ready"]:
            assert time.monotonic() < end_s, service.log_text()
            time.sleep(0.05)
        service.client.add_documents([{"source": "a", "text": "The lamp burns."}], wait=True)
        answer = service.client.search("lamp", mode="vector")
        said = service.log_text()

    assert "bytes of its weights are missing" in reason and "pull" not in reason
    assert (answer["degraded"], len(answer["hits"])) == ([], 1)
    assert said.count("event=model_not_used") == said.count("event=model_returned") == 1
