"""What an earlier run left in the log is written to the disk once more, before anything is built on it.

A sync that fails may leave in memory what is not on the disk and never will be: the kernel takes it for
written (Rebello et al., Can Applications Recover from fsync Failures?, USENIX ATC 2020). Whoever reads the
log next cannot tell. Written again it is on the disk, or the sync says that it is not. It knows no tables.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from pi_rag.store import Connection, folder

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


def _written_again(log: Path) -> int:
    """Through SQLite's own door to the disk: any other would drop its locks when it is closed."""
    file = apsw.VFSFile("", str(log), [apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READWRITE, 0])
    try:
        size = file.xFileSize()
        for at in range(0, size, SLICE_BYTES):
            file.xWrite(file.xRead(min(SLICE_BYTES, size - at), at), at)
        file.xSync(apsw.SQLITE_SYNC_NORMAL)
    finally:
        file.xClose()
    return size
