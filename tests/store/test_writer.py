"""A write is wholly there or not there, and the log stays small."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

import apsw
import pytest

from pi_rag.clock import SystemClock
from pi_rag.errors import DiskFull, InternalError, Stopping, StoreDamaged, StoreUnusable
from pi_rag.store import Connection
from pi_rag.store.rows import value
from pi_rag.store.writer import BEGIN_ANEW, EMPTY, Checkpoint, Writer, checkpoint_due
from tests.store.test_pool import ENDLESS

MIB = 2**20


def _connection(path: Path) -> Connection:
    db = Connection(str(path))
    assert value(db, "PRAGMA journal_mode = WAL") == "wal"
    db.execute("CREATE TABLE t (x)")
    return db


def _writer(folder: Path, group_ms_max: float = 10_000) -> Writer:
    """A writer of a table `t`, of groups of up to four."""
    return Writer(
        _connection(folder / "w.db"),
        wal_bytes_max=MIB,
        busy_ms_max=1000,
        group_writes_max=4,
        group_ms_max=group_ms_max,
        clock=SystemClock(),
    )


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Writer]:
    """A writer of a table `t`."""
    made = _writer(tmp_path)
    yield made
    assert await made.drain(10)
    await made.close()


def _insert(db: Connection, x: object = 1) -> int:
    db.execute("INSERT INTO t VALUES (?)", (x,))
    return int(value(db, "SELECT count(*) FROM t"))


def _count(db: Connection) -> int:
    return int(value(db, "SELECT count(*) FROM t"))


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@pytest.mark.parametrize(
    ("wal_mib", "tried_at_mib", "due"),
    [
        (0, 0, None),
        (16, 0, None),
        (17, 0, BEGIN_ANEW),
        (33, 17, None),
        (34, 17, BEGIN_ANEW),
        (64, 50, None),
        (65, 64, EMPTY),
    ],
)
def test_how_to_checkpoint_follows_from_the_size_of_the_log(
    wal_mib: int, tried_at_mib: int, due: Checkpoint | None
) -> None:
    """Seldom enough for a card that wears, not at every commit when readers hold it up, and never beyond the
    setting.
    """
    assert checkpoint_due(wal_mib * MIB, tried_at_mib * MIB, 64 * MIB) == due


async def test_writes_are_done_in_their_order_on_one_thread(writer: Writer) -> None:
    """Whoever asks first is first."""
    seen: list[tuple[int, str]] = []

    def note(db: Connection, number: int) -> None:
        seen.append((number, threading.current_thread().name))

    await asyncio.gather(*(writer.run(partial(note, number=number)) for number in range(20)))
    assert seen == [(number, "store-writer_0_0") for number in range(20)]
    assert writer.stats()["writes"] == 20


async def test_a_write_that_fails_leaves_nothing_and_hurts_no_other(writer: Writer) -> None:
    """Whether the database refuses or the function does."""

    def raises(db: Connection) -> None:
        _insert(db)
        raise KeyError("ours")

    def is_refused(db: Connection) -> None:
        _insert(db)
        db.execute("SELECT absent")

    with pytest.raises(KeyError):
        await writer.run(raises)
    with pytest.raises(InternalError, match="no such column"):
        await writer.run(is_refused)
    assert await writer.run(_count) == 0
    assert await writer.run(_insert) == 1
    assert writer.stats()["failed"] == 2


async def test_a_cancelled_task_leaves_a_whole_write_or_none(writer: Writer) -> None:
    """Never a transaction that is open."""
    inside, go = threading.Event(), threading.Event()

    def slow(db: Connection) -> None:
        _insert(db)
        inside.set()
        assert go.wait(10)
        _insert(db)

    task = asyncio.create_task(writer.run(slow))
    assert await asyncio.to_thread(inside.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    assert await writer.run(lambda db: value(db, "SELECT count(*) FROM t")) == 2


async def test_a_full_disk_is_said_and_writing_goes_on_when_there_is_space(writer: Writer) -> None:
    """What was acknowledged before is safe."""
    await writer.run(_insert)
    await writer.run(lambda db: value(db, "PRAGMA max_page_count = 10"))
    with pytest.raises(DiskFull):
        await writer.run(lambda db: _insert(db, bytes(MIB)))
    await writer.run(lambda db: value(db, "PRAGMA max_page_count = 100000"))
    assert await writer.run(lambda db: _insert(db, bytes(MIB))) == 2


async def test_a_write_that_met_its_disk_is_told_until_one_reaches_it(writer: Writer) -> None:
    """A refused statement is no fault of the disk, and a COMMIT of nothing does not show that it is well."""

    def fails(db: Connection) -> None:
        raise apsw.exception_for(apsw.SQLITE_IOERR_WRITE)

    with pytest.raises(InternalError):
        await writer.run(lambda db: db.execute("SELECT absent"))
    seen = [writer.held_up_by]
    with pytest.raises(StoreUnusable):
        await writer.run_together(fails)
    seen.append(writer.held_up_by)
    await writer.run(lambda db: db.execute("DELETE FROM t WHERE x = 2"))
    seen.append(writer.held_up_by)
    await writer.run(_insert)

    assert [*seen, writer.held_up_by] == [None, "store_unusable", "store_unusable", None]


async def test_after_damage_nothing_is_written_any_more(writer: Writer) -> None:
    """Writing on would make it worse. Each refusal is an exception of its own: a shared one only grows."""

    def meets_damage(db: Connection) -> None:
        raise apsw.exception_for(apsw.SQLITE_CORRUPT)

    with pytest.raises(StoreDamaged):
        await writer.run(meets_damage)
    with pytest.raises(StoreDamaged) as first:
        await writer.run(_insert)
    with pytest.raises(StoreDamaged) as second:
        await writer.run(_insert)
    assert first.value is not second.value
    assert first.value.to_wire() == second.value.to_wire()
    assert "damaged" in writer.stats()["damage"]


async def test_the_log_never_grows_far_beyond_its_bound(writer: Writer, tmp_path: Path) -> None:
    """Forty mebibytes are written; the log is emptied on the way, and by the writer alone."""
    for _ in range(160):
        await writer.run(lambda db: _insert(db, bytes(MIB // 4)))
    assert (tmp_path / "w.db-wal").stat().st_size < 2 * MIB
    assert writer.stats()["checkpoints"] > 10


async def test_a_reader_that_stays_puts_a_checkpoint_off_and_fails_no_write(
    writer: Writer, tmp_path: Path
) -> None:
    """The write is acknowledged all the same; when the reader is gone the log is emptied."""
    await writer.run(_insert)
    reader = Connection(str(tmp_path / "w.db"), flags=apsw.SQLITE_OPEN_READONLY)
    reader.execute("BEGIN")
    _count(reader)
    await writer.run(lambda db: _insert(db, bytes(2 * MIB)))
    assert writer.stats()["checkpoints_put_off"] == 1
    assert _count(reader) == 1
    reader.close()
    assert await writer.run(_insert) == 3
    assert (tmp_path / "w.db-wal").stat().st_size == 0
    assert await writer.run(lambda db: value(db, "PRAGMA busy_timeout")) == 1000


async def _together(
    writer: Writer, jobs: Sequence[Callable[[Connection], object]]
) -> list[object | BaseException]:
    """What becomes of writes that all wait while the writer is at another one."""
    go = threading.Event()
    held = asyncio.create_task(writer.run(lambda db: go.wait(10)))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(writer.run_together(job)) for job in jobs]
    await asyncio.sleep(0)
    go.set()
    assert await held
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_small_writes_that_wait_share_transactions(writer: Writer) -> None:
    """Ten of them in groups of four, each with its own result, in their order."""
    assert await _together(writer, [_insert] * 10) == list(range(1, 11))
    assert writer.stats()["writes"] == 1 + 3
    assert writer.stats()["grouped"] == 10


async def test_a_write_that_fails_in_a_group_leaves_nothing_and_hurts_no_other(writer: Writer) -> None:
    """The others are done all the same, each once."""

    def raises(db: Connection) -> None:
        _insert(db)
        raise KeyError("ours")

    results = await _together(writer, [_insert, raises, _insert])
    assert (results[0], type(results[1]), results[2]) == (1, KeyError, 2)
    assert await writer.run(_count) == 2


async def test_a_group_ends_when_it_has_lasted_long_enough(tmp_path: Path) -> None:
    """With no time for a second write, each has its own transaction."""
    writer = _writer(tmp_path, group_ms_max=0)
    assert await _together(writer, [_insert] * 3) == [1, 2, 3]
    assert writer.stats()["writes"] == 1 + 3
    assert await writer.drain(10)
    await writer.close()


async def test_a_write_of_its_own_is_done_in_its_place_between_groups(writer: Writer) -> None:
    """What is asked for after it does not join those before it."""
    go = threading.Event()
    held = asyncio.create_task(writer.run(lambda db: go.wait(10)))
    await asyncio.sleep(0)
    calls = [writer.run_together, writer.run_together, writer.run, writer.run_together]
    waiting = [asyncio.create_task(call(_insert)) for call in calls]
    await asyncio.sleep(0)
    go.set()
    assert await held
    assert await asyncio.gather(*waiting) == [1, 2, 3, 4]


async def test_who_is_cancelled_in_a_group_takes_no_other_with_it(writer: Writer) -> None:
    """Its write may be done; those of the others are."""
    go = threading.Event()
    held = asyncio.create_task(writer.run(lambda db: go.wait(10)))
    await asyncio.sleep(0)
    first, second = (asyncio.create_task(writer.run_together(_insert)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert await held
    assert await second == 2
    assert first.cancelled()


async def test_after_damage_in_a_group_none_of_it_is_written(writer: Writer) -> None:
    """Nor tried again: writing on would make it worse."""

    def meets_damage(db: Connection) -> None:
        raise apsw.exception_for(apsw.SQLITE_CORRUPT)

    results = await _together(writer, [_insert, meets_damage, _insert])
    assert [type(result) for result in results] == [StoreDamaged] * 3


async def test_closing_finishes_what_was_asked_for_and_refuses_the_rest(tmp_path: Path) -> None:
    """Writes that wait behind one another are all done; the file is left without a log."""
    writer = _writer(tmp_path)
    tasks = [asyncio.create_task(writer.run(_insert)) for _ in range(10)]
    await asyncio.sleep(0)
    assert await writer.drain(10)
    assert await asyncio.gather(*tasks) == list(range(1, 11))
    with pytest.raises(Stopping):
        await writer.run(_insert)
    await writer.close()
    assert _names(tmp_path) == ["w.db"]


async def test_a_write_without_end_is_undone_when_closing_and_those_behind_it_refused(tmp_path: Path) -> None:
    """None of them was acknowledged, none of them is there."""
    writer = _writer(tmp_path)
    inside = threading.Event()

    def endless(db: Connection) -> None:
        _insert(db)
        inside.set()
        value(db, ENDLESS)

    tasks = [asyncio.create_task(writer.run(job)) for job in (_insert, endless, _insert)]
    assert await asyncio.to_thread(inside.wait, 10)
    assert await writer.drain(0.05)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [int, Stopping, Stopping]
    await writer.close()
    again = Connection(str(tmp_path / "w.db"))
    assert _count(again) == 1
    again.close()
