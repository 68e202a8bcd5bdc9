"""The life of a small database, step by step, through the store as it is shipped; and what it holds.

Each step is what a guest or the service asks for, and is acknowledged when it returns. The clock stands where
the step's number puts it, so a life that is told twice leaves the same rows.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pi_rag.config import BackupSettings, CacheSettings, RememberSettings, StoreSettings
from pi_rag.errors import PiRagError
from pi_rag.ingest import story
from pi_rag.ingest.cutting import Embedded
from pi_rag.memory.desk import MemoryDesk
from pi_rag.memory.means import Maker, Means
from pi_rag.memory_types import Caller, NewFact, Which
from pi_rag.query.question import Answer, Question
from pi_rag.query_cache import QueryCache
from pi_rag.store import Connection, backup, by_hash, checkup, identity, jobs, removal, upkeep
from pi_rag.store.rows import all_rows
from pi_rag.store.store import Store
from pi_rag.types import Fingerprint, NewItem, Reading
from tests.embedder.fake import FakeEmbedder
from tests.memory.housing import START_S, HandClock
from tests.store.making import DIMENSIONS, cut, vector_of

MODEL = Fingerprint("fake", "0" * 64, "mean", "", DIMENSIONS, 1)
SETTINGS = StoreSettings(wal_mib_max=1, check_s_max=60.0)
"""A log of one mebibyte is emptied in the middle of a life; the look at the file is never cut short."""

ME = Caller("person", 1000, "test")
QUEUE_MAX = 100
STEP_S_MAX = 30.0
"""A step that takes longer hangs: they take milliseconds."""
TRIES = 3

Content = dict[str, list[tuple[Any, ...]]]


@dataclass
class Home:
    """An open database, and the desk of memory before it."""

    path: Path
    store: Store
    clock: HandClock
    desk: MemoryDesk

    @classmethod
    async def open(cls, path: Path, clock: HandClock) -> Home:
        """As the service opens it. Raises as `Store.open`."""
        store = await asyncio.to_thread(Store.open, path, SETTINGS, clock)
        embedder = FakeEmbedder(DIMENSIONS)
        await embedder.start()
        maker = Maker(embedder, MODEL, "", embedder.tokens_max)
        cache = QueryCache(store, embedder, b"fake", CacheSettings(), clock, lambda: None)
        means = Means(store, cache, _no_search, lambda: maker, RememberSettings(), STEP_S_MAX, clock)
        return cls(path, store, clock, MemoryDesk(means))

    @property
    def now(self) -> float:
        return self.clock.wall_s()


Deed = Callable[[Home], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked for."""

    name: str
    do: Deed


async def _no_search(_: Question) -> Answer:
    raise AssertionError("no step searches documents")


def _claimed() -> Step:
    return Step("claim the model", lambda home: home.store.write(identity.claim_fingerprint, MODEL))


def _queued(*sources: str) -> Step:
    items = [NewItem("text", source, payload=source.encode() * 400) for source in sources]
    return Step(
        f"queue {sources}",
        lambda home: home.store.write(jobs.enqueue, "default", items, QUEUE_MAX, home.now, key=sources[0]),
    )


def _begun() -> Step:
    return Step("begin the next", lambda home: home.store.write_together(jobs.claim, 3, home.now))


def stored(source: str, version: int, passages: int = 3) -> Step:
    """The document in hand becomes a stored one, or a stored one is replaced."""
    return Step(f"store {source} {version}", lambda home: _store(home, source, version, passages))


async def _store(home: Home, source: str, version: int, passages: int) -> None:
    texts = [f"{source} version {version} passage {number} tea and cake" for number in range(passages)]
    reading = Reading("\n".join(texts), source, "text")
    embedded = Embedded(b"".join(map(vector_of, texts)), [text.encode()[:16] for text in texts])
    await home.store.write_together(_commit, source, reading, str(version), cut(texts), embedded, home.now)


def _commit(db: Connection, source: str, reading: Reading, *made: Any) -> None:
    """Sent, begun and stored in one transaction, each as the service does it."""
    digest, chunks, embedded, now = made
    new = NewItem("text", source, payload=reading.text.encode())
    jobs.enqueue(db, "default", [new], QUEUE_MAX, now, priority="high")
    item = jobs.claim(db, 3, now)
    assert item is not None and item.source == source
    story._commit(db, item, reading, digest, chunks, embedded, None, now)


def _removed(source: str) -> Step:
    return Step(
        f"remove {source}", lambda home: home.store.write(removal.source, source, "default", home.now)
    )


def _remembered(text: str, topic: str) -> Step:
    return Step(
        f"remember {topic}", lambda home: home.desk.remember(NewFact(text, topic=topic, key=topic), ME)
    )


def _forgotten(memory_id: int, *, hard: bool) -> Step:
    return Step(
        f"{'erase' if hard else 'forget'} {memory_id}",
        lambda home: home.desk.forget(Which(ids=(memory_id,)), ME, dry_run=False, hard=hard, confirm=None),
    )


def _read() -> Step:
    return Step("read", lambda home: home.store.read(content))


def _kept_up() -> Step:
    return Step("keep up", lambda home: upkeep.Upkeep(home.store, SETTINGS, home.clock).now())


def _emptied() -> Step:
    return Step("empty the log", lambda home: home.store.empty_log())


async def _restart(home: Home) -> None:
    assert await home.store.close()
    again = await Home.open(home.path, home.clock)
    home.store, home.desk = again.store, again.desk


RESTART = Step("restart", _restart)

LIFE: tuple[Step, ...] = (
    _claimed(),
    _queued("milk.md", "sugar.md"),
    stored("tea.md", 1),
    stored("cake.md", 1),
    _read(),
    stored("tea.md", 2),
    _begun(),
    _remembered("The kettle is in the shed", "kettle"),
    _removed("cake.md"),
    _forgotten(1, hard=False),
    _kept_up(),
    _remembered("The cups are in the attic", "cups"),
    _forgotten(1, hard=True),
    stored("tea.md", 3, 5),
)
"""What becomes of a database: made, written to in every way, tidied, and written to again."""


def any_life(seed: int) -> tuple[Step, ...]:
    """Another one: the same steps in another order and of other sizes, with restarts in between."""
    dice = random.Random(seed)
    steps = [_claimed()]
    for number in range(12):
        source, passages = f"{dice.choice('abc')}.md", dice.randint(1, 8)
        steps.append(
            dice.choice(
                (
                    stored(source, number, passages),
                    stored(source, number, passages),
                    _queued(*(f"{number}-{each}" for each in range(passages))),
                    _removed(source),
                    _remembered(f"Shelf {number} has {passages} cups", f"shelf/{number}"),
                    _kept_up(),
                    _emptied(),
                    RESTART,
                )
            )
        )
    return tuple(steps)


BACKUP = "pi-rag-backup-test.db"


def backed_up() -> Step:
    """A backup beside the database, unless there is one."""
    return Step("back up", _back_up)


async def _back_up(home: Home) -> None:
    folder = home.path.parent
    if not (folder / BACKUP).exists():
        order = backup.Order(folder, BACKUP, "test", str(folder), "", home.now)
        told, none_used = (lambda _what, _share: None), (lambda: 0)
        making = backup.Making(order, BackupSettings(), SETTINGS, home.clock, told, none_used)
        await home.store.aside(making)


@dataclass(slots=True)
class Told:
    """What became of a life, or of a part of it."""

    acknowledged: int = 0
    """Steps that returned, of the whole life."""
    errors: list[PiRagError] = field(default_factory=list)
    closed: bool = False
    """Whether it came to its last step, and the store was closed in good order."""
    states: list[Content] = field(default_factory=list)
    """What there was when it was opened and after each step, where that was looked at."""


async def live(
    path: Path,
    steps: Sequence[Step] = LIFE,
    begin: int = 0,
    acknowledged: Callable[[int], None] = lambda _: None,
    *,
    look: bool = False,
) -> Told:
    """Open the database and take the steps from `begin` on. What fails is tried again, as a guest would.

    Only errors of ours may come; all others go up, and so does a step that hangs. `acknowledged` is told of
    each step as it returns, by how many there are then, and when the database is open, which shows what there
    is. `look`: at what there is after each.
    """
    told, clock = Told(acknowledged=begin), HandClock()
    home = await _insisted(told, lambda: Home.open(path, clock))
    if home is None:
        return told
    acknowledged(begin)
    if look:
        told.states.append(await home.store.read(content))
    for number, step in enumerate(steps[begin:], begin):
        clock.now = START_S + number
        if await _insisted(told, partial(_done, step, home)) is None:
            break
        told.acknowledged = number + 1
        acknowledged(told.acknowledged)
        if look:
            told.states.append(await home.store.read(content))
    async with asyncio.timeout(STEP_S_MAX):
        closed = await home.store.close()
    told.closed = closed and told.acknowledged == len(steps)
    return told


async def _done(step: Step, home: Home) -> bool:
    await step.do(home)
    return True


T = TypeVar("T")


async def _insisted(told: Told, what: Callable[[], Awaitable[T]]) -> T | None:
    """What it gives, at the last try or before; None when each failed with an error of ours."""
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(STEP_S_MAX):
                return await what()
        except PiRagError as error:
            told.errors.append(error)
    return None


def content(db: Connection) -> Content:
    """All rows of all tables but those that SQLite makes for itself, and how words find them.

    Left out is the note that the log holds what was erased, which comes and goes between two steps, and of
    tables that never had a row that they count from 0.
    """
    sql = """
        SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'
            AND name NOT GLOB 'sqlite_stat*' AND name NOT GLOB '*_fts_*' ORDER BY name
    """
    found = {name: sorted(all_rows(db, f'SELECT * FROM "{name}"'), key=repr) for (name,) in all_rows(db, sql)}
    found["sqlite_sequence"] = [row for row in found.get("sqlite_sequence", []) if row[1]]
    found["meta"] = [row for row in found.get("meta", []) if row[0] != "log_holds_erased"]
    for index in ("chunks_fts", "memory_fts"):
        match = f"SELECT rowid FROM {index} WHERE {index} MATCH 'tea OR cups OR kettle' ORDER BY rowid"
        found[index] = all_rows(db, match)
    if db.table_exists("main", by_hash.TABLE):
        found[by_hash.TABLE] = _by_hashes(db)
    return found


def _by_hashes(db: Connection) -> list[Any]:
    """Each passage with those that are found by its hashes."""
    rows = "SELECT id, text_hash, copy_hash FROM chunks ORDER BY id"
    match = f"SELECT rowid FROM {by_hash.TABLE} WHERE {by_hash.TABLE} MATCH ? ORDER BY rowid"
    return [
        (
            number,
            text_hash and all_rows(db, match, (by_hash.made_of(text_hash),)),
            copy_hash is not None and all_rows(db, match, (by_hash.same_words(copy_hash),)),
        )
        for number, text_hash, copy_hash in all_rows(db, rows)
    ]


async def found(path: Path) -> Content:
    """What a database holds that is opened as the service opens it. It must be whole."""
    store = await asyncio.to_thread(Store.open, path, SETTINGS, HandClock())
    try:
        assert await store.read(checkup.check) == []
        return await store.read(content)
    finally:
        assert await store.close()
