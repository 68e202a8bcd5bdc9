"""The wall clock jumps by a year, back or forth, while documents are under way: a Pi may do it at a start."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import Settings, from_values
from pi_rag.errors import VectorInvalid
from pi_rag.ingest.runner import Runner
from pi_rag.store import documents, identity
from pi_rag.store.store import Store
from pi_rag.types import Fingerprint, Lane, NewItem, Text
from tests.embedder.fake import FakeEmbedder

if TYPE_CHECKING:
    from pi_rag.types import Vectors

YEAR_S = 365 * 86_400.0

PATIENCE_S = 20.0


class JumpyClock(SystemClock):
    """The system's, with a wall clock that somebody has set."""

    def __init__(self) -> None:
        self.jumped_s = 0.0

    def wall_s(self) -> float:
        return super().wall_s() + self.jumped_s


class SlowEmbedder(FakeEmbedder):
    """Embeds once it may; what is called bad fails as often as asked."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()
        self.asked = asyncio.Event()
        self.failures = 0

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        self.asked.set()
        await self.may.wait()
        if self.failures:
            self.failures -= 1
            raise VectorInvalid("Not this time.")
        return await super().embed(texts, lane=lane, deadline_s=deadline_s)


@pytest.fixture
def clock() -> JumpyClock:
    return JumpyClock()


@pytest.fixture
async def embedder() -> SlowEmbedder:
    slow = SlowEmbedder()
    await slow.start()
    return slow


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    values = {"service.data": str(tmp_path / "data"), "embedder.workers": 2, "ingest.retry_s_min": 0.2}
    return from_values(values)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = Store.open(settings.database_path, settings.store, SystemClock())
    await store.write(identity.claim_fingerprint, Fingerprint("fake", "0" * 64, "mean", "", 384, 1))
    yield store
    await store.close()


@contextlib.asynccontextmanager
async def running(
    store: Store, embedder: FakeEmbedder, settings: Settings, clock: JumpyClock
) -> AsyncIterator[Runner]:
    runner = Runner(store, embedder, None, settings, clock, tokens_max=256)
    runner.start()
    try:
        yield runner
    finally:
        await runner.stop()


def notes(count: int) -> list[NewItem]:
    return [NewItem("text", f"note-{number}", payload=f"note {number}".encode()) for number in range(count)]


@pytest.mark.parametrize("jump_s", [-YEAR_S, YEAR_S])
async def test_a_jump_between_claim_and_end_costs_nothing(
    store: Store, embedder: SlowEmbedder, settings: Settings, clock: JumpyClock, jump_s: float
) -> None:
    """What was claimed before it ends after it, once; nothing is taken for stalled, and the queue goes on."""
    async with running(store, embedder, settings, clock) as runner:
        job_id = await runner.enqueue("default", notes(5))
        await embedder.asked.wait()
        clock.jumped_s = jump_s
        embedder.may.set()
        job = await asyncio.wait_for(runner.finished(job_id), PATIENCE_S)
        clock.jumped_s = 0.0
        later = await asyncio.wait_for(
            runner.finished(await runner.enqueue("default", [NewItem("text", "later", payload=b"later")])),
            PATIENCE_S,
        )

    assert (job.state, job.items_done, job.items_failed) == ("done", 5, 0)
    assert (later.state, later.items_done) == ("done", 1)
    assert len(await store.read(documents.listing, None, 100, 0)) == 6


@pytest.mark.parametrize("jump_s", [-YEAR_S, YEAR_S])
async def test_a_jump_before_the_next_attempt_does_not_put_it_off(
    store: Store, embedder: SlowEmbedder, settings: Settings, clock: JumpyClock, jump_s: float
) -> None:
    """A document waits for its next attempt as long as was meant, and not for a year."""
    embedder.failures = 1
    embedder.may.set()
    async with running(store, embedder, settings, clock) as runner:
        job_id = await runner.enqueue("default", notes(1))
        await embedder.asked.wait()
        while embedder.failures:
            await asyncio.sleep(0.001)
        clock.jumped_s = jump_s
        job = await asyncio.wait_for(runner.finished(job_id), PATIENCE_S)

    assert (job.state, job.items_done, job.items_failed) == ("done", 1, 0)


@pytest.mark.parametrize("jump_s", [-YEAR_S, YEAR_S])
async def test_a_jump_while_the_service_was_down_costs_nothing(
    store: Store, embedder: SlowEmbedder, settings: Settings, clock: JumpyClock, jump_s: float
) -> None:
    """What it had in hand and what waited for its next attempt is done at the next start."""
    embedder.failures = 1
    embedder.may.set()
    async with running(store, embedder, settings, clock) as runner:
        job_id = await runner.enqueue("default", notes(3))
        await embedder.asked.wait()
        embedder.may.clear()
    clock.jumped_s = jump_s
    embedder.may.set()
    async with running(store, embedder, settings, clock) as runner:
        job = await asyncio.wait_for(runner.finished(job_id), PATIENCE_S)

    assert (job.state, job.items_done, job.items_failed) == ("done", 3, 0)
