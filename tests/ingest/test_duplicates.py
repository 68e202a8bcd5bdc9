"""What repeats an older document is found on its way in, told by its job, and linked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import Settings, from_values
from pi_rag.embedder.pool import Pool
from pi_rag.ingest import duplicates as looking
from pi_rag.ingest.cutting import Embedded
from pi_rag.ingest.runner import Runner
from pi_rag.store import Connection, duplicates, identity, job_rows, removal, vectors
from pi_rag.store.keeper import Keeper
from pi_rag.store.rows import all_rows
from pi_rag.store.store import Store
from pi_rag.types import Embedder, Fingerprint, JobRow, ModelCard, NewItem, Repeated
from tests.embedder.fake import FakeEmbedder

LETTER = (
    "Dear Mrs Lovelace, the boiler in the cellar was serviced on the third of March. The pump was noisy and "
    "has been replaced, the filter was cleaned, and the pressure is at one and a half bar again. The next "
    "service is due in a year. Please keep this letter with the papers of the house. Yours, the plumber."
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_values({"service.data": str(tmp_path / "data"), "embedder.workers": 1})


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = Store.open(settings.database_path, settings.store, SystemClock())
    await store.write(identity.claim_fingerprint, Fingerprint("fake", "0" * 64, "mean", "", 384, 1))
    yield store
    await store.close()


async def add(
    store: Store,
    settings: Settings,
    /,
    embedder: Embedder | None = None,
    collection: str = "default",
    **texts: str,
) -> JobRow:
    """The finished job of these documents."""
    fake = FakeEmbedder()
    await fake.start()
    runner = Runner(store, embedder or fake, None, settings, SystemClock(), tokens_max=256)
    runner.start()
    try:
        items = [NewItem("text", source, payload=text.encode()) for source, text in texts.items()]
        return await runner.finished(await runner.enqueue(collection, items))
    finally:
        await runner.stop()


async def test_a_job_tells_what_its_documents_repeat(store: Store, settings: Settings) -> None:
    """A letter that was edited a little and sent again under another name."""
    await add(store, settings, first=LETTER, other="The well is deep.")
    job = await add(store, settings, second=LETTER.replace("third of March", "fifth of March"), new="A lamp.")
    assert job.near_duplicates == 1
    assert job.repeated == (Repeated("second", 1, 1, "first", 1, "default"),)


async def test_a_job_tells_in_which_collection_the_other_is(store: Store, settings: Settings) -> None:
    """The same file may be in several. Once the other is gone nothing is said of where it was."""
    await add(store, settings, letter=LETTER)
    job = await add(store, settings, collection="papers", letter=LETTER)
    assert job.repeated == (Repeated("letter", 1, 1, "letter", 1, "default"),)
    await store.write(removal.document, 1, 0.0)
    later = await store.read(job_rows.job, job.id, 0)
    assert later.repeated == (Repeated("letter", 1, 1, "letter", 1, None),)


async def test_what_is_the_same_is_looked_for_once(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may say one thing thousands of times; each of its passages still has its neighbours."""
    await add(store, settings, first=LETTER)
    [(stored, near)] = await store.read(vectors.of, [1])
    looked: list[bytes] = []
    look = duplicates.candidates

    def counted(db: Connection, before: Any, made_of: Any, nearest: Any, similarity_min: float) -> Any:
        looked.extend(text_hash for text_hash, _ in made_of)
        return look(db, before, made_of, nearest, similarity_min)

    monkeypatch.setattr(duplicates, "candidates", counted)
    hashes, far = [b"near", b"far"] * 20, bytes(4) * 383 + near[:4]
    found = await looking.candidates(store, "default", "second", Embedded((near + far) * 20, hashes), 0.95)
    assert looked == [b"near", b"far"]
    assert found == [[stored], []] * 20


async def test_a_job_without_repeats_says_so(store: Store, settings: Settings) -> None:
    """Nothing is listed, and the count is zero."""
    job = await add(store, settings, first=LETTER, other="The well is deep.")
    assert (job.near_duplicates, job.repeated) == (0, ())


async def test_copies_in_one_job_are_linked_whichever_is_stored_first(
    store: Store, settings: Settings
) -> None:
    """Two hands may hold them at once; the one that is stored second sees the other's words."""
    job = await add(store, settings, first=LETTER, second=LETTER, third=LETTER)
    assert job.near_duplicates == 2
    assert len(await store.read(duplicates.listing, 1.0, 10)) == 2


async def test_an_edited_document_is_compared_with_others_alone(store: Store, settings: Settings) -> None:
    """It is nearest to what it was, which is about to go."""
    await add(store, settings, letter=LETTER)
    job = await add(store, settings, letter=LETTER.replace("pump", "pumps"))
    assert (job.items_done, job.near_duplicates) == (1, 0)


async def test_at_zero_nothing_is_looked_for(store: Store, settings: Settings, tmp_path: Path) -> None:
    """Not even copies are linked."""
    off = from_values({"service.data": str(tmp_path / "data"), "ingest.duplicate_similarity_min": 0})
    job = await add(store, off, first=LETTER, second=LETTER)
    assert job.near_duplicates == 0
    assert await store.read(lambda db: all_rows(db, "SELECT * FROM duplicates")) == []


async def test_a_long_document_is_looked_up_in_parts(store: Store, settings: Settings) -> None:
    """Every passage meets its own original, however many there are."""
    book = "\n\n".join(f"Chapter {number}. " + f"Word{number} and more of it. " * 40 for number in range(40))
    first = await add(store, settings, book=book)
    job = await add(store, settings, copy=book)
    assert first.chunks > 40
    assert job.near_duplicates == job.chunks == first.chunks
    (pair,) = await store.read(duplicates.listing, 1.0, 10)
    assert (pair.source, pair.of_source, pair.passages) == ("copy", "book", first.chunks)


async def test_the_ram_index_proposes_what_may_be_repeated(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is one, it is asked, whatever the size: here nothing else may be."""
    await store.close()
    monkeypatch.setattr(looking, "SCANNED_MAX", 0)
    indexed = Store.open(settings.database_path, settings.store, SystemClock(), settings.index)
    await add(indexed, settings, first=LETTER, other="The well is deep.")
    assert await Keeper(indexed, SystemClock()).look() == "make"
    job = await add(indexed, settings, second=LETTER.replace("third", "fifth"))
    await indexed.close()
    assert job.repeated == (Repeated("second", 1, 1, "first", 1, "default"),)


async def test_without_an_index_a_large_memory_is_not_read_for_each_passage(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies are found all the same, by their words; edited ones are not."""
    monkeypatch.setattr(looking, "SCANNED_MAX", 1)
    await add(store, settings, first=LETTER, other="The well is deep.")
    job = await add(store, settings, edited=LETTER.replace("third", "fifth"), copy=LETTER)
    assert [each.source for each in job.repeated] == ["copy"]


@pytest.mark.model
async def test_two_nearly_equal_letters_are_one_to_the_model(
    store: Store, settings: Settings, minilm: ModelCard
) -> None:
    """A corrected date and a word more: linked. Another letter of the same plumber: not."""
    edited = LETTER.replace("third of March", "fifth of March").replace("noisy", "very noisy")
    other = (
        "Dear Mrs Lovelace, our man came on Monday because the radiators stayed cold. The thermostat in the "
        "hall was broken and is a new one now. The boiler was not touched. Yours, the plumber."
    )
    pool = Pool(minilm, settings.embedder, SystemClock())
    await pool.start()
    try:
        await add(store, settings, pool, letter=LETTER)
        job = await add(store, settings, pool, edited=edited, other=other)
    finally:
        await pool.stop()
    assert job.repeated == (Repeated("edited", 1, 1, "letter", 1, "default"),)
