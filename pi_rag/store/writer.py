"""The writer: one thread with the only connection that writes, and the only one that checkpoints.

A write is one transaction. It is acknowledged when COMMIT has returned, which with `synchronous = FULL` means
that the disk has it. Small writes that wait at the same time share one COMMIT (group commit: Gray and Reuter,
Transaction Processing, 1992, section 9.4). It knows no tables.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import apsw

from pi_rag.clock import Clock
from pi_rag.errors import Stopping, StoreDamaged, StoreError, StoreReadOnly
from pi_rag.store import Connection, connection
from pi_rag.store.threads import Threads
from pi_rag.store.translate import translated, translation

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

BESIDE = Checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE, 0)
"""As much as can be moved beside a read that lasts, without waiting for it."""


BEAT_STEPS = 1_000_000
"""Steps of SQLite's machine between two signs of life from a long write: some 10 ms here, 30 on a Pi."""

NUMBERS = ("writes", "grouped", "failed", "checkpoints", "checkpoints_put_off")
"""What is counted. A group is one write; how many writes shared theirs is counted beside."""

Job = Callable[[Connection], Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write among several."""

    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class _Group:
    """Writes that wait for the same turn. Who waits joins in the loop, the writer's thread closes it."""

    jobs_max: int
    jobs: list[Job] = field(default_factory=list)
    done: asyncio.Future[list[Outcome]] | None = None
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def join(self, job: Job) -> int | None:
        """The place of the job among the others; None when the group takes no more."""
        with self._lock:
            if self._closed or len(self.jobs) >= self.jobs_max:
                return None
            self.jobs.append(job)
            return len(self.jobs) - 1

    def close(self) -> list[Job]:
        """All that have joined."""
        with self._lock:
            self._closed = True
            return self.jobs


def checkpoint_due(
    wal_bytes: int, tried_at_bytes: int, wal_bytes_max: int, *, is_held: bool = False
) -> Checkpoint | None:
    """What the log needs after a commit. `tried_at_bytes` is how large it was when that was last tried.

    `is_held`: a read that lasts needs what is in it, so that no waiting would empty it.
    """
    if wal_bytes > wal_bytes_max and not is_held:
        return EMPTY
    # A quarter: often enough that scans seldom meet the log, seldom enough for a card that wears.
    if wal_bytes - tried_at_bytes <= wal_bytes_max // 4:
        return None
    return BESIDE if is_held else BEGIN_ANEW


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
        group_writes_max: int,
        group_ms_max: float,
        clock: Clock,
        after_commit: Callable[[], None] = lambda: None,
        refused: StoreReadOnly | None = None,
    ) -> None:
        """Takes over `db`: from now on only this object's thread uses it, and calls `after_commit`, which
        knows of a write before whoever asked for it does. `refused`: why nothing may be written at all.
        """
        self._db = db
        self._clock = clock
        self._group_writes_max = group_writes_max
        self._group_s_max = group_ms_max / 1000
        self._open: _Group | None = None
        self._after_commit = after_commit
        self._wal_bytes_max = wal_bytes_max
        self._busy_ms_max = busy_ms_max
        self._page_bytes = int(db.execute("PRAGMA page_size").get)
        self._wal_pages = 0
        self._tried_at_pages = 0
        self._held = 0
        self._threads = Threads("store-writer", 1)
        self._abandoned = False
        self._damage: StoreDamaged | None = None
        self._refused = refused
        self._held_up_by: str | None = None
        self._numbers = dict.fromkeys(NUMBERS, 0)
        # A hook of our own also turns SQLite's automatic checkpoints off.
        db.set_wal_hook(self._after_log_write)
        db.set_progress_handler(self._goes_on, BEAT_STEPS)

    async def run(self, job: Callable[[Connection], T]) -> T:
        """The result of `job`, once it is committed. Writes are done in the order they were asked for.

        A task that is cancelled while it waits does not know whether its write was done. Raises Stopping when
        closing, StoreDamaged and its siblings, or what `job` raises.
        """
        self._open = None  # what is asked for later must not go before it
        return await self._threads.run(lambda: self._work(job))

    async def run_together(self, job: Callable[[Connection], T]) -> T:
        """As `run`, in one transaction with other such writes that wait just now.

        It is acknowledged after that transaction's COMMIT. When one of them fails, nothing of any stays, and
        each is done again in a transaction of its own: so `job` must do nothing outside the database.
        """
        group, place = self._joined(job)
        assert group.done is not None, "set as soon as it is there"
        outcome = (await asyncio.shield(group.done))[place]
        if outcome.error is not None:
            raise outcome.error
        result: T = outcome.result
        return result

    def _joined(self, job: Job) -> tuple[_Group, int]:
        """The group that waits for its turn, or a new one behind all that was asked for."""
        if self._open is not None and (place := self._open.join(job)) is not None:
            return self._open, place
        group = _Group(self._group_writes_max, [job])
        group.done = self._threads.begin(partial(self._work_together, group))
        self._open = group
        return group, 0

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

    @property
    def is_damaged(self) -> bool:
        """Whether a read or a write has met damage; nothing is written since."""
        return self._damage is not None

    @property
    def held_up_by(self) -> str | None:
        """The code of the store's error that the last write met; None once one has reached the log."""
        return self._held_up_by

    def met_damage(self, error: StoreDamaged) -> None:
        """Write no more from now on: it would make it worse. On any thread; the first damage is told."""
        self._damage = self._damage or error

    async def shed(self) -> None:
        """Let go of cached pages that are not in use. Raises Stopping when closing."""
        await self._threads.run(self._db.release_memory)

    def beat_with(self, beat: Callable[[], None]) -> None:
        """From now on `beat` is called, from a thread, while a write goes on and when it has ended."""
        self._threads.beat = beat

    async def turn(self) -> None:
        """Take the lock of a write and write nothing, to see that one could be made. Raises as `run` does."""
        await self._threads.run(self._take_turn)

    def hold(self, more: int) -> None:
        """So many more reads that last, or fewer. While there is one, no write waits for the log."""
        self._held += more

    async def empty_log(self) -> bool:
        """Move the log into the database now; False when somebody reads from it. Raises Stopping."""
        return await self._threads.run(lambda: self._checkpoint(EMPTY_IF_FREE))

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
        if self._refused:
            raise self._refused.again()
        try:
            with translated():
                result = transaction(self._db, job)
        except BaseException as error:
            self._numbers["failed"] += 1
            if isinstance(error, StoreError):
                self._held_up_by = error.code
            if isinstance(error, StoreDamaged):
                self.met_damage(error)
            raise
        self._after_commit()
        self._numbers["writes"] += 1
        tried_at = self._tried_at_pages * self._page_bytes
        due = checkpoint_due(self.wal_bytes, tried_at, self._wal_bytes_max, is_held=self._held > 0)
        if due:
            self._checkpoint(due)
        return result

    def _take_turn(self) -> None:
        with translated():
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("ROLLBACK")

    def _goes_on(self) -> bool:
        """SQLite asks in the middle of a statement; True would end it."""
        self._threads.beat()
        return False

    def _work_together(self, group: _Group) -> list[Outcome]:
        """On the thread: all writes of a group, in as few transactions as their bound on time lets."""
        jobs = group.close()
        outcomes: list[Outcome] = []
        while len(outcomes) < len(jobs):
            outcomes += self._several(jobs[len(outcomes) :])
        return outcomes

    def _several(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One transaction of the first of these writes; one of each when that fails."""
        if len(jobs) == 1:
            return [self._alone(jobs[0])]
        try:
            results: list[Any] = self._work(partial(self._in_turn, jobs))
        except BaseException:
            # Whose fault it was shows when each has a transaction of its own.
            return [self._alone(job) for job in jobs]
        self._numbers["grouped"] += len(results)
        return [Outcome(result) for result in results]

    def _in_turn(self, jobs: Sequence[Job], db: Connection) -> list[Any]:
        """Their results, as far as they come within the time that others may have to wait for a group."""
        end_s, results = self._clock.monotonic_s() + self._group_s_max, []
        for job in jobs:
            results.append(job(db))
            if self._clock.monotonic_s() >= end_s:
                break
        return results

    def _alone(self, job: Job) -> Outcome:
        try:
            return Outcome(self._work(job))
        except BaseException as error:
            return Outcome(error=error)

    def _after_log_write(self, _db: Connection, _name: str, pages: int) -> int:
        if pages < self._wal_pages:
            self._tried_at_pages = 0  # it was begun anew
        self._wal_pages = pages
        self._held_up_by = None  # a COMMIT of nothing asks nothing of the disk, and does not come here
        return apsw.SQLITE_OK

    def _checkpoint(self, how: Checkpoint) -> bool:
        """Move the log into the database. What is committed is safe already; a failure only puts it off, but
        for damage, which ends all writing.
        """
        if self._damage:
            return False
        if self._held > 0 and how is not BESIDE:
            self._numbers["checkpoints_put_off"] += 1
            return False
        self._tried_at_pages = self._wal_pages
        self._db.set_busy_timeout(how.wait_ms_max)
        try:
            self._db.wal_checkpoint(mode=how.mode)
            self._numbers["checkpoints"] += 1
            if how.mode == apsw.SQLITE_CHECKPOINT_TRUNCATE:
                self._wal_pages = self._tried_at_pages = 0
        except apsw.Error as error:
            self._numbers["checkpoints_put_off"] += 1
            met = translation(error)
            if isinstance(met, StoreDamaged):
                self._damage = met  # as of a commit: what the disk has of the database is not known any more
            return False
        finally:
            self._db.set_busy_timeout(self._busy_ms_max)
        return True

    def _abandon(self) -> None:
        """Stop the write in progress, and refuse those behind it. None of them was acknowledged."""
        self._abandoned = True
        self._db.interrupt()

    def _finish(self) -> None:
        try:
            connection.leave_log(self._db, leave=self._damage is not None)
            if not self._damage:
                self._db.execute("PRAGMA optimize")
                self._checkpoint(EMPTY_IF_FREE)
        except apsw.Error:
            # Statistics for the planner are no reason to fail a shutdown; the next one makes them.
            self._numbers["failed"] += 1
        finally:
            self._db.close(True)
