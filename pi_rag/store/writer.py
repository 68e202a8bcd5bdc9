"""The writer: one thread with the only connection that writes, and the only one that checkpoints.

A write is one transaction. It is acknowledged when COMMIT has returned, which with `synchronous = FULL` means
that the disk has it. It knows no tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import apsw

from pi_rag.errors import Stopping, StoreDamaged
from pi_rag.store import Connection
from pi_rag.store.threads import Threads
from pi_rag.store.translate import translated

T = TypeVar("T")

EARLY_WAIT_MS = 100
"""How long a checkpoint waits for readers while there is room in the log. A later one can do it instead."""

LATE_WAIT_MS = 2000
"""How long once there is none. Only writes wait; a read that is shorter than this cannot let the log grow."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How to move the log into the database, and how long to wait for those who still read from it."""

    mode: int
    wait_ms_max: int


BEGIN_ANEW = Checkpoint(apsw.SQLITE_CHECKPOINT_RESTART, EARLY_WAIT_MS)
"""The next write begins the log anew. Without waiting, readers who never pause would keep it growing."""

EMPTY = Checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE, LATE_WAIT_MS)
"""Down to a log without a byte."""

EMPTY_IF_FREE = Checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE, EARLY_WAIT_MS)


def checkpoint_due(wal_bytes: int, tried_at_bytes: int, wal_bytes_max: int) -> Checkpoint | None:
    """What the log needs after a commit. `tried_at_bytes` is how large it was when that was last tried."""
    if wal_bytes > wal_bytes_max:
        return EMPTY
    # A quarter: often enough that scans seldom meet the log, seldom enough for a card that wears.
    return BEGIN_ANEW if wal_bytes - tried_at_bytes > wal_bytes_max // 4 else None


def transaction(db: Connection, job: Callable[[Connection], T]) -> T:
    """Run `job` between BEGIN IMMEDIATE and COMMIT; whatever it raises, nothing of it stays."""
    db.execute("BEGIN IMMEDIATE")
    try:
        result = job(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result


class Writer:
    """The one writing connection, for one event loop."""

    def __init__(
        self,
        db: Connection,
        *,
        wal_bytes_max: int,
        busy_ms_max: int,
        after_commit: Callable[[], None] = lambda: None,
    ) -> None:
        """Takes over `db`: from now on only this object's thread uses it, and calls `after_commit`, which
        knows of a write before whoever asked for it does.
        """
        self._db = db
        self._after_commit = after_commit
        self._wal_bytes_max = wal_bytes_max
        self._busy_ms_max = busy_ms_max
        self._page_bytes = int(db.execute("PRAGMA page_size").get)
        self._wal_pages = 0
        self._tried_at_pages = 0
        self._threads = Threads("store-writer", 1)
        self._abandoned = False
        self._damage: StoreDamaged | None = None
        self._numbers = dict.fromkeys(("writes", "failed", "checkpoints", "checkpoints_put_off"), 0)
        # A hook of our own also turns SQLite's automatic checkpoints off.
        db.set_wal_hook(self._after_log_write)

    async def run(self, job: Callable[[Connection], T]) -> T:
        """The result of `job`, once it is committed. Writes are done in the order they were asked for.

        A task that is cancelled while it waits does not know whether its write was done. Raises Stopping when
        closing, StoreDamaged and its siblings, or what `job` raises.
        """
        return await self._threads.run(lambda: self._work(job))

    async def drain(self, wait_s_max: float) -> bool:
        """Take no more writes, finish those in progress, and interrupt them when that takes too long.

        Returns whether all have ended.
        """
        return await self._threads.drain(wait_s_max, self._abandon)

    async def close(self) -> None:
        """After `drain`: tidy, checkpoint and close the connection."""
        await self._threads.last(self._finish)
        self._threads.end()

    @property
    def wal_bytes(self) -> int:
        """How much of the log is in use. The file may be larger."""
        return self._wal_pages * self._page_bytes

    @property
    def writes(self) -> int:
        """How many were committed since the start."""
        return self._numbers["writes"]

    async def shed(self) -> None:
        """Let go of cached pages that are not in use. Raises Stopping when closing."""
        await self._threads.run(self._db.release_memory)

    async def empty_log(self) -> None:
        """Move the log into the database now, unless somebody reads from it. Raises Stopping when closing."""
        await self._threads.run(lambda: self._checkpoint(EMPTY_IF_FREE))

    def stats(self) -> dict[str, Any]:
        """Numbers since the start."""
        wal_mib = round(self.wal_bytes / 2**20, 3)
        damage = self._damage.message if self._damage else None
        return {**self._numbers, "wal_used_mib": wal_mib, "damage": damage}

    def _work(self, job: Callable[[Connection], T]) -> T:
        """On the thread: one transaction, and a checkpoint when it is time."""
        if self._abandoned:
            raise Stopping("The store is closing.")
        if self._damage:
            raise self._damage.again()
        try:
            with translated():
                result = transaction(self._db, job)
        except BaseException as error:
            self._numbers["failed"] += 1
            if isinstance(error, StoreDamaged):
                self._damage = error  # writing on would make it worse
            raise
        self._after_commit()
        self._numbers["writes"] += 1
        tried_at = self._tried_at_pages * self._page_bytes
        due = checkpoint_due(self.wal_bytes, tried_at, self._wal_bytes_max)
        if due:
            self._checkpoint(due)
        return result

    def _after_log_write(self, _db: Connection, _name: str, pages: int) -> int:
        if pages < self._wal_pages:
            self._tried_at_pages = 0  # it was begun anew
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self, how: Checkpoint) -> None:
        """Move the log into the database. What is committed is safe already; a failure only puts it off."""
        self._tried_at_pages = self._wal_pages
        self._db.set_busy_timeout(how.wait_ms_max)
        try:
            self._db.wal_checkpoint(mode=how.mode)
            self._numbers["checkpoints"] += 1
            if how.mode == apsw.SQLITE_CHECKPOINT_TRUNCATE:
                self._wal_pages = self._tried_at_pages = 0
        except apsw.Error:
            self._numbers["checkpoints_put_off"] += 1
        finally:
            self._db.set_busy_timeout(self._busy_ms_max)

    def _abandon(self) -> None:
        """Stop the write in progress, and refuse those behind it. None of them was acknowledged."""
        self._abandoned = True
        self._db.interrupt()

    def _finish(self) -> None:
        try:
            if not self._damage:
                self._db.execute("PRAGMA optimize")
                self._checkpoint(EMPTY_IF_FREE)
        except apsw.Error:
            # Statistics for the planner are no reason to fail a shutdown; the next one makes them.
            self._numbers["failed"] += 1
        finally:
            self._db.close(True)
