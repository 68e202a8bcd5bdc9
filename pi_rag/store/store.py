"""The way into the store: open it, run functions inside read or write transactions, close it.

Opening goes from the harmless to the harmful: libraries, folder, lock, whose file it is, and only then
anything that writes. Whatever is wrong is a typed error, and nothing has been changed or deleted.

It knows no tables; the functions it runs do (`documents.py`, `nearest.py`, `citing.py`, `jobs.py`, ...).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import apsw

from pi_rag import log
from pi_rag.clock import Clock
from pi_rag.config import IndexSettings, StoreSettings
from pi_rag.errors import StoreDamaged, StoreReadOnly
from pi_rag.store import (
    Connection,
    card,
    checkup,
    connection,
    folder,
    log_check,
    migrations,
    settling,
    swapping,
    versions,
)
from pi_rag.store.derived import Derived
from pi_rag.store.long_read import LongReads, Reading
from pi_rag.store.pool import Pool
from pi_rag.store.touched import Touched
from pi_rag.store.translate import translated
from pi_rag.store.writer import Writer

NO_INDEX = IndexSettings(kind="exact")
"""Where nobody looks after a RAM index, there had better be none."""

_log = log.logger("store")

P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """One open database: a writer, a pool of readers, and the lock on its folder."""

    @classmethod
    def open(
        cls,
        path: Path,
        settings: StoreSettings,
        clock: Clock,
        index: IndexSettings = NO_INDEX,
        before_upgrade: Callable[[], object] = lambda: None,
    ) -> Store:
        """Open the database at `path`, making it and its folder when they are not there.

        `before_upgrade` is called when an older schema is about to be brought up, which may take minutes. A
        folder that cannot be written is no reason not to read from it: every write then raises StoreReadOnly.

        Raises LibraryTooOld, SocketInUse (another service has the folder), SchemaNewer, StoreDamaged,
        StoreReadOnly, DiskFull or StoreUnusable.
        """
        with ExitStack() as undo, translated(f"The database {path}"):
            versions.check_versions(apsw.sqlite_lib_version(), connection.sqlite_vec_version())
            try:
                folder.prepare(path)
                lock = folder.FolderLock(path)
            except StoreReadOnly as refused:
                return cls._for_reading(path, settings, clock, index, refused)
            undo.callback(lock.release)
            swapping.finish(path)
            cut_short = folder.is_cut_short(path, connection.PAGE_BYTES)
            frames = log_check.frames(path)
            db = connection.open_writer(path, settings)
            undo.callback(db.close, True)
            connection.leave_log(db, leave=frames > 0)
            migrations.refuse_stranger(db)
            if cut_short:
                raise StoreDamaged(f"{path} is cut short: its last page is not whole.")
            of_state = settling.state(db)
            whole_frames = log_check.refuse_damaged(db, path, frames)
            _look_over(db, settings, clock)
            if whole_frames is not None:  # what is behind, with new ones before it, could be taken for damage
                settling.cut(db, path, whole_frames, of_state)
            _make_ready(db, path, settings, before_upgrade)
            store = cls(path, settings, clock, db, lock, index)
            connection.leave_log(db, leave=False)
            undo.pop_all()
        return store

    @classmethod
    def _for_reading(
        cls,
        path: Path,
        settings: StoreSettings,
        clock: Clock,
        index: IndexSettings,
        refused: StoreReadOnly,
    ) -> Store:
        """What is there, as it is. Raises `refused` when that is nothing, or of an older schema.

        Also where no service has run: without its lock nothing would keep another from writing meanwhile.
        """
        if not folder.has_database(path) or not folder.lock_path(path).exists():
            raise refused
        with ExitStack() as undo:
            lock = folder.FolderLock(path, reading=True)
            undo.callback(lock.release)
            # Without a log, SQLite would want to make the files of one.
            open_one = partial(connection.open_reader, path, settings, nobody_writes=not folder.has_log(path))
            db = open_one()
            undo.callback(db.close, True)
            migrations.refuse_stranger(db)
            if folder.is_cut_short(path, connection.PAGE_BYTES):
                raise StoreDamaged(f"{path} is cut short: its last page is not whole.")
            if migrations.is_behind(db):
                raise refused
            store = cls(path, settings, clock, db, lock, index, open_one, refused)
            undo.pop_all()
        _log.warning("store_read_only", reason=refused.message)
        return store

    def __init__(
        self,
        path: Path,
        settings: StoreSettings,
        clock: Clock,
        db: Connection,
        lock: folder.FolderLock,
        index: IndexSettings,
        open_one: Callable[[], Connection] | None = None,
        refused: StoreReadOnly | None = None,
    ) -> None:
        """Use `Store.open`. Takes over a writing connection that is ready, and the lock.

        `open_one` opens a reader where none may write. `db` is then one, too: each write ends with `refused`,
        and everything else is as ever.
        """
        self.is_read_only = open_one is not None
        """Whether the folder could not be written when it was opened."""
        self._path = path
        self._settings = settings
        self._lock = lock
        readers = settings.readers + settings.readers_overflow_max
        self._page_cache_mib_max = settings.cache_mib * (1 + readers)
        self._closed = False
        self._clean = False
        self._versions = {
            "schema_version": migrations.schema_version(db),
            "sqlite_version": apsw.sqlite_lib_version(),
            "sqlite_vec_version": connection.sqlite_vec_version(),
        }
        self._touched = Touched(db)
        self.derived = Derived(db, path.parent / "index", index)
        """The RAM index; `keeper.py` looks after it."""
        self._writer = Writer(
            db,
            wal_bytes_max=settings.wal_mib_max * 2**20,
            busy_ms_max=int(settings.busy_s_max * 1000),
            group_writes_max=settings.group_writes_max,
            group_ms_max=settings.group_ms_max,
            clock=clock,
            after_commit=self._committed,
            refused=refused,
        )
        connect = open_one or partial(connection.open_reader, path, settings)
        self._long_reads = LongReads(connect, self._writer.hold)
        self._readers = Pool(
            connect,
            kept=settings.readers,
            overflow_max=settings.readers_overflow_max,
            wait_s_max=settings.reader_wait_s_max,
            clock=clock,
        )

    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `fn(db, ...)`, run on a reader in one transaction: it sees one state throughout.

        Raises StoreBusy when all readers stay taken, Stopping when closing, or what `fn` raises. After
        StoreDamaged nothing is written any more.
        """
        try:
            return await self._readers.run(lambda db: fn(db, *args, **kwargs))
        except StoreDamaged as error:
            self._writer.met_damage(error)
            raise

    async def aside(self, fn: Callable[Concatenate[Reading, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `read`, for what lasts: on a connection of its own, `fn(reading, ...)`, while writes go on.

        The log grows all the while. Raises Stopping as soon as the store is closed, or what `fn` raises.
        """
        return await self._long_reads.run(fn, *args, **kwargs)

    async def write(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The result of `fn(db, ...)`, once it is committed and on the disk: wholly, or not at all.

        Raises Stopping when closing, DiskFull, StoreDamaged and their siblings, or what `fn` raises.
        """
        return await self._writer.run(lambda db: fn(db, *args, **kwargs))

    async def write_together(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `write`, sharing a COMMIT with others that wait just now: for small writes that come in numbers.

        `fn` may be run twice, the first time to be rolled back: it does nothing outside the database.
        """
        return await self._writer.run_together(lambda db: fn(db, *args, **kwargs))

    def generation(self, collection: Sequence[str] | None) -> int:
        """Another number as soon as a write that touched the collection is acknowledged; None: any of them.

        Whoever keeps an answer takes it before asking: what is read after that is at least as new.
        """
        return self._touched.generation(collection)

    def _committed(self) -> None:
        self.derived.committed()
        self._touched.committed()

    @property
    def writes(self) -> int:
        """How many were committed since the start."""
        return self._writer.writes

    @property
    def is_damaged(self) -> bool:
        """Whether the writer has met damage; it writes no more then."""
        return self._writer.is_damaged

    @property
    def held_up_by(self) -> str | None:
        """The code of the store's error that the last write met; None once one has reached the log."""
        return self._writer.held_up_by

    @property
    def wal_bytes(self) -> int:
        """How much of the write-ahead log is in use."""
        return self._writer.wal_bytes

    def beat_with(self, *, writer: Callable[[], None], readers: Callable[[], None]) -> None:
        """From now on these are called, from threads, by the writer and the readers while they work."""
        self._writer.beat_with(writer)
        self._readers.beat_with(readers)

    async def read_turn(self) -> None:
        """A read of nothing, which shows that readers work. Raises as `read` does."""
        await self._readers.turn()

    async def write_turn(self) -> None:
        """A write of nothing, which shows that the writer works. Raises as `write` does."""
        await self._writer.turn()

    async def empty_log(self) -> bool:
        """Move the log into the database now; False when somebody reads from it. Raises Stopping."""
        return await self._writer.empty_log()

    async def shed(self) -> None:
        """Give back the RAM of page caches: of readers at rest, and of the writer. Raises Stopping."""
        self._readers.shed()
        await self._writer.shed()

    @property
    def memory_mib(self) -> float:
        """What SQLite itself has taken in this process, page caches for the most part."""
        return round(apsw.memory_used() / 2**20, 1)

    def stats(self) -> dict[str, Any]:
        """What the store is made of and how it fares; JSON-able. Sizes are read from the folder's entries."""
        return {
            "path": str(self._path),
            **self._versions,
            "size_mib": folder.size_mib(self._path),
            "wal_mib": folder.size_mib(folder.wal_path(self._path)),
            "page_cache_mib_max": self._page_cache_mib_max,
            "readers": self._readers.stats(),
            "writer": self._writer.stats(),
        }

    async def end_aside(self) -> None:
        """End the reads that last, and take no more. Twice is harmless."""
        await self._long_reads.close()

    async def close(self) -> bool:
        """Finish what is in progress within `store.close_s_max`, then close everything. Twice is harmless.

        The writer goes last: the last connection of a database empties its log, and only the writer may.
        Returns False when something would not end; then the folder stays locked until the process is gone.
        """
        if not self._closed:
            self._closed = True
            wait_s = self._settings.close_s_max
            aside, read, written = await asyncio.gather(
                self._long_reads.close(), self._readers.close(wait_s), self._writer.drain(wait_s)
            )
            if written:
                await self._writer.close()
            self._clean = aside and read and written
        if self._clean:
            self._lock.release()
        return self._clean


def _look_over(db: Connection, settings: StoreSettings, clock: Clock) -> None:
    """At the file's structure, before anything is written. Raises StoreDamaged."""
    deadline_s = clock.monotonic_s() + settings.check_s_max
    checkup.check_quickly(db, lambda: clock.monotonic_s() >= deadline_s)


def _make_ready(
    db: Connection, path: Path, settings: StoreSettings, before_upgrade: Callable[[], object]
) -> None:
    """Put the policies that write into force, and bring the database to the newest schema.

    A backup that was put in place by hand is a backup no more: it will not stay as its card says.
    """
    settling.settle(db, path)
    connection.apply(db, connection.WRITER, settings)
    if migrations.is_behind(db):
        before_upgrade()
    migrations.migrate(db)
    card.remove(db)
