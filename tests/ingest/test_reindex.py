"""Embedding everything again with another model, over a real store and strict fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import Settings, from_values
from pi_rag.errors import DocumentNotFound, EmbedderUnavailable
from pi_rag.ingest.reindex import Reindexer
from pi_rag.ingest.runner import Runner
from pi_rag.store import Connection, checkup, documents, identity, reindex
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store
from pi_rag.types import Fingerprint, Lane, NewItem, Text
from tests.embedder.fake import FakeEmbedder

if TYPE_CHECKING:
    from pi_rag.types import Vectors

OLD = Fingerprint("old", "0" * 64, "mean", "", 32, 1)
NEW = Fingerprint("new", "1" * 64, "mean", "", 16, 1)
CLOCK = SystemClock()


class Failing(FakeEmbedder):
    """It fails after so many texts."""

    def __init__(self, dimensions: int, texts_max: int) -> None:
        super().__init__(dimensions)
        self.left = texts_max
        self.embedded: list[str] = []

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        assert lane == "ingest", "queries go before"
        self.left -= len(texts)
        if self.left < 0:
            raise EmbedderUnavailable("gone")
        self.embedded += [str(text) for text in texts]
        return await super().embed(texts, lane=lane, deadline_s=deadline_s)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_values({"service.data": str(tmp_path / "data"), "embedder.workers": 2})


def note(number: int) -> NewItem:
    text = "\n\n".join(f"# Part {part}\n\n" + f"word{number} word{part} " * 60 for part in range(3))
    return NewItem("text", f"note-{number}.md", payload=text.encode(), title=f"Note {number}")


async def made_by(settings: Settings, of: Fingerprint, items: Sequence[NewItem]) -> tuple[Store, Runner]:
    """A store with these documents, taken in with this model."""
    store = Store.open(settings.database_path, settings.store, CLOCK)
    await store.write(identity.claim_fingerprint, of)
    embedder = FakeEmbedder(of.dimensions)
    await embedder.start()
    runner = Runner(store, embedder, None, settings, CLOCK, tokens_max=256)
    runner.start()
    await runner.finished(await runner.enqueue("default", items))
    return store, runner


@pytest.fixture
async def old(settings: Settings) -> AsyncIterator[tuple[Store, Runner]]:
    store, runner = await made_by(settings, OLD, [note(number) for number in range(8)])
    yield store, runner
    await runner.drain(5.0)
    await runner.stop()
    await store.close()


async def reindexer(
    store: Store,
    settings: Settings,
    embedder: FakeEmbedder,
    *,
    wanted: Fingerprint = NEW,
    tokens_max: int = 256,
) -> Reindexer:
    await embedder.start()
    order = await store.write(reindex.begin, wanted, 1.0)
    return Reindexer(store, embedder, order, settings, CLOCK, tokens_max=tokens_max)


def vectors(db: Connection) -> dict[tuple[str, int], bytes]:
    sql = """
        SELECT source, seq, vector FROM vectors
        JOIN chunks ON chunks.id = chunk_id JOIN documents ON documents.id = document_id
    """
    return {(source, seq): vector for source, seq, vector in all_rows(db, sql)}


async def test_the_vectors_are_those_of_documents_that_come_anew(
    old: tuple[Store, Runner], settings: Settings, tmp_path: Path
) -> None:
    """Titles and headings are in them as ever: reading everything in again gives the same, bit by bit."""
    store, _ = old
    fresh = from_values({"service.data": str(tmp_path / "fresh"), "embedder.workers": 2})
    other, runner = await made_by(fresh, NEW, [note(number) for number in range(8)])
    wanted = await other.read(vectors)
    await runner.stop()
    await other.close()
    await (await reindexer(store, settings, FakeEmbedder(NEW.dimensions))).fill()
    assert await store.write(reindex.swap, 2.0)

    assert await store.read(vectors) == wanted
    assert await store.read(checkup.check) == []
    assert await store.read(reindex.to_cut) == 0


async def test_what_broke_off_goes_on_where_it_was(
    old: tuple[Store, Runner], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fault only what was not written is embedded, and the count goes on from there."""
    store, _ = old
    monkeypatch.setattr("pi_rag.ingest.reindex.PASSAGES_AT_ONCE", 8)
    first = Failing(NEW.dimensions, texts_max=13)
    with pytest.raises(EmbedderUnavailable):
        await (await reindexer(store, settings, first)).fill()
    written = await store.read(reindex.done)
    second = Failing(NEW.dimensions, texts_max=1000)
    again = await reindexer(store, settings, second)
    await again.fill()

    assert (written, len(second.embedded), again.done) == (8, 16, 24)


async def test_copies_are_embedded_once(old: tuple[Store, Runner], settings: Settings) -> None:
    """The same text with the same title has the same vector, also in another collection."""
    store, runner = old
    await runner.finished(await runner.enqueue("copies", [note(number) for number in range(8)]))
    embedder = Failing(NEW.dimensions, texts_max=1000)
    small = from_values({"service.data": str(settings.data_path), "ingest.embed_texts": 1})
    work = await reindexer(store, small, embedder)
    await work.fill()

    assert work.done == await store.read(value, "SELECT count(*) FROM chunks")
    assert len(embedder.embedded) < work.done


async def test_documents_that_come_meanwhile_are_in_both(
    old: tuple[Store, Runner], settings: Settings
) -> None:
    """They are taken in with the old model, and caught up with before the swap."""
    store, runner = old
    work = await reindexer(store, settings, FakeEmbedder(NEW.dimensions))
    await work.fill()
    job = await runner.finished(await runner.enqueue("default", [note(3), note(20), note(21)]))
    swapped = await store.write(reindex.swap, 2.0)
    await work.fill()

    assert (job.items_done, job.items_unchanged, swapped) == (2, 1, False)
    assert await store.write(reindex.swap, 3.0)
    assert await store.read(checkup.check) == []


async def test_what_a_smaller_window_cuts_off_is_cut_anew(
    old: tuple[Store, Runner], settings: Settings
) -> None:
    """Until then its beginning stands for it; afterwards every passage fits, and the dates stay."""
    store, runner = old
    work = await reindexer(store, settings, FakeEmbedder(NEW.dimensions), tokens_max=100)
    await work.fill()
    dates = await store.read(all_rows, "SELECT id, created_at, updated_at, content_hash FROM documents")
    async with runner.held():
        assert await store.write(reindex.swap, 2.0)
        follower = FakeEmbedder(NEW.dimensions)
        await follower.start()
        runner.follow(follower, 100)
    noted = await store.read(reindex.to_cut)
    while (document_id := await store.read(reindex.next_to_cut)) is not None:
        await runner.cut_anew(document_id)

    assert noted == 8
    assert await store.read(value, "SELECT max(token_count) FROM chunks") <= 100
    assert await store.read(checkup.check) == []
    assert dates == await store.read(
        all_rows, "SELECT id, created_at, updated_at, content_hash FROM documents"
    )


async def test_another_way_of_cutting_cuts_all_anew(old: tuple[Store, Runner], settings: Settings) -> None:
    """Passages of two versions of the chunker are not left side by side."""
    store, _ = old
    newer = replace(OLD, chunker_version=2)
    await (await reindexer(store, settings, FakeEmbedder(OLD.dimensions), wanted=newer)).fill()

    assert await store.read(reindex.to_cut) == 8


async def test_another_way_of_cutting_alone_embeds_nothing_again(
    old: tuple[Store, Runner], settings: Settings
) -> None:
    """The model is the same, and so are the vectors of passages that are not cut yet."""
    store, _ = old
    embedder = Failing(OLD.dimensions, 0)
    before = await store.read(vectors)
    await (await reindexer(store, settings, embedder, wanted=replace(OLD, chunker_version=2))).fill()
    assert await store.write(reindex.swap, 2.0)

    assert embedder.embedded == []
    assert await store.read(vectors) == before


async def test_a_document_that_changed_meanwhile_is_not_cut_back(
    old: tuple[Store, Runner], settings: Settings
) -> None:
    """Its newer text came with the new model already; one that is gone stays gone."""
    store, runner = old
    stored, _ = await store.read(reindex.to_read_again, 1)
    await store.write(documents.remove, 2)
    original = store.read

    async def read(fn, *args):  # type: ignore[no-untyped-def]  # a stand-in for one method
        found = await original(fn, *args)
        if fn is reindex.to_read_again:
            await store.write(_touch)
        return found

    def _touch(db: Connection) -> None:
        db.execute("UPDATE documents SET content_hash = 'newer' WHERE id = 1")

    store.read = read  # type: ignore[method-assign,assignment]
    await store.write(reindex.begin, NEW, 1.0)
    before = await original(all_rows, "SELECT id FROM chunks WHERE document_id = 1")
    await runner.cut_anew(1)
    with pytest.raises(DocumentNotFound):
        await runner.cut_anew(2)

    assert stored.content_hash != "newer"
    assert await original(all_rows, "SELECT id FROM chunks WHERE document_id = 1") == before


async def test_pages_are_where_the_passages_were(old: tuple[Store, Runner]) -> None:
    """A citation of a page survives another cut."""
    store, _ = old

    def turn(db: Connection) -> None:
        db.execute("UPDATE chunks SET page = seq + 1 WHERE document_id = 1")

    await store.write(turn)
    _, pages = await store.read(reindex.to_read_again, 1)
    starts = await store.read(all_rows, "SELECT start, page FROM chunks WHERE document_id = 1 ORDER BY seq")

    assert list(pages) == starts
    assert len(pages) == 3


async def test_the_rate_is_told_while_it_works(old: tuple[Store, Runner], settings: Settings) -> None:
    """Passages a second, once two answers have come."""
    store, _ = old
    work = await reindexer(store, settings, FakeEmbedder(NEW.dimensions))
    idle = work.rate_s
    await work.fill()

    assert idle == 0.0
    assert work.rate_s > 0.0
