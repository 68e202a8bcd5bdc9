"""The data folder is judged without opening the database, and one service holds it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pi_rag.errors import SocketInUse, StoreDamaged, StoreUnusable
from pi_rag.store import folder


def test_a_missing_folder_is_made_for_its_owner_alone(path: Path) -> None:
    """A memory is private from its first moment."""
    folder.prepare(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_is_there_keeps_its_rights(path: Path) -> None:
    """Who has shared the folder on purpose is not overruled."""
    path.parent.mkdir(mode=0o750)
    folder.prepare(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750


def test_a_folder_in_the_databases_place_is_refused(path: Path) -> None:
    """The message names the path."""
    path.mkdir(parents=True)
    with pytest.raises(StoreUnusable, match="not a regular file"):
        folder.prepare(path)


def test_a_pipe_in_the_databases_place_is_refused_without_being_opened(path: Path) -> None:
    """Opening it would hang for ever."""
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(StoreUnusable, match="not a regular file"):
        folder.prepare(path)


def test_a_file_in_the_folders_place_is_refused(path: Path) -> None:
    """`--data notes.txt` is a mistake, and the file stays as it is."""
    path.parent.write_text("notes")
    with pytest.raises(StoreUnusable):
        folder.prepare(path)
    assert path.parent.read_text() == "notes"


@pytest.mark.parametrize("empty", [True, False])
def test_a_log_without_its_database_is_damage_and_is_kept(path: Path, empty: bool) -> None:
    """SQLite would delete the log, and with it the only copy of the last documents."""
    path.parent.mkdir()
    if empty:
        path.touch()
    folder.wal_path(path).write_bytes(b"the last documents")
    with pytest.raises(StoreDamaged, match="missing or empty"):
        folder.prepare(path)
    assert folder.wal_path(path).read_bytes() == b"the last documents"


def test_the_second_lock_is_refused_and_names_the_holder(path: Path) -> None:
    """Two services on one folder would each believe to be the only writer."""
    folder.prepare(path)
    first = folder.FolderLock(path)
    with pytest.raises(SocketInUse, match=f"process {os.getpid()}"):
        folder.FolderLock(path)
    first.release()


def test_a_released_lock_can_be_taken_at_once(path: Path) -> None:
    """The file that stays behind means nothing; only the lock on it does. Releasing twice is harmless."""
    folder.prepare(path)
    first = folder.FolderLock(path)
    first.release()
    first.release()
    folder.FolderLock(path).release()


def test_a_refused_lock_leaves_no_file_open(path: Path) -> None:
    """A client that tries again and again does not use up the descriptors."""
    folder.prepare(path)
    first = folder.FolderLock(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(SocketInUse):
            folder.FolderLock(path)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    first.release()


def test_a_link_in_the_locks_place_is_refused(path: Path, tmp_path: Path) -> None:
    """A lock is not followed to where somebody else would like a file to be made."""
    folder.prepare(path)
    folder.lock_path(path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable):
        folder.FolderLock(path)
    assert not (tmp_path / "elsewhere").exists()
