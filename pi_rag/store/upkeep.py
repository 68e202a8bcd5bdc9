"""The database's upkeep: done in small steps, when nobody writes, by the service itself.

The log is emptied, the planner gets its statistics, the word index is merged into one piece, and the space of
what was removed is given back to the disk. What is due is decided from numbers (`due`); each step is a short
write, and as soon as anybody else writes the rest waits for the next quiet moment. It knows no table's
meaning: what it looks after it finds in the schema.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pi_rag import log
from pi_rag.clock import Clock, tick_s
from pi_rag.config import StoreSettings
from pi_rag.errors import DiskFull, StoreError, TryLater
from pi_rag.store import Connection, erased
from pi_rag.store.connection import INCREMENTAL
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store

LOOK_S_BETWEEN = 5.0
"""How often it is looked whether anything is due. Quiet means that nobody wrote for as long."""

STEP_S_BETWEEN = 0.02
"""A pause between two steps, in which others get the disk."""

LOG_SHARE = 1 / 16
"""A log with less than this part of `store.wal_mib_max` is not worth emptying: each time wears the card."""

PLAN_WRITES = 1000
"""After so many writes the planner's statistics are made anew before their time."""

PLAN_ROWS = 1000
"""How many rows of an index are looked at for them; then it takes milliseconds, however large the index."""

SPREAD_MAX = 0.25
"""The part of the word index that may lie outside of its largest piece. In four pieces a search by words took
1.3 times as long as in one; merging them writes the whole index again."""

MERGE_PAGES = 16
"""Pages of the word index that one step merges: 6 ms here."""

GIVEN_PAGES = 64
"""Pages that one step gives back: 7 ms here."""

Due = Literal["empty_log", "plan", "merge", "give_back", "nothing"]

_log = log.logger("upkeep")


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides. Sizes of the database are in its pages."""

    quiet: bool
    """Nobody has written since the last look."""
    erased: bool
    """The log holds what was erased."""
    log_share: float
    """How much of `store.wal_mib_max` the log takes."""
    writes: int
    """Since the planner's statistics were made."""
    plan_s_ago: float | None
    """None: not yet by this run of the service."""
    pages: int
    free: int
    gives_back: bool
    spread: float
    """The part of the word indexes outside of their largest piece, the worst of them."""


def due(facts: Facts, settings: StoreSettings) -> Due:
    """What is to be done now: one thing at a time, the cheapest first."""
    if not facts.quiet:
        return "empty_log" if facts.erased else "nothing"
    old = facts.plan_s_ago is None or facts.plan_s_ago > settings.plan_h * 3600
    if facts.writes and (old or facts.writes > PLAN_WRITES):
        return "plan"
    if facts.spread > SPREAD_MAX:
        return "merge"
    if facts.gives_back and facts.free * 100 > facts.pages * settings.free_percent_max:
        return "give_back"
    return "empty_log" if facts.erased or facts.log_share > LOG_SHARE else "nothing"


@dataclass(frozen=True, slots=True)
class Sizes:
    """The database as it lies on the disk, in pages."""

    page_bytes: int
    pages: int
    free: int
    gives_back: bool
    spread: float


class Upkeep:
    """One for the life of the service."""

    def __init__(self, store: Store, settings: StoreSettings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._own_writes = 0
        self._seen_writes = -1
        """Writes of others at the last look; -1: there was none, so nothing is known to be quiet."""
        self._plan: tuple[float, int] | None = None
        """When the planner's statistics were made, and after how many writes of others."""
        self._sizes: Sizes | None = None
        self._sizes_after = 0
        self._erased, self._erased_after = False, -1
        self._put_off_by: str | None = None
        """The code of the error that the last look ended with."""
        self._done = dict.fromkeys(("looks", "empty_log", "plan", "merge", "give_back", "steps"), 0)
        self.beat: Callable[[], None] = lambda: None
        """Called by the loop that looks after it, to say that it works."""
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Begin to look after it."""
        self._task = asyncio.create_task(self._keep(), name="upkeep")
        return self._task

    async def stop(self) -> None:
        """End it after the step in progress. Twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    async def look(self) -> Due:
        """Do what is due, and say what that was."""
        async with self._turn:
            others = self._others()
            quiet, self._seen_writes = others == self._seen_writes, others
            self._done["looks"] += 1
            await self._try_disk()
            erased_too = await self._log_holds_erased()
            return await self._one_thing(quiet=quiet) if quiet or erased_too else "nothing"

    async def now(self) -> list[Due]:
        """Do all that is due without waiting for a quiet moment, and say what that was.

        What somebody's write cut short is not begun again: the rest waits for the next quiet moment.
        """
        done: list[Due] = []
        async with self._turn:
            while True:
                self._seen_writes = self._others()
                await self._log_holds_erased()
                did = await self._one_thing(without=done)
                if did == "nothing":
                    return done
                done.append(did)

    async def _try_disk(self) -> None:
        """After a write that failed a small one finds out whether the disk takes any. Raises as it does.

        A full one may have room for it once the log is empty: what is in the database already needs none.
        """
        if self._store.held_up_by == DiskFull.code:
            await self._store.empty_log()
        if self._store.held_up_by is not None:
            await self._store.write(touch)
            self._own_writes += 1

    async def _one_thing(self, *, quiet: bool = True, without: Sequence[Due] = ()) -> Due:
        """Do what is due, unless it is one of these, and say what that was."""
        found = await self._measured()
        wanted = due(self._facts(quiet, found), self._settings)
        if wanted == "nothing" or wanted in without:
            return "nothing"
        self._done[wanted] += 1
        await self._do(wanted, found)
        return wanted

    def status(self) -> dict[str, Any]:
        """What was done since the start, and the space that is free within the database."""
        found = self._sizes
        if found is None:
            return dict(self._done)
        free_mib = round(found.free * found.page_bytes / 2**20, 3)
        now = {"free_mib": free_mib, "gives_back": found.gives_back, "words_spread": round(found.spread, 3)}
        return {**self._done, **now}

    async def _measured(self) -> Sizes:
        """As measured after the last write: to count the pieces of a large word index takes some time."""
        writes = self._store.writes
        if self._sizes is None or self._sizes_after != writes:
            self._sizes, self._sizes_after = await self._store.read(sizes), writes
        return self._sizes

    async def _log_holds_erased(self) -> bool:
        """As it was after the last write: nothing is read while nobody writes."""
        writes = self._store.writes
        if self._erased_after != writes:
            self._erased, self._erased_after = await self._store.read(erased.noted) is not None, writes
        return self._erased

    async def _empty_log(self) -> None:
        """Dropping the note is a write of its own."""
        noted, before = self._erased, self._store.writes
        if await erased.empty(self._store) and noted:
            self._own_writes += min(1, self._store.writes - before)

    def _facts(self, quiet: bool, found: Sizes) -> Facts:
        made_s, made_writes = self._plan or (None, 0)
        return Facts(
            quiet=quiet,
            erased=self._erased,
            log_share=self._store.wal_bytes / 2**20 / self._settings.wal_mib_max,
            writes=self._seen_writes - made_writes,
            plan_s_ago=None if made_s is None else self._clock.monotonic_s() - made_s,
            pages=found.pages,
            free=found.free,
            gives_back=found.gives_back,
            spread=found.spread,
        )

    async def _do(self, wanted: Due, found: Sizes) -> None:
        if wanted == "empty_log":
            await self._empty_log()
        elif wanted == "plan":
            self._plan = (self._clock.monotonic_s(), self._others())
            await self._in_steps(plan)
        elif wanted == "merge":
            await self._in_steps(merge_step)
        elif wanted == "give_back":
            # Down to half of what is allowed, so that it does not come and go with each document.
            left = found.pages * self._settings.free_percent_max // 200
            await self._in_steps(lambda db: give_back_step(db, left))

    async def _in_steps(self, step: Callable[[Connection], bool]) -> None:
        """One write after the other, until there is nothing more to do or somebody else writes."""
        while await self._store.write(step):
            self._count_step()
            self.beat()
            await asyncio.sleep(STEP_S_BETWEEN)
            if self._others() != self._seen_writes:
                return
        self._count_step()

    def _count_step(self) -> None:
        self._own_writes += 1
        self._done["steps"] += 1

    def _others(self) -> int:
        return self._store.writes - self._own_writes

    async def _keep(self) -> None:
        while True:
            self.beat()
            await asyncio.sleep(tick_s(self._clock, LOOK_S_BETWEEN))
            try:
                await self.look()
            except (TryLater, StoreError) as error:
                self._say(error.code)
            else:
                self._say(None)

    def _say(self, code: str | None) -> None:
        """Once for each reason, and once when it is over: a full disk may stay so for days."""
        if code is not None and code != self._put_off_by:
            _log.warning("upkeep_put_off", code=code)
        elif code is None and self._put_off_by is not None:
            _log.info("upkeep_goes_on", code=self._put_off_by)
        self._put_off_by = code


def sizes(db: Connection) -> Sizes:
    """How the database lies on the disk."""
    return Sizes(
        page_bytes=int(value(db, "PRAGMA page_size")),
        pages=int(value(db, "PRAGMA page_count")),
        free=int(value(db, "PRAGMA freelist_count")),
        gives_back=value(db, "PRAGMA auto_vacuum") == INCREMENTAL,
        spread=max((_spread(db, table) for table in _word_indexes(db)), default=0.0),
    )


def touch(db: Connection) -> None:
    """Write one page as it is, to see that the disk takes it."""
    db.execute(f"PRAGMA user_version = {int(value(db, 'PRAGMA user_version'))}")


def plan(db: Connection) -> bool:
    """Statistics for the planner, of every table that has an index. False: there is no second step.

    `PRAGMA optimize` would, of a table without an index, count every row: all vectors would be read for it.
    """
    db.execute(f"PRAGMA analysis_limit = {PLAN_ROWS}")
    sql = """
        SELECT DISTINCT tables.name FROM sqlite_schema AS tables, pragma_index_list(tables.name) AS indexes
        WHERE tables.type = 'table' AND NOT indexes.partial
    """
    for (table,) in all_rows(db, sql):
        db.execute(f'ANALYZE "{table}"')
    return False


def merge_step(db: Connection) -> bool:
    """Bring the word indexes a step nearer to one piece each. False when they are there."""
    for table in _word_indexes(db):
        before = db.total_changes()
        db.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)", (-MERGE_PAGES,))
        # A merge that has nothing to do changes one row, says SQLite.
        if db.total_changes() - before >= 2:
            return True
    return False


def give_back_step(db: Connection, left: int) -> bool:
    """Give some free pages back to the disk while there are more than `left`. False when that is all."""
    more = int(value(db, "PRAGMA freelist_count")) - left
    if more > 0:
        all_rows(db, f"PRAGMA incremental_vacuum({min(more, GIVEN_PAGES)})")
    return more > GIVEN_PAGES


def _word_indexes(db: Connection) -> list[str]:
    made = "CREATE VIRTUAL TABLE % USING fts5%"
    return [name for (name,) in all_rows(db, "SELECT name FROM sqlite_schema WHERE sql LIKE ?", (made,))]


def _spread(db: Connection, table: str) -> float:
    """The part of a word index outside of its largest piece; its leaves are counted."""
    counts = [row[0] for row in all_rows(db, f"SELECT count(*) FROM {table}_idx GROUP BY segid")]
    return 1.0 - max(counts) / sum(counts) if counts else 0.0
