"""Promises of pi_rag/embedder/succession.py, with two real models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder.pool import Pool
from pi_rag.embedder.succession import Succession
from pi_rag.errors import ModelMissing, Stopping
from pi_rag.models.checksum import sha256_of
from pi_rag.models.convert import convert
from pi_rag.models.folder import read_folder
from pi_rag.types import ModelCard
from tests.models import seeded

from .waiting import gone, open_files, until, zombies

pytestmark = pytest.mark.model

LONG_S = 120.0
TEXTS = [f"house number {n} has a garden, a well and a story about winter" for n in range(12)]


def pool_of(card: ModelCard) -> Pool:
    """Two workers."""
    return Pool(card, EmbedderSettings(workers=2, query_workers=0), SystemClock())


@pytest.fixture
def other(tmp_path: Path, minilm: ModelCard) -> ModelCard:
    """A small model of random weights, and of another width."""
    path = tmp_path / "other.gguf"
    convert(read_folder(seeded.write_folder(tmp_path / "other")), path)
    width = read_folder(tmp_path / "other").shape.width
    assert width != minilm.dimensions
    return replace(minilm, name="other", path=str(path), sha256=sha256_of(path), dimensions=width)


@pytest.fixture
async def embedder(minilm: ModelCard) -> AsyncIterator[Succession]:
    """MiniLM is in office."""
    embedder = Succession(pool_of(minilm))
    await embedder.start()
    yield embedder
    await embedder.stop()


async def test_a_new_model_takes_over_without_a_gap(
    embedder: Succession, minilm: ModelCard, other: ModelCard
) -> None:
    """Calls go on meanwhile: none fails, each is answered by one model, and the old processes end."""
    before = embedder.status()
    widths: list[int] = []
    changed = asyncio.Event()

    async def ask() -> None:
        while not (changed.is_set() and widths[-1] == other.dimensions):
            rows = await embedder.embed(TEXTS, lane="ingest", deadline_s=LONG_S)
            assert rows.shape[0] == len(TEXTS)
            widths.append(rows.shape[1])

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    await until(lambda: len(widths) >= 8)
    await embedder.follow(pool_of(other), grace_s=LONG_S)
    changed.set()
    await asyncio.gather(*asking)
    assert set(widths) == {minilm.dimensions, other.dimensions}
    assert gone([before["nursery_pid"], *(worker["pid"] for worker in before["workers"] if worker["pid"])])
    assert zombies() == []


async def test_who_cannot_boot_does_not_follow(embedder: Succession, minilm: ModelCard) -> None:
    """The one in office stays, and nothing is left of the other."""
    right = await embedder.embed(TEXTS, lane="query", deadline_s=LONG_S)
    await until(lambda: all(worker["pid"] for worker in embedder.status()["workers"]))
    files, nursery = open_files(), embedder.status()["nursery_pid"]
    with pytest.raises(ModelMissing):
        await embedder.follow(pool_of(replace(minilm, path="/nowhere.gguf")), grace_s=LONG_S)
    assert embedder.status()["nursery_pid"] == nursery
    assert np.array_equal(await embedder.embed(TEXTS, lane="query", deadline_s=LONG_S), right)
    await until(lambda: open_files() <= files)


async def test_nobody_follows_one_that_was_stopped(embedder: Succession, minilm: ModelCard) -> None:
    """A successor that becomes ready after the end is ended too, and who waits for it is told."""
    await embedder.stop()
    files = open_files()
    with pytest.raises(Stopping):
        await embedder.follow(pool_of(minilm), grace_s=LONG_S)
    await until(lambda: open_files() <= files)
    assert zombies() == []
