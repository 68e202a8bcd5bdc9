"""A board grows hot while documents are taken in, and cools: read from /sys, as a Pi has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import from_values
from pi_rag.host.heat import temperature_c
from pi_rag.ingest import runner as runners
from pi_rag.ingest.pace import Gauges
from pi_rag.ingest.runner import Runner
from pi_rag.store import identity
from pi_rag.store.store import Store
from pi_rag.types import Fingerprint, Lane, NewItem, Text
from tests.embedder.fake import FakeEmbedder
from tests.embedder.waiting import until
from tests.host import boards

if TYPE_CHECKING:
    from pi_rag.types import Vectors

WORKERS = 4


class TicketEmbedder(FakeEmbedder):
    """Embeds as many requests as it is given tickets for, and knows how many texts are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.tickets = asyncio.Semaphore(0)
        self.under_way = 0
        self.done = 0

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        self.under_way += len(texts)
        try:
            await self.tickets.acquire()
            return await super().embed(texts, lane=lane, deadline_s=deadline_s)
        finally:
            self.under_way -= len(texts)
            self.done += 1

    def let_go(self, requests: int) -> None:
        for _ in range(requests):
            self.tickets.release()

    def has_at_most(self, texts: int) -> bool:
        return self.under_way <= texts

    def has_done(self, requests: int) -> bool:
        return self.done >= requests and self.under_way > 0


class Board:
    """A Pi 5 whose sensor says what a test wants."""

    def __init__(self, root: Path) -> None:
        self.root = boards.pi_5(root)

    def is_at(self, celsius: float) -> None:
        boards.write(self.root, {"sys/class/thermal/thermal_zone0/temp": f"{celsius * 1000:.0f}\n"})


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


@pytest.fixture
async def embedder() -> TicketEmbedder:
    one = TicketEmbedder()
    await one.start()
    return one


@pytest.fixture
async def runner(
    tmp_path: Path, board: Board, embedder: TicketEmbedder, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runner]:
    monkeypatch.setattr(runners, "LOOK_S", 0.01)
    settings = from_values({"service.data": str(tmp_path / "data"), "embedder.workers": WORKERS})
    store = Store.open(settings.database_path, settings.store, SystemClock())
    await store.write(identity.claim_fingerprint, Fingerprint("fake", "0" * 64, "mean", "", 384, 1))
    gauges = Gauges(temperature_c=partial(temperature_c, board.root))
    one = Runner(store, embedder, None, settings, SystemClock(), tokens_max=256, gauges=gauges)
    one.start()
    yield one
    await one.stop()
    await store.close()


def has_pace(runner: Runner, passages: int, why: str) -> bool:
    pace = runner.status()["pace"]
    return (pace["passages"], pace["why"]) == (passages, why)


async def test_a_hot_board_has_fewer_workers_busy_and_a_cool_one_all_again(
    runner: Runner, board: Board, embedder: TicketEmbedder
) -> None:
    """At 75 degrees two of four, at 79 one, and what was under way is finished; once cool it is as before,
    and every document is there."""
    board.is_at(50)
    notes = [NewItem("text", f"note-{each}", payload=f"note {each}".encode()) for each in range(60)]
    job = await runner.enqueue("default", notes)
    await until(lambda: embedder.under_way > WORKERS)
    for celsius, busy in ((75, 2), (79, 1)):
        board.is_at(celsius)
        await until(partial(has_pace, runner, busy, "heat"))
        embedder.let_go(embedder.under_way - busy)
        await until(partial(embedder.has_at_most, busy))
        for _ in range(4):
            embedder.let_go(1)
            await until(partial(embedder.has_done, embedder.done + 1))
            assert embedder.has_at_most(busy)
    board.is_at(60)
    await until(lambda: runner.status()["pace"]["why"] == "full" and embedder.under_way > WORKERS)
    embedder.let_go(len(notes))
    finished = await asyncio.wait_for(runner.finished(job), 20)

    assert (finished.state, finished.items_done, finished.items_failed) == ("done", len(notes), 0)
