"""A copy of the database while it is in use: of one moment, in one file, compared before it gets its name.

SQLite's own copying (https://sqlite.org/backup.html) goes page by page through one read transaction, so
writes that come meanwhile are not in it and need not wait. It is made under a name that looks like no backup,
reaches the disk, is read again and compared with what was copied, and only then renamed. Whatever ends it
before leaves nothing under the final name; what a kill leaves under the other is removed by the next one.

`docs/decisions/backup.md` says why not by VACUUM INTO or by copying the file. It knows no service.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import apsw

from pi_rag.clock import Clock
from pi_rag.config import BackupSettings, StoreSettings
from pi_rag.errors import BackupUnwritable, DiskFull, StoreDamaged
from pi_rag.models.wholefile import sync
from pi_rag.store import Connection, card, content, identity, inspection, migrations
from pi_rag.store.card import Card
from pi_rag.store.content import Digest
from pi_rag.store.long_read import Reading
from pi_rag.store.rate import Rate
from pi_rag.store.rows import value
from pi_rag.store.translate import translated
from pi_rag.store.view import View

PREFIX, SUFFIX = "pi-rag-backup-", ".db"
PARTIAL_PREFIX, PARTIAL_SUFFIX = ".pi-rag-", ".partial"
"""Of a backup that is being made. Nobody takes it for one."""

STEP_PAGES = 16
"""Copied at once: a quarter of a mebibyte, which takes a millisecond."""

SYNC_BYTES = 8 * 2**20
"""Sent to the disk at once, and then let go from the page cache: all of it at the end would hold up every
other write for as long as the card needs, and push out what searches read."""

CACHE_KIB = 2048

Told = Callable[[str, float], None]
"""Called with what is being done and how much of it is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made, as the service is asked for it."""

    folder: Path
    name: str
    version: str
    data: str
    settings: str
    made_at: float


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that is there."""

    path: Path
    size_bytes: int
    card: Card


def name_at(wall_s: float) -> str:
    """Such as pi-rag-backup-20261122T021500Z.db."""
    return f"{PREFIX}{datetime.fromtimestamp(wall_s, UTC).strftime('%Y%m%dT%H%M%SZ')}{SUFFIX}"


class Making:
    """One backup, made on the thread of a read that lasts."""

    def __init__(
        self,
        order: Order,
        settings: BackupSettings,
        store: StoreSettings,
        clock: Clock,
        told: Told,
        log_bytes: Callable[[], int],
    ) -> None:
        """`log_bytes` is how much of the write-ahead log is in use."""
        self._order, self._settings, self._store = order, settings, store
        self._clock, self._told, self._view = clock, told, View(settings, clock, log_bytes)

    def __call__(self, reading: Reading) -> Made:
        """Make it.

        Raises BackupUnwritable, DiskFull, BackupOvertaken, StoreDamaged when what is copied, or the copy, is
        not whole, or Stopping.
        """
        with writable(self._order.folder):
            remove_leftovers(self._order.folder)
            refuse_taken(self._order.folder / self._order.name)
            self._expect_room(reading.db)
            with _partial(self._order.folder, self._order.name) as (partial, fd):
                made = self._made(reading, partial, fd)
                self._compared(reading, partial, made)
                refuse_taken(self._order.folder / self._order.name)
                final = partial.rename(self._order.folder / self._order.name)
                sync(self._order.folder)
        return Made(final, final.stat().st_size, made)

    def _made(self, reading: Reading, partial: Path, fd: int) -> Card:
        """Copy, describe, and let go of the view. What it is is on the disk when this returns."""
        rate = Rate(self._settings.mib_s_max, self._clock, reading.rest)
        with translated(f"The backup {self._order.folder / self._order.name}"):
            copy = _opened(partial)
            try:
                self._copy(reading, copy, fd, rate)
                with translated():  # what is read here is the database
                    made = self._described(reading, rate)
                    reading.db.execute("ROLLBACK")
                card.write(copy, made)
                # In a file of its own, without a log: whoever has it has all of it.
                copy.execute("PRAGMA journal_mode = DELETE")
            finally:
                copy.close(True)
        _let_go(fd)
        return made

    def _copy(self, reading: Reading, copy: Connection, fd: int, rate: Rate) -> None:
        page_bytes = int(value(reading.db, "PRAGMA page_size"))
        value(reading.db, "SELECT count(*) FROM sqlite_schema")  # from here on it sees this moment
        unsynced = 0
        with copy.backup("main", reading.db, "main") as steps:
            while not steps.step(STEP_PAGES):
                unsynced += STEP_PAGES * page_bytes
                if unsynced >= SYNC_BYTES:
                    _let_go(fd)
                    unsynced = 0
                self._told("copying", 1 - steps.remaining / max(1, steps.page_count))
                self._view.expect_in_time()
                rate(STEP_PAGES * page_bytes)

    def _described(self, reading: Reading, rate: Rate) -> Card:
        """The card, with the checksums of what the view shows: not of the copy, which is compared with it."""
        self._told("counting", 0.0)

        def pause(spent: int) -> None:
            self._view.expect_in_time()
            rate(spent)

        digest: Digest = content.digest(reading.db, pause)
        model = identity.fingerprint(reading.db)
        return Card(
            made_at=self._order.made_at,
            version=self._order.version,
            schema=migrations.schema_version(reading.db),
            data=self._order.data,
            model=None if model is None else card.as_dict(model),
            settings=self._order.settings,
            counts=inspection.counts(reading.db),
            sections=digest.sections,
            content=digest.content,
            whole=digest.whole,
        )

    def _compared(self, reading: Reading, partial: Path, made: Card) -> None:
        """What is on the disk with what was copied. Raises StoreDamaged."""
        self._told("comparing", 0.0)
        rate = Rate(self._settings.mib_s_max, self._clock, reading.rest)
        seen = inspection.inspect(partial, self._store, deep=False, pause=rate, stop=reading.is_over)
        if seen.problems or seen.card != made:
            problem = seen.problems[0] if seen.problems else "its card cannot be read again"
            raise StoreDamaged(
                f"The backup is not whole, so it was not kept: {problem}.",
                hint="See whether the database itself is: pi-rag verify",
            )

    def _expect_room(self, db: Connection) -> None:
        wanted = int(value(db, "PRAGMA page_count")) * int(value(db, "PRAGMA page_size"))
        facts = os.statvfs(self._order.folder)
        free = facts.f_bavail * facts.f_frsize
        if wanted + SYNC_BYTES > free:
            room = f"{_mib(wanted + SYNC_BYTES)} MiB, and {self._order.folder} has {_mib(free)}"
            raise DiskFull(
                f"The backup needs {room}.",
                hint="Make room, or name another folder: pi-rag backup FOLDER",
            )


def refuse_taken(path: Path) -> None:
    """No backup takes the place of another file. Raises BackupUnwritable."""
    if path.exists() or path.is_symlink():
        raise BackupUnwritable(f"{path} is there already.", hint="Name another file, or only a folder.")


def remove_leftovers(folder: Path) -> int:
    """What a backup that was killed has left; how many. One that is being made holds a lock on its own."""
    removed = 0
    for path in folder.glob(f"{PARTIAL_PREFIX}*{PARTIAL_SUFFIX}"):
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                removed += 1
            finally:
                os.close(fd)
    return removed


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Inside it, what the system says of the folder is an error of ours: BackupUnwritable, DiskFull."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(f"There is no room for a backup in {folder}: {reason}.") from error
        raise BackupUnwritable(f"The backup cannot be written to {folder}: {reason}.") from error


@contextlib.contextmanager
def _partial(folder: Path, name: str) -> Iterator[tuple[Path, int]]:
    """A new empty file, ours alone, and gone after the block unless it was renamed."""
    path = folder / f"{PARTIAL_PREFIX}{name}.{os.getpid()}{PARTIAL_SUFFIX}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield path, fd
    finally:
        os.close(fd)
        path.unlink(missing_ok=True)


def _opened(path: Path) -> Connection:
    """Nobody else sees this file and nothing of it has to outlive a crash: it needs no journal, no sync."""
    db = Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KIB}"):
        db.execute(f"PRAGMA {pragma}")
    return db


def _let_go(fd: int) -> None:
    """On to the disk, and out of the page cache: what is read again then comes from the disk itself."""
    os.fdatasync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _mib(size_bytes: float) -> int:
    return round(size_bytes / 2**20)
