"""The upkeep does what is due, in small steps, and steps back as soon as anybody writes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import DiskFull, StoreBusy, StoreUnusable
from pi_rag.store import Connection, checkup, connection, documents, identity, migrations, upkeep
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store
from pi_rag.store.upkeep import Due, Facts, Upkeep, due, sizes
from tests.store.making import FINGERPRINT, put

SETTINGS = StoreSettings(wal_mib_max=4, plan_h=6.0, free_percent_max=10)
IN_ORDER = Facts(
    quiet=True,
    erased=False,
    log_share=0.0,
    writes=0,
    plan_s_ago=None,
    pages=1000,
    free=0,
    gives_back=True,
    spread=0.0,
)


@dataclass
class Time:
    """A clock that a test sets."""

    now_s: float = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        raise AssertionError("The upkeep never looks at the wall clock.")


@pytest.fixture
async def small(path: Path) -> AsyncIterator[Store]:
    """A store with a small log, whose model is claimed."""
    opened = Store.open(path, SETTINGS, SystemClock())
    await opened.write(identity.claim_fingerprint, FINGERPRINT)
    yield opened
    assert await opened.close()


async def filled(store: Store, count: int) -> None:
    """Documents of one passage, so that the word index is made in many pieces."""
    for number in range(count):
        await store.write(put, f"s{number}", [f"tea {number} " * 400])


async def looked(kept: Upkeep, times: int) -> set[Due]:
    """What it found to do in so many looks."""
    return {await kept.look() for _ in range(times)}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({}, "nothing"),
        ({"writes": 1}, "plan"),
        ({"writes": 1, "plan_s_ago": 3600.0}, "nothing"),
        ({"writes": 1001, "plan_s_ago": 3600.0}, "plan"),
        ({"writes": 1, "plan_s_ago": 6 * 3600.0 + 1}, "plan"),
        ({"plan_s_ago": 1e9}, "nothing"),
        ({"spread": 0.25}, "nothing"),
        ({"spread": 0.26}, "merge"),
        ({"free": 100}, "nothing"),
        ({"free": 101}, "give_back"),
        ({"free": 101, "gives_back": False}, "nothing"),
        ({"log_share": 0.05}, "nothing"),
        ({"log_share": 0.07}, "empty_log"),
        ({"erased": True}, "empty_log"),
        ({"erased": True, "quiet": False, "writes": 1}, "empty_log"),
    ],
)
def test_what_is_due_follows_from_numbers(change: dict[str, object], wanted: Due) -> None:
    """One thing at a time."""
    assert due(replace(IN_ORDER, **change), SETTINGS) == wanted  # type: ignore[arg-type]


@given(
    facts=st.builds(
        Facts,
        quiet=st.just(False),
        erased=st.just(False),
        log_share=st.floats(0, 100),
        writes=st.integers(0, 10_000),
        plan_s_ago=st.none() | st.floats(0, 1e9),
        pages=st.integers(1, 10**6),
        free=st.integers(0, 10**6),
        gives_back=st.booleans(),
        spread=st.floats(0, 1),
    )
)
def test_while_somebody_writes_nothing_is_due(facts: Facts) -> None:
    """Whatever is out of order, documents go first."""
    assert due(facts, SETTINGS) == "nothing"


async def test_a_quiet_database_is_brought_into_order_and_then_left_alone(small: Store) -> None:
    """Statistics, one piece of words, no free space, no log; after that not a single write."""
    await filled(small, 120)
    for number in range(60):
        await small.write(documents.remove_source, f"s{number}", None)
    kept = Upkeep(small, SETTINGS, Time())
    before = await small.read(sizes)
    assert await kept.look() == "nothing", "the first look cannot know that it is quiet"
    assert await looked(kept, 8) >= {"plan", "merge", "give_back", "empty_log", "nothing"}

    after, writes = await small.read(sizes), small.writes
    assert before.spread > upkeep.SPREAD_MAX > after.spread == 0.0
    assert before.free * 100 > before.pages * 10
    assert after.free * 100 <= after.pages * 10
    assert after.pages < before.pages
    assert small.stats()["size_mib"] == round(after.pages * connection.PAGE_BYTES / 2**20, 3)
    assert small.stats()["wal_mib"] == 0.0
    assert await small.read(lambda db: value(db, "SELECT count(*) FROM sqlite_stat1")) > 0
    reads = small.stats()["readers"]["reads"]
    assert await looked(kept, 5) == {"nothing"}
    assert (small.writes, small.stats()["readers"]["reads"]) == (writes, reads)
    assert await small.read(checkup.check) == []
    told = kept.status()
    assert told["free_mib"] == round(after.free * connection.PAGE_BYTES / 2**20, 3)
    assert (told["gives_back"], told["words_spread"]) == (True, 0.0)


async def test_who_writes_goes_first(small: Store) -> None:
    """A step is followed by no other when a document came in between; the rest is done at the next quiet."""
    await filled(small, 120)
    kept = Upkeep(small, SETTINGS, Time())
    await looked(kept, 2)
    await small.write(put, "new", ["milk"])
    assert await kept.look() == "nothing"
    whole = await small.read(sizes)
    looking = asyncio.create_task(kept.look())
    steps = kept.status()["steps"]
    while kept.status()["steps"] == steps:
        await asyncio.sleep(0.001)
    await small.write(put, "newer", ["milk"])
    assert await looking == "merge"
    assert kept.status()["steps"] <= steps + 2
    assert await kept.look() == "nothing"
    await looked(kept, 3)
    assert (await small.read(sizes)).spread < whole.spread
    assert await small.read(checkup.check) == []


async def test_statistics_are_made_again_when_their_time_is_over(small: Store) -> None:
    """And something was written since."""
    time = Time()
    kept = Upkeep(small, SETTINGS, time)
    await small.write(put, "a", ["tea"])
    assert "plan" in await looked(kept, 3)
    time.now_s += 7 * 3600
    assert await looked(kept, 3) == {"nothing"}
    await small.write(put, "b", ["tea"])
    assert "plan" in await looked(kept, 3)


def test_statistics_do_not_read_the_vectors(db: Connection) -> None:
    """A table without an index would be read from end to end: a million vectors are more than a gigabyte."""
    put(db, "a", ["tea", "milk"])
    assert upkeep.plan(db) is False
    tables = {row[0] for row in all_rows(db, "SELECT tbl FROM sqlite_stat1")}
    assert {"documents", "chunks", "collections"} <= tables
    assert tables.isdisjoint({"vectors", "document_texts", "chunks_fts_data", "chunks_fts_docsize"})
    assert tables.isdisjoint({"hashes_fts_data", "hashes_fts_docsize"})


def test_a_database_from_before_keeps_its_free_space_and_uses_it_again() -> None:
    """It cannot be made smaller without being written anew, so nobody tries."""
    old = Connection(":memory:")
    connection.apply(old, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(old)
    assert sizes(old).gives_back is False
    assert sizes(old).spread == 0.0
    old.close()


async def test_all_that_is_due_is_done_at_once_when_asked_for(small: Store) -> None:
    """Without waiting for a quiet moment; asked again, there is nothing to do."""
    await filled(small, 120)
    for number in range(60):
        await small.write(documents.remove_source, f"s{number}", None)
    kept = Upkeep(small, SETTINGS, Time())

    assert {"plan", "merge", "give_back"} <= set(await kept.now())
    assert await kept.now() == []
    assert (await small.read(sizes)).spread == 0.0


async def test_a_write_cuts_short_what_was_asked_for(small: Store) -> None:
    """Somebody who writes all the while goes first, and the one who asked still gets an answer."""
    await filled(small, 120)
    kept = Upkeep(small, SETTINGS, Time())

    async def writing() -> None:
        for number in itertools.count():
            await small.write(put, f"n{number}", ["tea"])

    writer = asyncio.create_task(writing())
    done = await asyncio.wait_for(kept.now(), 60)
    writer.cancel()
    await asyncio.wait({writer})

    assert len(done) == len(set(done))


async def test_a_busy_database_ends_no_upkeep(small: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put off, and looked at again."""
    monkeypatch.setattr(upkeep, "LOOK_S_BETWEEN", 0.001)
    kept, looks, twice = Upkeep(small, SETTINGS, SystemClock()), 0, asyncio.Event()

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise StoreBusy("just now")
        twice.set()

    monkeypatch.setattr(kept, "look", look)
    task = kept.start()
    await asyncio.wait_for(twice.wait(), 10)
    await kept.stop()
    await kept.stop()
    assert task.cancelled()


def _fails(_: Connection) -> None:
    raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)


async def test_a_disk_that_failed_is_tried_until_it_takes_a_write(
    small: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one small write, and only after one that failed: without, nobody could know that it is over."""
    kept = Upkeep(small, SETTINGS, Time())
    await looked(kept, 3)
    writes = small.writes
    with pytest.raises(StoreUnusable):
        await small.write(_fails)
    with monkeypatch.context() as broken, pytest.raises(StoreUnusable):
        broken.setattr(upkeep, "touch", _fails)
        await kept.look()
    still = small.held_up_by
    await looked(kept, 2)

    assert (still, small.held_up_by, small.writes) == ("store_unusable", None, writes + 1)
    assert await small.read(checkup.check) == []


async def test_what_puts_it_off_is_logged_once_and_so_is_its_end(
    small: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk may stay full for days, and each line is one more write."""
    monkeypatch.setattr(upkeep, "LOOK_S_BETWEEN", 0.001)
    ends = [DiskFull("1"), DiskFull("2"), StoreUnusable("3"), None, None, DiskFull("4")]
    kept, is_over = Upkeep(small, SETTINGS, SystemClock()), asyncio.Event()

    async def look() -> None:
        if not ends:
            is_over.set()
        elif (end := ends.pop(0)) is not None:
            raise end

    monkeypatch.setattr(kept, "look", look)
    with capture_logs() as logs:
        kept.start()
        await asyncio.wait_for(is_over.wait(), 10)
        await kept.stop()

    assert [(each["event"], each["code"]) for each in logs] == [
        ("upkeep_put_off", "disk_full"),
        ("upkeep_put_off", "store_unusable"),
        ("upkeep_goes_on", "store_unusable"),
        ("upkeep_put_off", "disk_full"),
        ("upkeep_goes_on", "disk_full"),
    ]
