"""The pool and the fake, held to one contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import EmbedderSettings
from pi_rag.embedder.pool import Pool
from pi_rag.errors import Busy, EmbedderUnavailable, Stopping
from pi_rag.types import Embedder, ModelCard
from tests.embedder.fake import FakeEmbedder

from .contract import EmbedderContract


class TestFake(EmbedderContract):
    """The stand-in keeps the same promises, so that tests with it mean something."""

    @pytest.fixture
    async def embedder(self) -> Embedder:
        """A started fake."""
        fake = FakeEmbedder()
        await fake.start()
        return fake

    async def test_a_broken_fake_fails_as_the_pool_does(self) -> None:
        """Start raises the reason, calls say unavailable, and stopping is refused as stopping."""
        fake = FakeEmbedder()
        fake.broken = Busy("No model.")
        with pytest.raises(Busy):
            await fake.start()
        with pytest.raises(EmbedderUnavailable):
            await fake.embed(["x"], lane="query", deadline_s=1)
        assert fake.status()["state"] == "unavailable"
        await fake.stop()
        with pytest.raises(Stopping):
            await fake.embed(["x"], lane="query", deadline_s=1)

    async def test_the_fake_is_strict(self) -> None:
        """A bare string, or a lane that is none, is a mistake of the caller."""
        fake = FakeEmbedder()
        await fake.start()
        with pytest.raises(TypeError):
            await fake.embed("a bare string", lane="query", deadline_s=1)
        with pytest.raises(ValueError, match="lane"):
            await fake.embed(["x"], lane="fast", deadline_s=1)  # type: ignore[arg-type]  # the point of the test
        assert fake.calls == []


@pytest.mark.model
class TestPool(EmbedderContract):
    """The real thing: a nursery, two workers, a real model."""

    @pytest.fixture
    async def embedder(self, minilm: ModelCard) -> AsyncIterator[Embedder]:
        """A started pool."""
        pool = Pool(minilm, EmbedderSettings(workers=2), SystemClock())
        await pool.start()
        yield pool
        await pool.stop()
