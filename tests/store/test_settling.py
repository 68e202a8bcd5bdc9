"""A log that an earlier run left is on the disk before anything is built on it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import DiskFull, StoreDamaged
from pi_rag.store import connection, documents, folder, settling
from pi_rag.store import store as store_module
from pi_rag.store.salvage import log_frames
from pi_rag.store.store import Store
from tests.durability import shim
from tests.durability.shim import Call, Nth, Verdict
from tests.store.making import put


@pytest.fixture
async def left(store: Store, path: Path, tmp_path: Path) -> Path:
    """A database as a kill leaves it: a document is in its log alone."""
    await store.write(put, "tea.md", ["a passage about tea"] * 20)
    there = tmp_path / "left" / path.name
    there.parent.mkdir()
    for each in (path, folder.wal_path(path)):
        shutil.copyfile(each, there.parent / each.name)
    return there


async def test_a_log_that_was_left_is_written_as_it_is_and_synced(left: Path) -> None:
    """Every byte of it, and then the disk is waited for; before the first statement that is acknowledged."""
    log, calls = folder.wal_path(left), list[Call]()
    before = log.read_bytes()
    with shim.between(shim.doing, calls.append):
        store = Store.open(left, StoreSettings(), SystemClock())
    to_log = [call for call in calls if call.path == log and call.kind != "open"]
    kinds = [call.kind for call in to_log]
    settled = to_log[: kinds.index("sync")]
    assert {call.kind for call in settled} == {"write"}
    assert b"".join(call.data for call in settled) == before
    assert (await store.read(documents.counts)).documents == 1
    assert await store.close()


def _no_room(call: Call) -> Verdict:
    """Of a disk that is full: a file may be written over, and does not grow."""
    grows = call.kind == "write" and call.at + len(call.data) > call.path.stat().st_size
    return Verdict("fail", apsw.SQLITE_FULL) if grows else shim.DO


def _cut_short(log: Path) -> bytes:
    """One more transaction as large as the log, of which no frame is whole."""
    step = log_frames.FRAME_HEADER_BYTES + connection.PAGE_BYTES
    frames = log.read_bytes()[log_frames.HEADER_BYTES :]
    parts = [bytearray(frames[at : at + step]) for at in range(0, len(frames), step)]
    for each in parts[:-1]:
        each[4:8] = bytes(4)  # it ends no transaction
    return b"".join(parts)


@pytest.mark.parametrize("is_torn", [False, True])
async def test_a_log_that_was_left_is_opened_without_room(left: Path, is_torn: bool) -> None:
    """All of it counts, or it ends in a write that found no room: what was acknowledged is read, a write says
    what is missing, and with room again nothing is left of the one that was cut short.
    """
    log = folder.wal_path(left)
    if is_torn:
        log.write_bytes(log.read_bytes() + _cut_short(log))
    with shim.between(_no_room):
        store = Store.open(left, StoreSettings(), SystemClock())
        assert (await store.read(documents.counts)).documents == 1
        with pytest.raises(DiskFull):
            await store.write(put, "coffee.md", ["a passage about coffee"])
    await store.write(put, "coffee.md", ["a passage about coffee"])
    with log.open("rb") as file:
        assert all(frame.is_whole for frame in log_frames.read(file.fileno()).frames)
    assert (await store.read(documents.counts)).documents == 2
    assert await store.close()


async def test_what_a_stranger_commits_meanwhile_is_not_cut_off(
    left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies where the torn end was seen. What is torn may stay; no commit is taken away, whose it be."""
    log = folder.wal_path(left)
    log.write_bytes(log.read_bytes() + _cut_short(log))
    look_over, stranger = store_module._look_over, apsw.Connection(str(left))

    def meanwhile(*about: Any) -> None:
        look_over(*about)
        stranger.execute("CREATE TABLE theirs (number)")

    monkeypatch.setattr(store_module, "_look_over", meanwhile)
    store = Store.open(left, StoreSettings(), SystemClock())
    stranger.close()
    with apsw.Connection(str(left)) as fresh:
        assert fresh.execute("SELECT count(*) FROM theirs").get == 0
    fresh.close()
    assert (await store.read(documents.counts)).documents == 1
    assert await store.close()


async def test_a_log_that_does_not_get_to_the_disk_is_said(left: Path) -> None:
    """The start fails with a typed error, and nothing is lost by it."""
    failing = Nth(0, "sync", Verdict("fail", apsw.SQLITE_IOERR_FSYNC))
    with shim.between(failing), pytest.raises(StoreDamaged):
        Store.open(left, StoreSettings(), SystemClock())
    store = Store.open(left, StoreSettings(), SystemClock())
    assert (await store.read(documents.counts)).documents == 1
    assert await store.close()


async def test_after_a_clean_stop_nothing_is_written_again(store: Store, path: Path) -> None:
    """There is no log then, so it costs nothing."""
    await store.write(put, "tea.md", ["a passage about tea"])
    assert await store.close()
    db = connection.open_writer(path, StoreSettings())
    assert settling.settle(db, path) == 0
    db.close()
