"""A watched folder in a test: a real store, a real queue, real inotify, and the fake embedder."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from pi_rag.clock import SystemClock
from pi_rag.config import Settings, from_values
from pi_rag.ingest.runner import Runner
from pi_rag.ingest.watching import Watching
from pi_rag.store import documents, identity
from pi_rag.store.store import Store
from pi_rag.types import DocumentRow, Fingerprint
from tests.embedder.fake import FakeEmbedder


class Home:
    """A service's rooms below HTTP, with one folder to watch."""

    def __init__(self, root: Path, settings: Settings, store: Store, runner: Runner) -> None:
        self.root = root
        self.settings = settings
        self.store = store
        self.runner = runner
        self.watching = Watching(store, runner, settings, SystemClock())

    async def documents(self) -> dict[str, DocumentRow]:
        """What is stored, by its path below the folder."""
        rows = await self.store.read(documents.listing, None, 1000, 0)
        return {row.source.removeprefix(f"{self.root}/"): row for row in rows}

    async def holds(self, *paths: str) -> dict[str, DocumentRow]:
        """Wait until just these are stored and nothing is queued, and give them."""

        async def right() -> bool:
            counts = await self.store.read(documents.counts)
            return counts.items_queued == 0 and set(await self.documents()) == set(paths)

        await until(right)
        return await self.documents()

    async def problem(self) -> str | None:
        """What is told of the only folder."""
        (told,) = await self.watching.listing()
        found: str | None = told["problem"]
        return found

    async def seen(self) -> None:
        """Wait until the only folder has been seen as a whole."""

        async def was_seen() -> bool:
            (told,) = await self.watching.listing()
            return told["seen_at"] is not None

        await until(was_seen)

    async def again(self, between: Callable[[], object]) -> None:
        """As if the service was stopped, something happened, and it was started again."""
        await self.watching.stop()
        between()
        self.watching = Watching(self.store, self.runner, self.settings, SystemClock())
        await self.watching.start()


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for a condition; ten seconds end the test."""
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0.01)


def make(root: Path, **files: str) -> None:
    """Files by their paths, where `__` stands for a slash and `_` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@contextlib.asynccontextmanager
async def home(tmp_path: Path, embedder: FakeEmbedder, **more: object) -> AsyncIterator[Home]:
    """The rooms; they end with the block."""
    values = {"service.data": str(tmp_path / "data"), "watch.quiet_ms": 20, "embedder.workers": 2}
    settings = from_values(values | {name.replace("__", "."): value for name, value in more.items()})
    store = Store.open(settings.database_path, settings.store, SystemClock())
    await store.write(identity.claim_fingerprint, Fingerprint("fake", "0" * 64, "mean", "", 384, 1))
    await embedder.start()
    runner = Runner(store, embedder, None, settings, SystemClock(), tokens_max=256)
    runner.start()
    root = tmp_path / "root"
    root.mkdir(exist_ok=True)
    made = Home(root, settings, store, runner)
    try:
        yield made
    finally:
        await made.watching.stop()
        await runner.drain(5.0)
        await runner.stop()
        await store.close()


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Without the rights of root, who may look into everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
