"""A file that no service has open, looked over: a stopped database, or a backup. It changes nothing.

What is wrong is told in plain sentences and never raised, so that there is always as much of an answer as the
file still gives. Damage is only what SQLite calls damage: a lock, a right or a disk that is at fault is an
error of its own and is raised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from pi_rag.config import StoreSettings
from pi_rag.errors import PathNotFound, StoreDamaged, StoreUnusable
from pi_rag.store import (
    Connection,
    card,
    checkup,
    connection,
    content,
    folder,
    identity,
    log_check,
    migrations,
)
from pi_rag.store.card import Card
from pi_rag.store.content import Digest, Pause, no_pause
from pi_rag.store.rows import all_rows, value
from pi_rag.store.translate import translated
from pi_rag.types import Fingerprint

COUNTED = {
    "documents": "documents",
    "passages": "chunks",
    "vectors": "vectors",
    "memories": "memories",
    "waiting": "job_items",
}
"""What is counted, and in which table. `waiting`: documents in the queue."""

Stop = Callable[[], bool]


@dataclass(slots=True)
class Inspection:
    """What was seen of one file."""

    path: Path
    is_deep: bool = False
    problems: list[str] = field(default_factory=list)
    schema: int | None = None
    counts: dict[str, int] = field(default_factory=dict)
    model: Fingerprint | None = None
    digest: Digest | None = None
    card: Card | None = None
    """None: it is no backup."""


def inspect(
    path: Path,
    settings: StoreSettings,
    *,
    deep: bool,
    pause: Pause = no_pause,
    stop: Stop = lambda: False,
) -> Inspection:
    """Look all of it over; `deep` also compares every index with its table and every passage with its text.

    `stop` is asked now and then whether to end. Raises PathNotFound, Stopping, SocketInUse when a service has
    it open, StoreUnusable when it is no database of ours or cannot be read, SchemaNewer.
    """
    refuse_half_swapped(path)
    if path.is_dir():
        hint = (
            f"Name a file. The backups in it: pi-rag restore --list {path}   (a data folder: --data {path})"
        )
        raise PathNotFound(f"{path} is a folder.", hint=hint)
    if not path.is_file():
        raise PathNotFound(f"There is no file {path}.", hint="Name a backup, or a data folder with --data.")
    seen = Inspection(path, is_deep=deep)
    with damage_told(seen), read_alone(path), translated(str(path)):
        look_over(seen, settings, pause, stop)
    return seen


def refuse_half_swapped(path: Path) -> None:
    """Raises StoreUnusable where what lies at `path` is about to be another database."""
    if folder.swap_path(path).exists():
        raise StoreUnusable(
            f"Another database was about to be put in the place of {path} when it was cut short.",
            hint="The next start of the service carries that out by itself; then run it again.",
        )


@contextlib.contextmanager
def read_alone(path: Path) -> Iterator[None]:
    """Nobody writes the database `path` meanwhile. Where it has no lock to hold, nobody ever has.

    Raises SocketInUse when a service has it open.
    """
    with ExitStack() as undo:
        if folder.lock_path(path).exists():
            undo.callback(folder.FolderLock(path, reading=True).release)
        yield


def examine(db: Connection, seen: Inspection, pause: Pause = no_pause) -> None:
    """Look over what this connection sees, in its transaction, and put it into `seen`.

    Raises StoreUnusable for another program's database, SchemaNewer for one of a newer pi_rag.
    """
    with damage_told(seen):
        _described(db, seen)
        _checked(db, seen)
    with damage_told(seen):
        seen.digest = content.digest(db, pause)
        _compared(seen)


def look_over(
    seen: Inspection, settings: StoreSettings, pause: Pause = no_pause, stop: Stop = lambda: False
) -> None:
    """As `inspect`, for whoever holds the lock; what SQLite says of the file is not translated."""
    if folder.is_cut_short(seen.path, connection.PAGE_BYTES):
        seen.problems.append("it is cut short: its last page is not whole")
    with damage_told(seen):
        log_check.refuse_lost(seen.path)
    with _no_trace(seen.path), damage_told(seen):
        db = connection.open_still(seen.path, settings)
        try:
            db.set_progress_handler(stop, checkup.PROGRESS_STEPS)
            db.execute("BEGIN")
            examine(db, seen, pause=pause)
        finally:
            db.close(True)


def _described(db: Connection, seen: Inspection) -> None:
    """Whose it is and what is in it. Raises StoreUnusable for a stranger's, SchemaNewer."""
    if not value(db, "SELECT count(*) FROM sqlite_schema") and value(db, "PRAGMA application_id") == 0:
        raise StoreUnusable(f"{seen.path} is an empty database.", hint="Name another file; see: ls -l")
    migrations.refuse_stranger(db)
    seen.schema = migrations.schema_version(db)
    with damage_told(seen):
        seen.card = card.read(db)
        seen.model = identity.fingerprint(db)
        seen.counts = counts(db)


def _checked(db: Connection, seen: Inspection) -> None:
    is_older = migrations.is_behind(db)
    seen.problems += checkup.check(db, is_older=is_older)
    if seen.is_deep:
        found = checkup.check_deeply(db, is_older=is_older)
        seen.problems += [each for each in found if each not in seen.problems]


def _compared(seen: Inspection) -> None:
    """A backup with what it said of itself when it was made."""
    if seen.card is None or seen.digest is None:
        return
    made = seen.card.digest
    wrong = [name for name, each in made.sections.items() if seen.digest.sections.get(name) != each]
    if wrong:
        seen.problems.append(f"{', '.join(wrong)}: not as when the backup was made (checksum)")
    elif made.whole != seen.digest.whole:
        seen.problems.append("the queue or what is derived is not as when the backup was made (checksum)")
    if dict(seen.card.counts) != seen.counts:
        seen.problems.append(f"it held {dict(seen.card.counts)} when it was made, and holds {seen.counts}")


def counts(db: Connection) -> dict[str, int]:
    """How many of each there are; a table that an older schema has not is left out."""
    there = {name for (name,) in all_rows(db, "SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return {
        what: int(value(db, f"SELECT count(*) FROM {table}"))
        for what, table in COUNTED.items()
        if table in there
    }


@contextlib.contextmanager
def damage_told(seen: Inspection) -> Iterator[None]:
    """What SQLite calls damage becomes a line; the next look may still tell more."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError, StoreDamaged) as error:
        said = str(error).rstrip(".")
        if said not in seen.problems:
            seen.problems.append(said)


@contextlib.contextmanager
def _no_trace(path: Path) -> Iterator[None]:
    """Reading a log makes an index of it beside; where there was none before, there is none after.

    The folder's lock is held, or there is none to hold: nobody else uses that file.
    """
    beside = folder.shm_path(path)
    was_there = beside.exists()
    try:
        yield
    finally:
        if not was_there:
            beside.unlink(missing_ok=True)
