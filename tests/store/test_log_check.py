"""The log: damage in the middle of it is seen before anything is written; a power cut is not taken for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import StoreDamaged
from pi_rag.store import folder, log_check
from pi_rag.store.salvage.image import opened
from pi_rag.store.store import Store
from tests.store.making import put


@pytest.fixture
async def log(store: Store, path: Path, tmp_path: Path) -> Path:
    """A database that was cut off with six commits in its log: the copy of it."""
    await store.empty_log()
    for number in range(6):
        await store.write(put, f"source {number}", [f"words of {number}"])
    at = tmp_path / "cut" / "pi-rag.db"
    at.parent.mkdir()
    for file in (path, folder.wal_path(path)):
        shutil.copy(file, at.parent / file.name)
    return at


def _flip(path: Path, transaction: int) -> None:
    """A bit in the first page of one of the commits."""
    with opened(path) as image:
        place = image.log.transactions[transaction][0].at + 5000
    data = bytearray(folder.wal_path(path).read_bytes())
    data[place] ^= 1
    folder.wal_path(path).write_bytes(data)


def _open(path: Path) -> Store:
    return Store.open(path, StoreSettings(), SystemClock())


async def test_a_wrong_page_before_the_last_commit_is_refused(log: Path) -> None:
    """The commits behind it were acknowledged. The log stays, for recovery to read them."""
    _flip(log, -4)
    before = folder.wal_path(log).read_bytes()
    with pytest.raises(StoreDamaged, match="4 commits"):
        _open(log)
    assert folder.wal_path(log).read_bytes() == before


async def test_a_wrong_page_in_the_last_commit_is_a_power_cut(log: Path) -> None:
    """It is left out, and the rest is there."""
    _flip(log, -1)
    store = _open(log)
    assert len(await store.read(lambda db: db.execute("SELECT id FROM documents").fetchall())) == 5
    assert await store.close()


async def test_a_whole_log_is_counted_as_it_is(log: Path) -> None:
    """And opened."""
    with opened(log) as image:
        assert log_check.frames(log) == len(image.log.frames)
    assert await _open(log).close()
