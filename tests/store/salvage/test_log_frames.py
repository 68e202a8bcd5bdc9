"""The write-ahead log: what counts of it, and what is damage."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from pi_rag.store import Connection
from pi_rag.store.folder import wal_path
from pi_rag.store.salvage import log_frames
from pi_rag.store.salvage.log_frames import Log

COMMITS = 6


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of six commits, each of some pages."""
    path = tmp_path / "a.db"
    db = Connection(str(path))
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE t (a)")
    for number in range(COMMITS - 1):
        db.execute("BEGIN")
        db.executemany("INSERT INTO t VALUES (?)", [("x" * 3000,)] * (number + 1))
        db.execute("COMMIT")
    copy = tmp_path / "copy-wal"
    shutil.copy(wal_path(path), copy)
    db.close()
    return copy


def _read(path: Path) -> Log:
    fd = os.open(path, os.O_RDONLY)
    try:
        return log_frames.read(fd)
    finally:
        os.close(fd)


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def test_a_whole_log_is_read_as_sqlite_reads_it(log: Path) -> None:
    """Every frame, every commit, nothing damaged."""
    found = _read(log)
    assert (found.page_bytes, len(found.transactions), found.damaged, found.last_is_torn) == (
        4096,
        6,
        0,
        False,
    )
    assert found.kept == found.transactions


def test_a_wrong_frame_before_the_last_commit_is_damage_and_costs_nothing_after_it(log: Path) -> None:
    """SQLite would leave out all that follows; it was acknowledged."""
    second = _read(log).transactions[1][0]
    _flip(log, second.at + 1000)
    found = _read(log)
    assert (len(found.kept), found.damaged, found.last_is_torn) == (COMMITS, 1, False)


def test_a_wrong_frame_in_the_last_commit_is_what_a_power_cut_leaves(log: Path) -> None:
    """It does not count, and is no damage."""
    _flip(log, _read(log).transactions[-1][0].at + 1000)
    found = _read(log)
    assert (len(found.kept), found.damaged, found.last_is_torn) == (COMMITS - 1, 0, True)


@pytest.mark.parametrize("at", range(0, 32, 3))
def test_a_wrong_header_is_damage(log: Path, at: int) -> None:
    """SQLite would take the whole log for empty, and write over it."""
    _flip(log, at)
    found = _read(log)
    assert len(found.kept) >= COMMITS - 1
    assert found.damaged


def test_the_header_of_the_next_generation_cut_short_is_no_damage(log: Path) -> None:
    """All that follows it is in the database."""
    data = bytearray(log.read_bytes())
    salt = int.from_bytes(data[16:20], "big")
    data[16:20] = (salt + 1 & 0xFFFFFFFF).to_bytes(4, "big")
    data[20:24] = bytes(4)
    log.write_bytes(data)
    assert _read(log) == Log(4096, [], header_is_whole=False)


def test_what_is_left_of_the_generation_before_is_no_damage(log: Path) -> None:
    """Chance may make its salts nearly the same: a sound service would not start after a power cut."""
    data = bytearray(log.read_bytes())
    tail = _read(log).transactions[3]
    first, second = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    salts = (first - 1 & 0xFFFFFFFF).to_bytes(4, "big") + (second ^ 0b10010001).to_bytes(4, "big")
    for at in range(tail[0].at - 16, len(data), 24 + 4096):
        data[at : at + 8] = salts
    log.write_bytes(data)

    found = _read(log)
    assert (len(found.kept), found.damaged, found.last_is_torn) == (3, 0, False)
    with log.open("rb") as file:
        assert log_frames.count(file.fileno()) == len(found.frames)


def test_no_bytes_do_any_harm(log: Path) -> None:
    """An empty file, one cut anywhere, one of noise."""
    whole = log.read_bytes()
    dice = random.Random(3)
    for data in (
        b"",
        whole[:31],
        whole[:33],
        dice.randbytes(50_000),
        *(whole[: dice.randrange(len(whole))] for _ in range(20)),
    ):
        log.write_bytes(data)
        assert _read(log).damaged == 0
