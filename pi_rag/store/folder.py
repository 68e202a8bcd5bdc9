"""The data folder: made with narrow rights, held by one service, and looked at before SQLite touches it.

Nothing here opens the database file: in the process that uses it, a stray `close()` would drop SQLite's
locks. The lock is on a file of its own, and it is the kernel's: it vanishes with the process, however that
dies.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pi_rag import owners
from pi_rag.errors import PiRagError, SocketInUse, StoreDamaged, StoreReadOnly, StoreUnusable
from pi_rag.store.translate import of_the_system


def prepare(path: Path) -> None:
    """Make the folder of the database `path` if need be, and refuse what is no place for a database.

    Raises StoreUnusable, StoreReadOnly, DiskFull, or StoreDamaged when a database has lost all but its log.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_unfit(path)
    except OSError as error:
        if _is_hidden(path):
            raise _another_users(path.parent) from error
        raise of_the_system(error, path.parent) from error


def _is_hidden(path: Path) -> bool:
    """Whether a folder above `path` bars this user, so that not even reading is possible."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _another_users(folder: Path) -> StoreUnusable:
    return StoreUnusable(
        f"The data folder {folder} may not be entered by this user.",
        hint="Where pi-rag is installed, its service runs already: pi-rag status. "
        f"A folder of your own: --data FOLDER. {owners.advice(folder, f'serve --data {folder}')}",
    )


def _is_mounted_read_only(place: Path) -> bool:
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)


def _refuse_unfit(path: Path) -> None:
    """Judge by stat alone. Opening a pipe would hang, and SQLite deletes a log that has no database."""
    if path.exists() and not path.is_file():
        raise StoreUnusable(f"{path} is not a regular file.")
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK, effective_ids=True):
            why = "its disk is mounted read-only" if _is_mounted_read_only(place) else "not by this user"
            raise StoreReadOnly(f"{place} cannot be written: {why}.")
    if not swap_path(path).exists():
        refuse_lone_log(path)


def refuse_lone_log(path: Path) -> None:
    """Raises StoreDamaged where a log has lost its database: whoever opens that has SQLite delete the log."""
    if _size(path) == 0 and _size(wal_path(path)) > 0:
        raise StoreDamaged(f"{path} is missing or empty, but its log {wal_path(path).name} is there.")


def is_cut_short(path: Path, page_bytes: int) -> bool:
    """Whether the file ends within a page, and no log or journal is there that SQLite could mend it from."""
    logs = (wal_path(path), path.with_name(path.name + "-journal"))
    return _size(path) % page_bytes != 0 and all(_size(log) == 0 for log in logs)


def has_log(path: Path) -> bool:
    """Whether there are commits in the log that are not in the database yet."""
    return _size(wal_path(path)) > 0


def has_database(path: Path) -> bool:
    """Whether there is something to read."""
    return path.is_file() and _size(path) > 0


def wal_path(path: Path) -> Path:
    """Where SQLite keeps the write-ahead log of the database `path`."""
    return path.with_name(path.name + "-wal")


def shm_path(path: Path) -> Path:
    """Where SQLite keeps its index of that log: nothing in it outlives those who have the database open."""
    return path.with_name(path.name + "-shm")


def swap_path(path: Path) -> Path:
    """The file that says that another database is being put in the place of `path` (`swapping.py`)."""
    return path.with_name(f"{path.name}.swap")


def lock_path(path: Path) -> Path:
    """The file whose lock says that a service uses the database `path`."""
    return path.with_name(path.stem + ".lock")


def size_mib(path: Path) -> float:
    """Size of a file by its directory entry; 0 when there is none."""
    return round(_size(path) / 2**20, 3)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class FolderLock:
    """The lock on a data folder, held from the constructor to `release`."""

    def __init__(self, path: Path, *, reading: bool = False) -> None:
        """Take the lock beside the database `path`; for `reading` others may read beside us.

        Raises SocketInUse when another service has it.
        """
        writing = os.O_RDWR | os.O_CREAT
        flags = (os.O_RDONLY if reading else writing) | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._fd = os.open(lock_path(path), flags, 0o600)
        except OSError as error:
            raise of_the_system(error, lock_path(path)) from error
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_SH if reading else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            refusal = _refusal(error, self._fd, path)
            os.close(self._fd)
            raise refusal from error
        if not reading:
            _sign(self._fd)

    def release(self) -> None:
        """Give the folder up. The file stays: removing it would race with the next service."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _refusal(error: OSError, fd: int, path: Path) -> PiRagError:
    if not isinstance(error, BlockingIOError):
        return of_the_system(error, lock_path(path))
    holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
    return SocketInUse(f"Another service (process {holder}) uses the data folder {path.parent}.")


def _sign(fd: int) -> None:
    """Leave our process id for the message of the next one. On a full disk the lock holds all the same."""
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode("ascii"), 0)
    except OSError:
        return
