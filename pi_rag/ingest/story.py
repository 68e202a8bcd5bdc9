"""The story of one document: read, compare, cut, embed, look for what it repeats, store.

One document is one transaction. The story knows both workshops and the reader, and nothing of queues or HTTP:
`runner.py` decides which document is next, and what happens when its story cannot be told to the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

from pi_rag.clock import Clock
from pi_rag.config import Settings
from pi_rag.errors import DocumentBinary, DocumentEmpty, DocumentTooLarge
from pi_rag.ingest import exported
from pi_rag.ingest.aside import apart, aside
from pi_rag.ingest.beneath import Roots
from pi_rag.ingest.cutting import Cutter, Embedded, nobody, text_hash
from pi_rag.ingest.disk import Disk
from pi_rag.ingest.duplicates import candidates
from pi_rag.ingest.file import read_file
from pi_rag.ingest.mounts import Mounts
from pi_rag.ingest.pace import Room
from pi_rag.ingest.reading import Reader
from pi_rag.ingest.unchanged import as_given_before, changed
from pi_rag.ingest.unpacking import is_to_be_unpacked, unpack
from pi_rag.ingest.walk import Folder, Found, Step, shown, steps
from pi_rag.ingest.web import fetch
from pi_rag.store import Connection, documents, duplicates, export, identity, jobs, reindex
from pi_rag.store.documents import NEVER_GIVEN
from pi_rag.store.store import Store
from pi_rag.text.clean import clean, is_blank
from pi_rag.text.kinds import HEAD_BYTES, kind_of
from pi_rag.types import (
    ON_DISK,
    Chunk,
    DocumentRow,
    Embedder,
    Item,
    Kind,
    NewDocument,
    NewItem,
    Reading,
    Refusal,
    Repeated,
)

LISTED_AT_ONCE = 1000
"""Of a walk, what one question to the disk gives. Folders on a slow mount take their time, and it is seen."""

LARGE_BYTES = 1024 * 1024
"""What is larger, or may be once it is unpacked, is in RAM for few documents at a time."""

LOOKUP_HASHES = 256
"""Passages whose vectors are looked for in one read: some ten milliseconds, so no reader is held long."""

Took = Callable[[str, float], None]
"""A stage and its seconds."""


@dataclass(frozen=True, slots=True)
class _Near:
    """For each passage those it may repeat, and how near is near."""

    candidates: Sequence[Sequence[int]]
    similarity_min: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """A document's size as it was first seen, and its bytes where they were read along with that."""

    size: int
    data: bytes | None = None
    is_folder: bool = False


class Story:
    """Tells the stories of documents. It keeps no state between two of them."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        reader: Reader,
        disk: Disk,
        settings: Settings,
        clock: Clock,
        *,
        tokens_max: int,
        passages: Room,
    ) -> None:
        """`passages` is the room for those under way to the model."""
        self._store = store
        self._reader = reader
        self._disk = disk
        self._all_settings = settings
        self._settings = settings.ingest
        self._room = passages
        self._cutter = Cutter(embedder, settings, tokens_max, self._known_vectors, passages)
        self._large = Room(max(2, settings.embedder.workers_wanted))
        self._clock = clock
        self._roots = Roots.of(settings.ingest.roots)
        self.took: Took = _untold
        """Is told how long each stage of a document took: `read`, `cut`, `embed`, `compare`, `store` and, of
        all of it, `total`, which is told alone of what is known as it is.
        """

    @property
    def passages(self) -> Mapping[str, int]:
        """How many passages were embedded, and how many had their vector already, since the start."""
        return self._cutter.passages

    def follow(self, embedder: Embedder, tokens_max: int) -> None:
        """Tell the stories to come with another model. None may be under way."""
        passages = self._cutter.passages
        self._cutter = Cutter(embedder, self._all_settings, tokens_max, self._known_vectors, self._room)
        self._cutter.passages = passages

    async def tell(self, item: Item, progress: Callable[[int], None]) -> None:
        """From the queue to the store. `progress` gets how many more passages are embedded, at every step.

        Raises DocumentRefused and NotFound for the document, TryLater and StoreError kinds for the service,
        other errors when it is not known whose fault it was.
        """
        seen = _Seen(len(item.payload))
        if item.kind in ON_DISK:
            mib_max = self._settings.document_mib_max
            seen = await self._disk.ask(item.source, _seen, item, mib_max, self._roots)
        if seen.is_folder:
            await self._unfold(item, progress)
            return
        async with self._turn(item, seen, progress):
            with self._timed("total"):
                if item.kind == "export":
                    await self._tell_exported(item, progress)
                else:
                    await self._tell(item, seen.data, progress)

    @contextlib.contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        """Tell how long this took, if it came to its end."""
        begun_s = self._clock.monotonic_s()
        yield
        self.took(stage, self._clock.monotonic_s() - begun_s)

    @contextlib.asynccontextmanager
    async def _turn(self, item: Item, seen: _Seen, progress: Callable[[int], None]) -> AsyncIterator[None]:
        """Inside it a document may be in RAM. Of large ones, no more than there are workers."""
        if _may_be_large(item, seen):
            async with self._large.of(moves=partial(progress, 0)):
                yield
        else:
            yield

    async def _tell(self, item: Item, seen: bytes | None, progress: Callable[[int], None]) -> None:
        """A document as it is: a file, a page, or what was sent. `seen` are its bytes, if they were read."""
        name, data = (item.source, seen) if seen is not None else await self._bytes_of(item)
        if is_to_be_unpacked(item, name, data):
            await unpack(
                item,
                name,
                data,
                store=self._store,
                reader=self._reader,
                clock=self._clock,
                digest=content_digest,
                moves=partial(progress, 0),
                queue_bytes_max=self._settings.queue_mib_max * 2**20,
            )
            return
        stored = await self._store.read(documents.made_from, item.collection, [item.source])
        before = stored.get(item.source)
        item = as_given_before(item, before)
        digest = await aside(len(data), _digest, item, data)
        if before is not None and before.content_hash == digest:
            await self._store.write_together(_leave, item, self._clock.wall_s())
            return
        progress(0)
        with self._timed("read"):
            reading = await self._read(item, name, data, partial(progress, 0))
        progress(0)
        chunks, embedded = await self._made(reading, progress)
        progress(0)
        near = await self._near_duplicates(item.collection, item.source, embedded, partial(progress, 0))
        now = self._clock.wall_s()
        with self._timed("store"):
            await self._store.write_together(_commit, item, reading, digest, chunks, embedded, near, now)

    async def _tell_exported(self, item: Item, progress: Callable[[int], None]) -> None:
        """A line of an export: it was read elsewhere, and perhaps cut and embedded."""
        given = await asyncio.to_thread(exported.read, item.payload)
        self._check_text(given.reading.text)
        item = await self._as_given_elsewhere(item, given)
        stored = await self._store.read(export.stored, item.collection, item.source)
        if stored is not None and given.is_stored_as(stored):
            await self._store.write_together(_leave, item, self._clock.wall_s())
            return
        progress(0)
        reading = given.reading
        chunks, embedded = await self._made_elsewhere(given, progress) or await self._made(reading, progress)
        progress(0)
        near = await self._near_duplicates(item.collection, item.source, embedded, partial(progress, 0))
        digest = given.content_hash or await asyncio.to_thread(_digest_of_line, item, reading)
        now = self._clock.wall_s()
        document = (reading, digest, chunks, embedded, near, now, given.dates)
        with self._timed("store"):
            await self._store.write_together(_commit, item, *document)

    async def _as_given_elsewhere(self, item: Item, given: exported.Given) -> Item:
        """The place of a line with what was given with its document: as the line says, else as it is here."""
        stored = await self._store.read(documents.made_from, item.collection, [item.source])
        before = stored.get(item.source, NEVER_GIVEN)
        title = before.title if given.title is None else given.title
        metadata = before.metadata if given.metadata is None else given.metadata
        return replace(item, title=title, metadata=metadata)

    async def _made(
        self, reading: Reading, progress: Callable[[int], None]
    ) -> tuple[Sequence[Chunk], Embedded]:
        """The passages of a text, with their vectors."""
        with self._timed("cut"):
            chunks = await self._cutter.cut(reading, partial(progress, 0))
        with self._timed("embed"):
            return chunks, await self._cutter.embed(reading.title, chunks, progress)

    async def _made_elsewhere(
        self, given: exported.Given, progress: Callable[[int], None]
    ) -> tuple[Sequence[Chunk], Embedded] | None:
        """Passages that came along; None where they are of another model, or of another text than theirs."""
        made, ours = given.made, await self._store.read(identity.fingerprint)
        if made is None or ours is None or identity.differences(made.made_by, ours):
            return None
        texts = await self._cutter.texts(given.reading.title, made.chunks, partial(progress, 0))
        if list(made.hashes) != [text_hash(text) for text in texts] or made.leaves_out(given.reading.text):
            return None
        self._cutter.note_reused(len(texts), progress)
        return made.chunks, Embedded(made.vectors, made.hashes)

    async def cut_anew(self, document_id: int) -> None:
        """Cut a stored document again, as if it came now. What changed or went meanwhile is left as it is.

        Raises DocumentNotFound, TryLater and StoreError kinds, VectorInvalid, TextNotEmbedded.
        """
        stored, pages = await self._store.read(reindex.to_read_again, document_id)
        text, kind = stored.text or "", cast("Kind", stored.kind)
        reading = Reading(text, stored.title, kind, pages, stored.metadata)
        chunks, embedded = await self._made(reading, lambda _: None)
        near = await self._near_duplicates(stored.collection, stored.source, embedded)
        await self._store.write(_replace, stored, reading, chunks, embedded, near)

    async def _known_vectors(self, text_hashes: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Vectors in the index, copied out: whatever is removed meanwhile, these stay as they are."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(text_hashes), LOOKUP_HASHES):
            part = text_hashes[start : start + LOOKUP_HASHES]
            found |= await self._store.read(documents.known_vectors, part)
        return found

    async def _near_duplicates(
        self, collection: str, source: str, embedded: Embedded, moves: Callable[[], None] = nobody
    ) -> _Near | None:
        """What each passage may repeat; None when nobody wants to know."""
        alike = self._settings.duplicate_similarity_min
        if not alike:
            return None
        with self._timed("compare"):
            found = await candidates(self._store, collection, source, embedded, alike, moves)
        return _Near(found, alike)

    async def _unfold(self, item: Item, progress: Callable[[int], None]) -> None:
        """A folder becomes its files, each a place in the queue of its own; what is stored as it is, none."""
        folder = await self._disk.ask(item.source, _real, item.source, self._roots)
        listed, refusals = await self._listed(item, progress)
        found = await changed(
            self._store, self._disk, item.collection, listed, self._roots, content_digest, progress
        )
        left = {each.source for each in found}
        unchanged = [each.source for each in listed if each.source not in left]
        await self._store.write(jobs.expand, item, found, refusals, self._clock.wall_s(), unchanged, folder)

    async def _listed(
        self, folder: Item, progress: Callable[[int], None]
    ) -> tuple[list[NewItem], list[Refusal]]:
        """The files below a folder, each with the folder's metadata; and what is not taken."""
        path, files_max = Path(folder.source), self._settings.walk_files_max
        walking = await self._disk.ask(path, steps, path, files_max)
        found: list[NewItem] = []
        refusals: list[Refusal] = []
        while some := await self._disk.ask(path, _next_of, walking, Mounts()):
            for each in some:
                if isinstance(each, Found):
                    found.append(NewItem(kind="file", source=str(each.path), metadata=folder.metadata))
                elif isinstance(each, Refusal):
                    refusals.append(each)
            path = Path(some[-1].source if isinstance(some[-1], Refusal) else some[-1].path)
            progress(0)
        return found, refusals

    async def _bytes_of(self, item: Item) -> tuple[str, bytes]:
        """What a document's file is called, which says how to read it, and its bytes."""
        if item.kind == "url":
            page = await apart(fetch, item.source, self._settings, self._clock)
            return page.name, page.data
        if item.kind in ON_DISK:
            path, mib_max, links = Path(item.source), self._settings.document_mib_max, item.kind == "path"
            return item.source, await self._disk.ask(path, read_file, path, mib_max, self._roots, links=links)
        if len(item.payload) > self._settings.document_mib_max * 1024 * 1024:
            raise DocumentTooLarge(f"It is larger than {self._settings.document_mib_max} MiB.")
        return item.source, item.payload

    async def _read(self, item: Item, name: str, data: bytes, moves: Callable[[], None]) -> Reading:
        reading = _as_given(item, data) or await self._reader.read(name, data, moves)
        text = await aside(len(reading.text), clean, reading.text)
        self._check_text(text)
        title = item.title or clean(reading.title)
        return Reading(text, title, reading.kind, reading.pages, {**reading.metadata, **item.metadata})

    def _check_text(self, text: str) -> None:
        """Raise DocumentEmpty or DocumentTooLarge for what is no text to remember."""
        if is_blank(text):
            raise DocumentEmpty("There is no text in it.")
        if len(text) > self._settings.document_chars_max:
            raise DocumentTooLarge(
                f"It has {len(text)} characters; at most {self._settings.document_chars_max} are taken."
            )


def _as_given(item: Item, data: bytes) -> Reading | None:
    """A text that was sent as text needs no reader, whatever its source is called; HTML alone does."""
    if item.kind != "text":
        return None
    kind = _kind_of_text(item.source, data)
    title = item.title or Path(item.source).name
    return None if kind == "html" else Reading(data.decode(), title, kind)


def _kind_of_text(source: str, data: bytes) -> Kind:
    """The name may say how to cut it, as `notes.md` does; `letter.pdf` says nothing of a text."""
    try:
        kind = kind_of(source, data[:HEAD_BYTES])
    except DocumentBinary:
        return "text"
    return kind if kind in {"markdown", "code", "html"} else "text"


def _seen(item: Item, mib_max: int, roots: Roots) -> _Seen:
    """What a path is. A small file is read at once, which may raise as `read_file` does."""
    path, links = Path(item.source), item.kind == "path"
    try:
        found = path.stat(follow_symlinks=links)
    except (OSError, ValueError):
        return _Seen(0)  # the reader says why
    if stat.S_ISDIR(found.st_mode) and links:
        return _Seen(0, is_folder=True)
    data = read_file(path, mib_max, roots, links=links) if found.st_size <= LARGE_BYTES else None
    return _Seen(found.st_size, data)


def _real(folder: str, roots: Roots) -> str:
    """The path of a folder without links, as a walk gives it. Raises DocumentOutside."""
    return shown(str(Path(*roots.placed(Path(folder)))))


def _untold(stage: str, seconds: float) -> None:
    """Nobody wants to know."""


def _may_be_large(item: Item, seen: _Seen) -> bool:
    """Also what has yet to be fetched or unpacked."""
    data = seen.data or item.payload
    return seen.size > LARGE_BYTES or item.kind == "url" or is_to_be_unpacked(item, item.source, data)


def _next_of(walking: Iterator[Step], mounts: Mounts) -> list[Step]:
    """The next of a walk, as many as are asked for at once; none: it has ended.

    A mount is looked into in its own name: if it is dead, only what lies on it waits.
    """
    some: list[Step] = []
    for each in islice(walking, LISTED_AT_ONCE):
        some.append(each)
        if isinstance(each, Folder) and each.path in mounts:
            break
    return some


def _digest(item: Item, data: bytes) -> str:
    return content_digest(item.title, item.metadata, data)


def content_digest(title: str, metadata: Mapping[str, Any], data: bytes) -> str:
    """sha256 of what a document is made from: a changed title or metadata is a change too."""
    given = json.dumps([title, dict(metadata)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(given.encode("utf-8", "replace") + b"\0" + data).hexdigest()


def _digest_of_line(item: Item, reading: Reading) -> str:
    """As if the text had been sent by itself."""
    return _digest(replace(item, title=reading.title, metadata=reading.metadata), reading.text.encode())


def _leave(db: Connection, item: Item, now: float) -> None:
    """What is stored is what was sent, and as new."""
    if jobs.is_held(db, item):
        if not documents.is_newer(db, item.collection, item.source, item.id):
            documents.came_with(db, item, now)
        jobs.finish(db, item, "unchanged", 0, None, now)


def _commit(
    db: Connection,
    item: Item,
    reading: Reading,
    digest: str,
    chunks: Sequence[Chunk],
    embedded: Embedded,
    near: _Near | None,
    now: float,
    dates: tuple[float, float] | None = None,
) -> None:
    """The document and the end of its place in the queue, in one transaction; nothing when it lost that.

    What had to wait for its next attempt, or for more urgent jobs, may have been overtaken by a newer
    version. A file has not: it was read a moment ago.
    """
    if not jobs.is_held(db, item):
        return
    if item.kind not in ON_DISK and documents.is_newer(db, item.collection, item.source, item.id):
        jobs.finish(db, item, "unchanged", 0, None, now)
        return
    document = _document(item, reading, digest)
    is_new = documents.content_hash(db, item.collection, item.source) is None
    repeated = _put(db, document, chunks, embedded, near, now)
    if dates and is_new:
        export.set_dates(db, item.collection, item.source, dates)
    if repeated is not None:
        jobs.note_repeated(db, item.job_id, repeated)
    documents.came_with(db, item, now)
    jobs.finish(db, item, "done", len(chunks), None, now)


def _replace(
    db: Connection,
    stored: DocumentRow,
    reading: Reading,
    chunks: Sequence[Chunk],
    embedded: Embedded,
    near: _Near | None,
) -> None:
    """Other passages for a document that is stored, unless it is another one by now. Its dates stay."""
    reindex.was_cut(db, stored.id)
    if reindex.is_still(db, stored):
        document = _document(stored, reading, stored.content_hash)
        _put(db, document, chunks, embedded, near, stored.updated_at)


def _put(
    db: Connection,
    document: NewDocument,
    chunks: Sequence[Chunk],
    embedded: Embedded,
    near: _Near | None,
    now: float,
) -> Repeated | None:
    """The document with its passages and their links; what it repeats, if anything."""
    document_id, _ = documents.put(db, document, chunks, embedded.vectors, now, embedded.text_hashes)
    return duplicates.link(db, document_id, near.candidates, near.similarity_min) if near else None


def _document(of: Item | DocumentRow, reading: Reading, digest: str) -> NewDocument:
    return NewDocument(
        collection=of.collection,
        source=of.source,
        title=reading.title,
        kind=reading.kind,
        text=reading.text,
        content_hash=digest,
        metadata=reading.metadata,
    )
