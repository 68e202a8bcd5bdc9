"""What the whole path is compared with: the pool alone on the same texts, and each stage alone.

Everything here runs in the measuring process, with the settings that the service has.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pi_rag.clock import SystemClock
from pi_rag.config import Settings
from pi_rag.embedder.pool import Pool
from pi_rag.errors import PiRagError
from pi_rag.ingest import exported
from pi_rag.ingest.cutting import Cutter, Embedded
from pi_rag.ingest.file import read_file
from pi_rag.ingest.reading import Reader
from pi_rag.service.meaning import fingerprint
from pi_rag.store import documents, identity
from pi_rag.store.store import Store
from pi_rag.text.clean import clean
from pi_rag.types import Chunk, ModelCard, NewDocument, Reading

STAGES = ("read", "cut", "embed", "store")

Made = tuple[Reading, Sequence[Chunk], Embedded]


class Bare:
    """A pool as the service has one, and nothing around it."""

    def __init__(self, card: ModelCard, settings: Settings) -> None:
        self._settings, self._card = settings, card
        self._pool = Pool(card, settings.embedder, SystemClock())
        self._cutter = Cutter(self._pool, settings, card.tokens_max)

    async def __aenter__(self) -> Bare:
        await self._pool.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.stop()

    async def texts(self, lines: Sequence[bytes]) -> list[str]:
        """What the service made vectors of, from its export with vectors; each text once."""
        head, *documents = map(json.loads, lines)
        found: list[str] = []
        for document in documents:
            given = exported.read(exported.payload(document, head["made_by"]))
            assert given.made is not None, "exported with vectors"
            found += await self._cutter.texts(given.reading.title, given.made.chunks)
        return list(dict.fromkeys(found))

    async def seconds(self, texts: Sequence[str]) -> float:
        """How long the pool takes for all of them, with as many requests under way as its lane lets in."""
        begun_s = time.monotonic()
        size, breadth = self._settings.ingest.embed_texts, self._settings.embedder.ingest_queue_max
        parts = iter([texts[at : at + size] for at in range(0, len(texts), size)])

        async def hand() -> None:
            for part in parts:
                await self._pool.embed(part, lane="ingest", deadline_s=600.0)

        async with asyncio.TaskGroup() as group:
            for _ in range(breadth):
                group.create_task(hand())
        return time.monotonic() - begun_s

    async def stages(self, files: Sequence[Path], folder: Path) -> Mapping[str, float]:
        """Seconds of each stage over all files, one stage after the other."""
        reader = Reader(self._settings.ingest, SystemClock())
        try:
            begun_s = time.monotonic()
            readings = [each for path in files if (each := await _read(reader, path))]
            read_s = time.monotonic()
            cut = [await self._cutter.cut(each) for each in readings]
            texts = [
                await self._cutter.texts(each.title, chunks)
                for each, chunks in zip(readings, cut, strict=True)
            ]
            cut_s = time.monotonic()
        finally:
            await reader.stop()
        async with asyncio.TaskGroup() as group:
            made = [group.create_task(self._cutter.embed_texts(each)) for each in texts]
        embed_s = time.monotonic()
        stored = zip(readings, cut, [each.result() for each in made], strict=True)
        store_s = await self._stored(list(stored), folder)
        return dict(zip(STAGES, (read_s - begun_s, cut_s - read_s, embed_s - cut_s, store_s), strict=True))

    async def _stored(self, made: Sequence[Made], folder: Path) -> float:
        """Seconds to store them in a database of their own, a transaction each."""
        settings = self._settings
        store = Store.open(folder / "pi-rag.db", settings.store, SystemClock(), settings.index)
        await store.write(identity.claim_fingerprint, fingerprint(self._card))
        begun_s = time.monotonic()
        for number, (reading, chunks, embedded) in enumerate(made):
            new = NewDocument(
                "default", str(number), reading.title, reading.kind, reading.text, str(number), {}
            )
            await store.write(documents.put, new, chunks, embedded.vectors, 0.0, embedded.text_hashes)
        stored_s = time.monotonic() - begun_s
        await store.close()
        return stored_s


async def _read(reader: Reader, path: Path) -> Reading | None:
    """As the service reads it; None for what it refuses."""
    try:
        reading = await reader.read(str(path), read_file(path, 64))
    except PiRagError:
        return None
    text = clean(reading.text)
    return Reading(text, reading.title, reading.kind, reading.pages) if text.strip() else None
