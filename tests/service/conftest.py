"""A house with a real database and real reading, and the fake embedder in place of the pool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import Settings, from_values
from pi_rag.ingest.runner import Runner
from pi_rag.query import QueryDesk
from pi_rag.query_cache import QueryCache
from pi_rag.service import sizing
from pi_rag.service import watchdog as watchdogs
from pi_rag.service.app import application
from pi_rag.service.gate import Gate
from pi_rag.service.house import House
from pi_rag.service.meaning import Meaning
from pi_rag.service.reindexing import Reindexing
from pi_rag.store import identity
from pi_rag.store.keeper import Keeper
from pi_rag.store.store import Store
from pi_rag.text.chunk import CHUNKER_VERSION
from pi_rag.types import Fingerprint
from tests.embedder.fake import FakeEmbedder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_values({"service.data": str(tmp_path / "data"), "service.socket": str(tmp_path / "s")})


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture
async def house(settings: Settings, embedder: FakeEmbedder) -> AsyncIterator[House]:
    """The one of most tests."""
    async with built(settings, embedder) as house:
        yield house


@asynccontextmanager
async def built(settings: Settings, embedder: FakeEmbedder) -> AsyncIterator[House]:
    """Everything but processes and sockets; its queue is being worked off."""
    clock = SystemClock()
    store = Store.open(settings.database_path, settings.store, clock)
    print_of_fake = Fingerprint("fake", "0" * 64, "mean", "", embedder.dimensions, CHUNKER_VERSION)
    await store.write(identity.claim_fingerprint, print_of_fake)
    meaning = Meaning(None, embedder, None)
    runner = Runner(store, embedder, meaning.reason, settings, clock, tokens_max=256)
    cache = QueryCache(store, embedder, b"fake", settings.cache, clock, lambda: None)
    query = QueryDesk(
        store,
        cache,
        query_prefix="",
        query_s_max=settings.embedder.query_s_max,
        settings=settings.query,
        clock=clock,
    )
    query.adopt("", print_of_fake)
    await meaning.start()
    runner.start()
    await cache.start()
    house = House(
        settings=settings,
        store=store,
        keeper=Keeper(store, clock),
        meaning=meaning,
        query=query,
        runner=runner,
        reindexing=Reindexing(store, meaning, query, runner, settings, clock),
        watchdog=watchdogs.of(sizing.sized(settings).settings, store, clock),
        clock=clock,
    )
    house.proven = True
    yield house
    await house.watching.stop()
    await house.reindexing.stop()
    await runner.drain(5.0)
    await runner.stop()
    await cache.stop()
    await store.close()


@pytest.fixture
async def guest(house: House, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that house."""
    async with guest_of(house, settings) as client:
        yield client


@asynccontextmanager
async def guest_of(house: House, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a house, through the gate, without a socket."""
    transport = httpx.ASGITransport(
        app=Gate(application(house), settings.service), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client
