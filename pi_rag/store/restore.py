"""A backup in the place of the database, which is kept beside: looked over first, and wholly or not at all.

The backup is copied into the data folder under a name that nobody takes for a database, compared there with
what it says of itself, and only then put in place (`swapping.py`). A kill at any moment leaves the old one
or the new one, and the next start goes on from there. The service must be stopped: its lock is taken.

What is derived beside the database belongs to the old one and goes: it is made anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import apsw

from pi_rag.config import StoreSettings
from pi_rag.errors import DiskFull, NoBackup, StoreReadOnly
from pi_rag.models.wholefile import sync
from pi_rag.store import Connection, backup, card, folder, inspection, snapshot, swapping
from pi_rag.store.card import Card
from pi_rag.store.inspection import Inspection
from pi_rag.store.translate import of_the_system, translated

PIECE_BYTES = 2**20

INDEX = "index"
"""The folder of what is derived, beside the database."""

Told = Callable[[str], object]
"""Called with what is being done: comparing, copying, restoring."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What is back."""

    card: Card
    seen: Inspection
    kept: Path | None
    """Where the database that was there is now; None when there was none."""


def restore(source: Path, database: Path, settings: StoreSettings, wall_s: float, told: Told) -> Restored:
    """Put the backup `source` in the place of `database`.

    Raises PathNotFound, NoBackup when it is none or not whole, SchemaNewer, SocketInUse when a service has
    the data folder, StoreReadOnly, DiskFull or StoreUnusable. Then the database is what it was.
    """
    _expect_unused(database)
    told("comparing")
    expect_whole(source, settings)
    with ExitStack() as undo, translated(str(database)):
        _prepared(database)
        undo.callback(folder.FolderLock(database).release)
        swapping.finish(database)
        new = undo.enter_context(swapping.beside(database, f"{database.name}.restoring"))
        told("copying")
        _copied(source, new)
        told("comparing")
        seen = expect_whole(new, settings)
        assert seen.card is not None, "it was compared with it"
        _made_a_database(new)
        told("restoring")
        kept = swapping.kept_path(database, "before-restore", wall_s)
        was_there = database.exists() or folder.has_log(database)
        shutil.rmtree(database.parent / INDEX, ignore_errors=True)
        swapping.put_in_place(database, new, kept)
    return Restored(seen.card, seen, kept if was_there else None)


def _expect_unused(database: Path) -> None:
    """A service is told of before a comparison that takes long; the lock is kept from the copy on.

    Raises SocketInUse, StoreReadOnly.
    """
    try:
        with inspection.read_alone(database):
            return
    except OSError as error:
        raise of_the_system(error, database.parent) from error


def expect_whole(path: Path, settings: StoreSettings) -> Inspection:
    """What a backup says and holds. Raises PathNotFound, NoBackup, SchemaNewer, StoreUnusable."""
    seen = inspection.inspect(path, settings, deep=False)
    if seen.problems:
        raise NoBackup(
            f"{path} is damaged: {seen.problems[0]}. The database was not touched.",
            hint=f"Choose another: pi-rag restore --list {path.parent}",
        )
    if seen.card is None:
        raise NoBackup(f"{path} is no backup: it has no card. The database was not touched.")
    return seen


def _prepared(database: Path) -> None:
    """As `folder.prepare`, but a database that has lost all but its log is a reason to restore."""
    try:
        database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(database.parent, os.W_OK | os.X_OK, effective_ids=True):
            raise StoreReadOnly(f"{database.parent} cannot be written by this user.")
    except OSError as error:
        raise of_the_system(error, database.parent) from error


def _copied(source: Path, new: Path) -> None:
    """Byte by byte, onto the disk. Raises DiskFull, StoreReadOnly, StoreUnusable."""
    try:
        facts, size = os.statvfs(new.parent), source.stat().st_size
        free = facts.f_bavail * facts.f_frsize
        if size + backup.SYNC_BYTES > free:
            raise DiskFull(
                f"The backup is {size >> 20} MiB, and {new.parent} has {free >> 20}.",
                hint="The database that is there is kept, so there must be room for both.",
            )
        with source.open("rb") as old, new.open("xb") as copy:
            new.chmod(0o600)
            while piece := old.read(PIECE_BYTES):
                copy.write(piece)
        sync(new)
    except OSError as error:
        raise of_the_system(error, new) from error


def _made_a_database(new: Path) -> None:
    """Without its card, and without the note of an index that is not there: what is derived is made anew."""
    db = Connection(str(new), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("BEGIN IMMEDIATE")
        card.remove(db)
        snapshot.forget(db)
        db.execute("COMMIT")
    finally:
        db.close(True)
    sync(new)
