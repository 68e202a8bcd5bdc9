"""Working off the queue: what happens when a document, or the service, cannot go on."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pi_rag.clock import SystemClock
from pi_rag.config import Settings, from_values
from pi_rag.errors import (
    DiskFull,
    DocumentEmpty,
    EmbedderUnavailable,
    ModelMismatch,
    PiRagError,
    Stopping,
    TextNotEmbedded,
    VectorInvalid,
)
from pi_rag.ingest import cutting, story
from pi_rag.ingest import pace as paces
from pi_rag.ingest import runner as runners
from pi_rag.ingest.runner import Runner, waits_s
from pi_rag.ingest.web import Page
from pi_rag.processes import confinement
from pi_rag.store import Connection, checkup, documents, identity, job_rows, jobs, removal, steering
from pi_rag.store.rows import all_rows
from pi_rag.store.store import Store
from pi_rag.types import Fingerprint, ItemKind, Lane, NewItem, Refusal, Text
from tests.embedder.fake import FakeEmbedder

if TYPE_CHECKING:
    from pi_rag.types import Vectors


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    values = {"service.data": str(tmp_path / "data"), "embedder.workers": 2, "ingest.retry_s_min": 0.01}
    return from_values(values)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    store = Store.open(settings.database_path, settings.store, SystemClock())
    await store.write(identity.claim_fingerprint, Fingerprint("fake", "0" * 64, "mean", "", 384, 1))
    yield store
    await store.close()


@pytest.fixture
async def embedder() -> FakeEmbedder:
    fake = FakeEmbedder()
    await fake.start()
    return fake


@contextlib.asynccontextmanager
async def running(store: Store, embedder: FakeEmbedder, settings: Settings) -> AsyncIterator[Runner]:
    runner = Runner(store, embedder, None, settings, SystemClock(), tokens_max=256)
    work = runner.start()
    try:
        yield runner
    finally:
        await runner.drain(5.0)
        await runner.stop()
    assert work.cancelled() or work.exception() is None


def notes(count: int) -> list[NewItem]:
    return [NewItem("text", f"note-{number}", payload=f"note {number}".encode()) for number in range(count)]


async def until(condition) -> None:  # type: ignore[no-untyped-def]  # any callable that says yes or no
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_text_that_nobody_could_see_is_refused(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Of a few spaces and a byte order mark nothing could ever be found."""
    async with running(store, embedder, settings) as runner:
        blank = NewItem("text", "blank", payload="\u00a0\u200b\ufeff\n".encode())
        job = await runner.finished(await runner.enqueue("default", [blank]))
    assert [refusal.code for refusal in job.refusals] == [DocumentEmpty.code]


async def test_everything_queued_is_stored_once(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Fifty documents over several hands: each is there, and the database is sound."""
    async with running(store, embedder, settings) as runner:
        job = await runner.finished(await runner.enqueue("default", notes(50)))

    rows = await store.read(documents.listing, None, 1000, 0)
    assert (job.items_done, job.chunks, len(rows)) == (50, 50, 50)
    assert await store.read(checkup.check) == []


async def test_what_the_kernel_cannot_keep_the_reader_from_is_said_once(
    store: Store, embedder: FakeEmbedder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the log at the start, and in the status; documents are read all the same."""
    monkeypatch.setattr(confinement, "lacking", lambda: ["Landlock"])
    with capture_logs() as logged:
        async with running(store, embedder, settings) as runner:
            job = await runner.finished(await runner.enqueue("default", notes(3)))
            lacks = runner.status()["reader_lacks"]

    assert (job.items_done, lacks) == (3, ["Landlock"])
    assert [each["lacks"] for each in logged if each["event"] == "reader_less_confined"] == [["Landlock"]]


async def test_without_an_embedder_documents_wait_and_go_on(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """A missing embedder refuses nobody: the job waits, says for what, and is finished when it is back."""
    embedder.broken = EmbedderUnavailable("none")
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", notes(3))
        await until(lambda: runner.status()["waiting_for"] == "embedder_unavailable")
        waiting = await runner.job(job_id)
        embedder.broken = None
        job = await runner.finished(job_id)
        waits_for = runner.status()["waiting_for"]

    assert (waiting.items_done, waiting.items_refused) == (0, 0)
    assert (job.items_done, job.items_refused) == (3, 0)
    assert waits_for is None


async def test_a_pause_is_told_before_what_holds_it_up_besides(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """A person can end it. What else there was may have passed: nothing is begun that would show it."""
    embedder.broken = EmbedderUnavailable("none")
    async with running(store, embedder, settings) as runner:
        await runner.enqueue("default", notes(1))
        await until(lambda: runner.status()["waiting_for"] == "embedder_unavailable")
        await runner.pause()
        paused = runner.status()["waiting_for"]
        await runner.resume()
        await until(lambda: runner.status()["waiting_for"] == "embedder_unavailable")

    assert paused == "paused"


async def test_a_model_that_does_not_fit_takes_no_documents(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """They would wait for ever, so they are refused at the door with the reason."""
    reason = ModelMismatch("The index was made with another model.")
    runner = Runner(store, embedder, reason, settings, SystemClock(), tokens_max=256)

    with pytest.raises(ModelMismatch, match="another model"):
        await runner.enqueue("default", notes(1))


async def test_a_fault_of_ours_costs_one_document(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Whatever a document makes go wrong inside, it is refused with a reason and the others are taken."""
    broken = NewItem("text", "broken", payload=b"\xff\xfe not what the door lets in")
    async with running(store, embedder, settings) as runner:
        job = await runner.finished(await runner.enqueue("default", [broken, *notes(2)]))

    assert (job.items_done, job.items_refused) == (2, 1)
    assert [(each.source, each.code) for each in job.refusals] == [("broken", "internal_error")]


async def test_stopping_keeps_what_waits_and_tells_who_waits(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Who waits for a job at a stop is told that it goes on; the next run finishes it."""
    embedder.broken = EmbedderUnavailable("none")
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", notes(5))
        waiter = asyncio.create_task(runner.finished(job_id))
        await until(lambda: runner.status()["waiting_for"] is not None)
        await runner.drain(0.01)
        with pytest.raises(Stopping, match="goes on"):
            await asyncio.wait_for(waiter, 5)
        with pytest.raises(Stopping):
            await runner.enqueue("default", notes(1))
        await runner.stop()

    embedder.broken = None
    async with running(store, embedder, settings) as successor:
        job = await asyncio.wait_for(successor.finished(job_id), 10)

    assert (job.items_done, job.items_refused) == (5, 0)


def holding(embedder: FakeEmbedder, word: str) -> asyncio.Event:
    """What must be set before texts with this word are embedded."""
    told = asyncio.Event()
    embed = embedder.embed

    async def embed_when_told(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        if any(word in text for text in texts):
            await told.wait()
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    embedder.embed = embed_when_told  # type: ignore[method-assign]
    return told


async def test_of_two_versions_the_one_sent_last_is_kept(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """However long the older one takes: it is stored first, and the newer one replaces it."""
    slow = holding(embedder, "old")
    async with running(store, embedder, settings) as runner:
        old = await runner.enqueue("default", [NewItem("text", "a", payload=b"the old version")])
        new = await runner.enqueue("default", [NewItem("text", "a", payload=b"the new version")])
        await runner.finished(await runner.enqueue("default", notes(3)))
        slow.set()
        await runner.finished(old)
        await runner.finished(new)

    rows = await store.read(documents.listing, None, 10, 0)
    kept = next(row for row in rows if row.source == "a")
    assert (await store.read(documents.get, kept.id)).text == "the new version"


@pytest.mark.parametrize("second", [b"second", b"as stored"])
async def test_a_version_that_was_overtaken_is_not_stored(
    store: Store, embedder: FakeEmbedder, settings: Settings, second: bytes
) -> None:
    """Neither one that waits for more urgent jobs, nor one that failed at first; what was sent last stays."""
    embed, failed = embedder.embed, False

    async def embed_at_second_try(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        nonlocal failed
        if not failed and any("first" in text for text in texts):
            failed = True
            raise VectorInvalid("It cannot be done.")
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    embedder.embed = embed_at_second_try  # type: ignore[method-assign]
    late = replace(settings, ingest=replace(settings.ingest, retry_s_min=0.5))
    async with running(store, embedder, late) as runner:
        stored = await runner.enqueue("default", [NewItem("text", "a", payload=b"as stored")])
        await asyncio.wait_for(runner.finished(stored), 20)
        first = await runner.enqueue("default", [NewItem("text", "a", payload=b"first")])
        await until(lambda: failed and runner.status()["current"] == [])
        last = await runner.enqueue("default", [NewItem("text", "a", payload=second)])
        await asyncio.wait_for(runner.finished(last), 20)
        job = await asyncio.wait_for(runner.finished(first), 20)
        await runner.pause()
        low = await runner.enqueue("default", [NewItem("text", "a", payload=b"low")], priority="low")
        high = await runner.enqueue("default", [NewItem("text", "a", payload=b"high")], priority="high")
        await runner.resume()
        for job_id in (low, high):
            await asyncio.wait_for(runner.finished(job_id), 20)

    assert (job.items_done, job.items_unchanged) == (0, 1)
    [row] = await store.read(documents.listing, None, 10, 0)
    assert (await store.read(documents.get, row.id)).text == "high"


async def test_what_can_be_tried_no_more_is_said_when_it_is_so(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Once, and not of a request that came to nothing; nor is anything of that queued."""
    settings = replace(settings, ingest=replace(settings.ingest, dead_letters_max=0))
    job_id = await store.write(jobs.enqueue, "default", notes(1), 9, 1.0)
    item = await store.write(jobs.claim, 3, 1.0)
    assert item is not None
    await store.write(jobs.fail, item, Refusal(item.source, "internal_error", "No.", ""), 1.0)

    def fails(_: Connection) -> None:
        raise ModelMismatch("no")

    runner = Runner(store, embedder, None, settings, SystemClock(), tokens_max=256)
    with capture_logs() as logged:
        with pytest.raises(ModelMismatch):
            await runner.enqueue("default", notes(1), also=fails)
        assert [row.id for row in await store.read(job_rows.listing, 9)] == [job_id]
        assert logged == []
        await runner.enqueue("default", notes(1))
    assert [(each["event"], each["documents"]) for each in logged] == [("dead_letters_closed", 1)]
    assert (await runner.job(job_id)).items_refused == 1


@pytest.mark.parametrize("failing", ["claim", "refused", "put_back", "_after_start"])
async def test_a_full_disk_strands_nothing(
    store: Store, embedder: FakeEmbedder, settings: Settings, failing: str
) -> None:
    """Whatever entry in the queue's books fails for want of space: with space the job goes on to its end."""
    full = True
    write = store.write_together
    refusable = NewItem("text", "empty", payload=b"  ")
    if failing == "put_back":
        embedder.broken = EmbedderUnavailable("none")

    async def write_if_space(fn: Any, *args: Any, **kwargs: Any) -> Any:
        if full and fn.__name__ == failing:
            raise DiskFull("The disk is full.")
        return await write(fn, *args, **kwargs)

    store.write_together = write_if_space  # type: ignore[method-assign]
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", [refusable, *notes(3)])
        await until(lambda: runner.status()["waiting_for"] == "disk_full")
        full = False
        embedder.broken = None
        job = await asyncio.wait_for(runner.finished(job_id), 20)

    assert (job.items_done, job.items_refused) == (3, 1)


@pytest.mark.parametrize("kind", [VectorInvalid, TextNotEmbedded])
async def test_a_poisonous_document_is_given_up(
    store: Store, embedder: FakeEmbedder, settings: Settings, kind: type[PiRagError]
) -> None:
    """One that workers cannot survive is tried three times, then kept with the reason; others go on."""
    embed = embedder.embed
    tries = 0

    async def embed_most(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        nonlocal tries
        if any("poison" in text for text in texts):
            tries += 1
            raise kind("It cannot be done.")
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    embedder.embed = embed_most  # type: ignore[method-assign]
    poison = NewItem("text", "bad", payload=b"poison")
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", [poison, *notes(4)])
        job = await asyncio.wait_for(runner.finished(job_id), 20)
        [letter] = await store.read(job_rows.dead_letters, 10)

    assert tries == settings.ingest.attempts_max == 3
    assert (job.state, job.items_done, job.items_refused, job.items_failed) == ("done", 4, 0, 1)
    assert [(each.source, each.code) for each in job.refusals] == [("bad", kind.code)]
    assert (letter.job_id, letter.source, letter.attempts, letter.code) == (job.id, "bad", 3, kind.code)


async def test_what_was_given_up_can_be_tried_again(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """With all that was sent, and its job goes on until that has ended."""
    embed = embedder.embed

    async def embed_nothing(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        raise VectorInvalid("It cannot be done.")

    embedder.embed = embed_nothing  # type: ignore[method-assign]
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", notes(2))
        job = await asyncio.wait_for(runner.finished(job_id), 20)
        assert (job.items_failed, job.items_done) == (2, 0)
        embedder.embed = embed  # type: ignore[method-assign]
        assert await runner.retry(job_id) == 2
        job = await asyncio.wait_for(runner.finished(job_id), 20)

    assert (job.items_failed, job.items_done, job.refusals) == (0, 2, ())


async def test_what_was_paused_waits_over_a_restart(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """What is queued meanwhile is kept, and all goes on when somebody says so."""
    async with running(store, embedder, settings) as runner:
        await runner.pause()
        job_id = await runner.enqueue("default", notes(3))
    async with running(store, embedder, settings) as runner:
        await until(lambda: runner.status()["waiting_for"] == "paused")
        assert (await runner.job(job_id)).state == "queued"
        await runner.resume()
        job = await asyncio.wait_for(runner.finished(job_id), 20)

    assert (job.items_done, runner.status()["waiting_for"]) == (3, None)


async def test_one_job_may_wait_while_others_go_on(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Its own pause holds it back, and nothing else."""
    async with running(store, embedder, settings) as runner:
        await runner.pause()
        first, second = [await runner.enqueue("default", notes(1)) for _ in range(2)]
        await runner.pause(first)
        await runner.resume()
        await asyncio.wait_for(runner.finished(second), 20)
        assert (await runner.job(first)).state == "paused"
        await runner.resume(first)
        await asyncio.wait_for(runner.finished(first), 20)


async def test_a_cancelled_job_stores_nothing_more(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Not even what is in hand; a second one of the same source need not wait for it."""
    held = holding(embedder, "slow")
    slow, quick = (NewItem("text", "one", payload=text) for text in (b"slow", b"quick"))
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", [slow])
        await until(lambda: runner.status()["current"] == ["one"])
        assert await runner.cancel(job_id) == 1
        job = await asyncio.wait_for(runner.finished(job_id), 20)
        await asyncio.wait_for(runner.finished(await runner.enqueue("default", [quick])), 20)
        held.set()
        await until(lambda: runner.status()["current"] == [])

    assert (job.state, job.items_cancelled) == ("cancelled", 1)
    [stored] = await store.read(documents.listing, None, 10, 0)
    assert (await store.read(documents.get, stored.id)).text == "quick"


async def test_what_is_removed_while_it_is_in_hand_is_not_stored(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Who waits for its job hears at once that it is over, and why."""
    held = holding(embedder, "slow")
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", [NewItem("text", "one", payload=b"slow")])
        await until(lambda: runner.status()["current"] == ["one"])
        gone = await runner.remove(removal.source, "one", None)
        job = await asyncio.wait_for(runner.finished(job_id), 20)
        held.set()
        await until(lambda: runner.status()["current"] == [])

    assert (gone.removed, len(gone.withdrawn)) == (0, 1)
    assert [each.code for each in job.refusals] == ["document_removed"]
    assert await store.read(documents.listing, None, 10, 0) == []


async def test_to_be_counted_is_to_move(
    store: Store, embedder: FakeEmbedder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled job is told so with the next answer, which is also what renews its lease: a long text is
    not counted to its end first."""
    monkeypatch.setattr(cutting, "COUNT_TEXTS", 1)
    go, count = asyncio.Event(), embedder.count_tokens

    async def count_later(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[int]:
        counts = await count(texts, lane=lane, deadline_s=deadline_s)
        await go.wait()
        return counts

    embedder.count_tokens = count_later  # type: ignore[method-assign]
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", [NewItem("text", "book.md", payload=handbook(50))])
        await until(lambda: embedder.calls)
        await runner.cancel(job_id)
        go.set()
        await until(lambda: runner.status()["current"] == [])

    assert len(embedder.calls) <= settings.embedder.requests_at_once


async def test_work_that_does_not_move_is_ended(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """A document that hangs costs its attempts, and the hand goes on with others."""
    embed = embedder.embed

    async def embed_most(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        if any("hangs" in text for text in texts):
            await asyncio.Event().wait()
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    embedder.embed = embed_most  # type: ignore[method-assign]
    quick = replace(settings, ingest=replace(settings.ingest, lease_s=0.2, retry_s_max=0.01))
    async with running(store, embedder, quick) as runner:
        items = [NewItem("text", "bad", payload=b"hangs"), *notes(5)]
        job = await asyncio.wait_for(runner.finished(await runner.enqueue("default", items)), 20)

    assert (job.items_done, job.items_failed, job.refusals[0].code) == (5, 1, "document_stalled")


async def test_after_a_power_cut_a_book_does_not_hold_up_all_others(
    store: Store, embedder: FakeEmbedder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is begun alone, since it may be the reason; when it has lasted, others are taken beside it."""
    monkeypatch.setattr(runners, "START_S", 0.05)
    monkeypatch.setattr(runners, "LOOK_S", 0.01)
    go, embed = asyncio.Event(), embedder.embed

    async def embed_later(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        if any("book" in text for text in texts):
            await go.wait()
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    embedder.embed = embed_later  # type: ignore[method-assign]
    book = [NewItem("text", "book", payload=b"a book")]
    book_id = await store.write(jobs.enqueue, "default", book, 99, 1.0)
    await store.write(jobs.claim, 3, 1.0)
    async with running(store, embedder, settings) as runner:
        job = await asyncio.wait_for(runner.finished(await runner.enqueue("default", notes(5))), 20)
        in_hand = runner.status()["current"]
        go.set()
        assert (await asyncio.wait_for(runner.finished(book_id), 20)).items_done == 1

    assert (job.items_done, in_hand) == (5, ["book"])


async def test_a_service_that_keeps_ending_at_its_start_waits_for_a_person(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """In safe mode nothing is begun; what is queued is kept."""
    job_id = await store.write(jobs.enqueue, "default", notes(1), 10, 1.0)
    for _ in range(settings.ingest.starts_failed_max):
        await store.write(jobs.claim, 100, 1.0)
        await store.write(steering.after_start, settings.ingest.starts_failed_max, 100, 1.0)
    async with running(store, embedder, settings) as runner:
        await until(lambda: runner.status()["waiting_for"] == "safe_mode")
        await runner.resume()
        await asyncio.wait_for(runner.finished(job_id), 20)


@given(st.integers(1, 50), st.floats(0, 100), st.floats(0, 1000))
def test_waits_grow_and_are_bounded(attempts: int, s_min: float, s_max: float) -> None:
    """Never longer than the longest, and the first about as long as the shortest."""
    assert 0 <= waits_s(attempts, s_min, s_max) <= s_max
    assert waits_s(1, s_min, s_max) <= s_min


async def test_a_fault_in_the_queue_itself_is_not_hidden(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """A hand that dies ends the whole work with its fault, so that the supervisor can see it and end."""
    runner = Runner(store, embedder, None, settings, SystemClock(), tokens_max=256)
    write = store.write_together

    async def write_with_fault(fn: Any, *args: Any, **kwargs: Any) -> Any:
        if fn.__name__ == "claim":
            raise MemoryError
        return await write(fn, *args, **kwargs)

    store.write_together = write_with_fault  # type: ignore[method-assign]
    work = runner.start()
    await asyncio.wait({work}, timeout=10)

    assert work.done() and isinstance(work.exception(), ExceptionGroup)
    store.write_together = write  # type: ignore[method-assign]
    await runner.stop()


async def test_a_long_document_shows_how_far_it_is(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Its passages count as they are embedded, long before the document is stored."""
    let = asyncio.Event()
    embed = embedder.embed
    asked = 0

    async def embed_some(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        nonlocal asked
        asked += 1
        if asked > 3:
            await let.wait()
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    embedder.embed = embed_some  # type: ignore[method-assign]
    told = " ".join(f"Evening {number} was long and quiet, by the fire." for number in range(2000))
    book = NewItem("text", "book", payload=told.encode())
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", [book])
        await until(lambda: asked > 3 and runner.status()["rate_chunks_s"] > 0)
        half = await runner.job(job_id)
        let.set()
        whole = await runner.finished(job_id)

    assert (half.state, half.items_done) == ("running", 0)
    assert 0 < half.chunks < whole.chunks
    assert whole.chunks == (await store.read(documents.counts)).chunks


async def test_old_jobs_are_forgotten_while_it_runs(
    store: Store, embedder: FakeEmbedder, tmp_path: Path
) -> None:
    """Not only at the next start: a service that never ends keeps its bound too."""
    few = from_values({"service.data": str(tmp_path / "data"), "ingest.jobs_kept_max": 5})
    async with running(store, embedder, few) as runner:
        for note in notes(12):
            await runner.finished(await runner.enqueue("default", [note]))

    assert len(await store.read(job_rows.listing, 100)) <= 6


async def test_a_folder_is_unfolded_and_what_it_holds_is_counted(
    store: Store, embedder: FakeEmbedder, settings: Settings, tmp_path: Path
) -> None:
    """The job's total grows to the files found, and ends with every one of them accounted for."""
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.txt", "deep/b.md", "deep/c.py"):
        (folder / name).write_text(f"text of {name}")
    (folder / "deep" / "d.zip").write_bytes(b"PK\x03\x04")
    async with running(store, embedder, settings) as runner:
        first = await runner.finished(await runner.enqueue("default", [NewItem("path", str(folder))]))
        again = await runner.finished(await runner.enqueue("default", [NewItem("path", str(folder))]))

    assert (first.items_total, first.items_done, first.items_refused) == (4, 3, 1)
    assert (again.items_unchanged, again.items_done) == (3, 0)


def handbook(sections: int, changed: Mapping[int, str] | None = None) -> bytes:
    """A Markdown file with one passage for each section; `changed` sections have another text."""
    parts = ["# Handbook"]
    for number in range(sections):
        told = (changed or {}).get(number, f"Lamp {number} hangs in room {number} and is lit at night. " * 10)
        parts.append(f"## Room {number}\n\n{told}")
    return "\n\n".join(parts).encode()


def embedded_texts(embedder: FakeEmbedder) -> int:
    return sum(count for task, _, count in embedder.calls if task == "embed")


async def stored_vectors(store: Store) -> dict[str, bytes]:
    """The vector of each passage by its text."""
    sql = "SELECT text, vector FROM chunks JOIN vectors ON chunk_id = chunks.id"
    return {row[0]: row[1] for row in await store.read(all_rows, sql)}


async def test_an_edited_paragraph_alone_is_embedded_again(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Of two hundred passages one costs the model something; the others keep their vectors, bit by bit."""
    edited = "The lamp of this room is broken and waits for a new bulb. " * 8
    async with running(store, embedder, settings) as runner:
        first = NewItem("text", "handbook.md", payload=handbook(200))
        await runner.finished(await runner.enqueue("default", [first]))
        before, asked = await stored_vectors(store), embedded_texts(embedder)
        second = NewItem("text", "handbook.md", payload=handbook(200, {77: edited}))
        job = await runner.finished(await runner.enqueue("default", [second]))
        after, passages = await stored_vectors(store), runner.status()["passages"]

    same = before.keys() & after.keys()
    assert (asked, embedded_texts(embedder) - asked, job.chunks) == (200, 1, 200)
    assert passages == {"embedded": 201, "reused": 199}
    assert len(same) == 199
    assert all(after[text] == before[text] for text in same)
    assert await store.read(checkup.check) == []


async def test_what_is_known_under_another_source_is_not_embedded(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """A file that was moved, or that lies in two collections, costs the model nothing."""
    async with running(store, embedder, settings) as runner:
        for collection, source in (("default", "old/handbook.md"), ("other", "new/handbook.md")):
            item = NewItem("text", source, payload=handbook(30))
            await runner.finished(await runner.enqueue(collection, [item]))

    assert embedded_texts(embedder) == 30
    assert (await store.read(documents.counts)).chunks == 60
    assert await store.read(checkup.check) == []


async def test_a_vector_in_use_may_be_removed_meanwhile(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Between the look for known vectors and the store's write, their only owner is forgotten."""
    embed = embedder.embed

    async def forget_then_embed(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        await store.write(documents.remove_source, "first/book.md", None)
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    async with running(store, embedder, settings) as runner:
        item = NewItem("text", "first/book.md", payload=handbook(20))
        await runner.finished(await runner.enqueue("default", [item]))
        before = await stored_vectors(store)
        embedder.embed = forget_then_embed  # type: ignore[method-assign]
        item = NewItem("text", "second/book.md", payload=handbook(20, {3: "The lamp is gone. " * 30}))
        job = await runner.finished(await runner.enqueue("default", [item]))

    after = await stored_vectors(store)
    same = before.keys() & after.keys()
    assert (job.items_done, len(after), len(same)) == (1, 20, 19)
    assert runner.status()["passages"] == {"embedded": 21, "reused": 19}
    assert all(after[text] == before[text] for text in same)
    assert await store.read(checkup.check) == []


async def test_ingest_makes_way_for_a_search_at_once_and_goes_on_in_full(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """What it takes on is told, and why; some time after the last search it is all of it again."""
    soon = replace(settings, ingest=replace(settings.ingest, query_quiet_s=0.05))
    async with running(store, embedder, soon) as runner:
        full = runner.status()["pace"]
        runner.searched()
        beside = runner.status()["pace"]
        await until(lambda: runner.status()["pace"]["why"] == "full")

    assert (full["why"], beside["why"]) == ("full", "queries")
    assert beside["passages"] == 1 < full["passages"]


async def test_what_holds_it_back_is_told_while_the_last_documents_end(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """A document that is taken ends no wait but its own: a change of the model waits for the others still."""
    embed, go = embedder.embed, {"book": asyncio.Event(), "note": asyncio.Event()}

    async def embed_later(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        await go[str(texts[0]).splitlines()[0]].wait()
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    embedder.embed = embed_later  # type: ignore[method-assign]
    async with running(store, embedder, settings) as runner:

        async def hold() -> object:
            async with runner.held():
                return runner.status()["waiting_for"]

        items = [NewItem("text", name, payload=b"tea") for name in go]
        _, note = [await runner.enqueue("default", [item]) for item in items]
        await until(lambda: runner.status()["current"] == ["book", "note"])
        holding = asyncio.create_task(hold())
        await until(lambda: runner.status()["waiting_for"] == "reindex")
        go["note"].set()
        await asyncio.wait_for(runner.finished(note), 20)
        told = runner.status()["waiting_for"]
        go["book"].set()
        assert (told, await asyncio.wait_for(holding, 20)) == ("reindex", "reindex")
        assert runner.status()["waiting_for"] is None


async def test_small_documents_share_their_transactions(
    store: Store, embedder: FakeEmbedder, settings: Settings
) -> None:
    """Fewer than the two that each would need alone, and each document is whole."""
    before = store.writes
    async with running(store, embedder, settings) as runner:
        job = await runner.finished(await runner.enqueue("default", notes(60)))

    assert job.items_done == 60
    assert store.writes - before < 120
    assert await store.read(checkup.check) == []


@pytest.mark.parametrize(
    ("kind", "by"), [("url", "apart"), ("bytes", "unpack")], ids=["not yet fetched", "not yet unpacked"]
)
async def test_what_may_become_large_counts_as_large(
    store: Store,
    embedder: FakeEmbedder,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    kind: ItemKind,
    by: str,
) -> None:
    """A page has no size before it is there, and an archive not the one that it is packed to."""
    inside, most, go = 0, 0, asyncio.Event()

    async def slowly(*_: Any, **__: Any) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await go.wait()
        inside -= 1
        raise DocumentEmpty("There is nothing.")

    monkeypatch.setattr(story, by, slowly)
    items = [NewItem(kind, f"http://pi/{number}.zip", payload=b"PK\3\4") for number in range(6)]
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", items)
        await until(lambda: len(runner.status()["current"]) == 6 and inside == 2)
        go.set()
        job = await asyncio.wait_for(runner.finished(job_id), 20)

    assert (job.items_refused, most) == (6, 2)


async def test_slow_addresses_leave_the_threads_to_documents(
    store: Store, embedder: FakeEmbedder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that does not come keeps no file from being read."""
    go = threading.Event()
    monkeypatch.setattr(story, "fetch", lambda *_: go.wait(20) and Page("tea.txt", b"tea"))
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with running(store, embedder, settings) as runner:
        page = await runner.enqueue("default", [NewItem("url", "http://pi/slow")])
        await until(lambda: runner.status()["current"] == ["http://pi/slow"])
        book = [NewItem("text", "book.md", payload=handbook(50))]
        job = await asyncio.wait_for(runner.finished(await runner.enqueue("default", book)), 20)
        assert (job.items_done, runner.status()["current"]) == (1, ["http://pi/slow"])
        go.set()
        assert (await asyncio.wait_for(runner.finished(page), 20)).items_done == 1


async def test_of_large_documents_few_are_in_hand(
    store: Store, embedder: FakeEmbedder, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than workers are read; those that wait lose neither their lease nor their turn."""
    monkeypatch.setattr(story, "LARGE_BYTES", 3)
    monkeypatch.setattr(paces, "MOVES_S", 0.01)
    inside, most, go, embed = 0, 0, asyncio.Event(), embedder.embed

    async def embed_slowly(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await go.wait()
        inside -= 1
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    embedder.embed = embed_slowly  # type: ignore[method-assign]
    async with running(store, embedder, settings) as runner:
        job_id = await runner.enqueue("default", notes(6))
        await until(lambda: len(runner.status()["current"]) == 6 and inside == 2)
        go.set()
        job = await asyncio.wait_for(runner.finished(job_id), 20)

    assert (job.items_done, most) == (6, 2)
