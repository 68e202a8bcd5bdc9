"""What an earlier run left in the log is written to the disk once more, before anything is built on it.

A sync that fails may leave in memory what is not on the disk and never will be: the kernel takes it for
written (Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020). Whoever reads the
log next cannot tell. Written again it is on the disk, or the sync says that it is not. It knows no tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from pi_rag.store import Connection, folder
from pi_rag.store.salvage.log_frames import FRAME_HEADER_BYTES, HEADER_BYTES

SLICE_BYTES = 65536
"""The largest page there is. SQLite's VFS takes no write of more than twice as much."""


def settle(db: Connection, path: Path) -> int:
    """Write the log of the database `path` as it is, and wait for the disk. Returns how many bytes that were.

    After a clean stop there is no log. `db` is a connection to it that writes; it keeps others from writing
    meanwhile.
    """
    if not folder.has_log(path):
        return 0
    db.execute("BEGIN IMMEDIATE")
    try:
        return _written_again(folder.wal_path(path))
    finally:
        db.execute("ROLLBACK")


def state(db: Connection) -> int:
    """Another number whenever another connection has committed."""
    return int(db.execute("PRAGMA data_version").get)


def cut(db: Connection, path: Path, frames: int, of_state: int) -> None:
    """Take away what is behind so many frames of the log, and wait for the disk. It needs no room there.

    `db` is as for `settle`. All that it saw in `of_state` is in these frames; where a stranger has
    committed since, what is behind may be theirs, and stays.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        if state(db) != of_state:
            return
        step = FRAME_HEADER_BYTES + int(db.execute("PRAGMA page_size").get)
        with _opened(folder.wal_path(path)) as file:
            file.xTruncate(HEADER_BYTES + frames * step if frames else 0)
            file.xSync(apsw.SQLITE_SYNC_NORMAL)
    finally:
        db.execute("ROLLBACK")


@contextmanager
def _opened(log: Path) -> Iterator[apsw.VFSFile]:
    """Through SQLite's own door to the disk: any other would drop its locks when it is closed."""
    file = apsw.VFSFile("", str(log), [apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READWRITE, 0])
    try:
        yield file
    finally:
        file.xClose()


def _written_again(log: Path) -> int:
    with _opened(log) as file:
        size = file.xFileSize()
        for at in range(0, size, SLICE_BYTES):
            file.xWrite(file.xRead(min(SLICE_BYTES, size - at), at), at)
        file.xSync(apsw.SQLITE_SYNC_NORMAL)
    return size
