"""Whether SQLite sees all that is in the write-ahead log.

It reads a log up to the first frame that is wrong, and takes what follows for the rest of a power cut. Damage
in the middle of a log would so take back commits that were acknowledged, without a word; and the next write
would go over them. So the frames are counted before it opens the log. It knows no tables.
"""

from __future__ import annotations

import os
from itertools import accumulate
from pathlib import Path

import apsw

from pi_rag.errors import StoreDamaged
from pi_rag.store import Connection
from pi_rag.store.folder import has_log, wal_path
from pi_rag.store.salvage import log_frames


def frames(path: Path) -> int:
    """How many frames of its last generation the log of the database `path` has, whole or not. Cheap."""
    if not has_log(path):
        return 0
    fd = os.open(wal_path(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return log_frames.count(fd)
    finally:
        os.close(fd)


def refuse_damaged(db: Connection, path: Path, there: int) -> int | None:
    """Compare what SQLite sees with the frames that are `there`.

    Returns after how many frames the log ends in something that does not count, as after a power cut or a
    write that found no room; None where all of it counts. Raises StoreDamaged when acknowledged commits are
    behind a frame that is wrong. Called before anything is written.
    """
    if not there:
        return None
    db.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # only a read has it look at the log
    seen, _ = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    if seen >= there:
        return None
    refuse_lost(path)
    return seen


def refuse_lost(path: Path) -> None:
    """Raises StoreDamaged when commits that count are behind a frame that is wrong.

    Reads all of the log, if there is any, and opens no database.
    """
    if not has_log(path):
        return
    fd = os.open(wal_path(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        log = log_frames.read(fd)
    finally:
        os.close(fd)
    if log.damaged:
        first = 0 if not log.header_is_whole else [frame.is_whole for frame in log.frames].index(False)
        ends = accumulate(map(len, log.kept))
        behind = sum(end > first for end in ends)
        raise StoreDamaged(f"The log {wal_path(path)} is damaged; {behind} commits would be lost with it.")
