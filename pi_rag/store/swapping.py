"""Another database in the place of this one, which is kept beside: wholly, or as if nothing had been begun.

A database and its log are two files, and no two files can be renamed at once. So what is about to be done is
written down first, in a file of its own. From then on it is carried out, by whoever comes next if need be:
each step can be done twice. Until then nothing has been touched. Nothing is deleted but what SQLite makes
anew.

Whoever calls it holds the lock of the data folder, and nobody has the database open.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pi_rag.models.wholefile import sync, write_whole
from pi_rag.store import folder
from pi_rag.store.translate import of_the_system


def kept_path(database: Path, word: str, wall_s: float) -> Path:
    """A name beside the database that is not taken, such as pi-rag.db.damaged-20261122T053000Z."""
    stamp = datetime.fromtimestamp(wall_s, UTC).strftime("%Y%m%dT%H%M%SZ")
    wanted = database.with_name(f"{database.name}.{word}-{stamp}")
    number = 2
    found = wanted
    while found.exists() or folder.wal_path(found).exists():
        found = wanted.with_name(f"{wanted.name}-{number}")
        number += 1
    return found


@contextmanager
def beside(database: Path, name: str) -> Iterator[Path]:
    """A file for the new one, free of what an attempt that was cut short has left, and freed again.

    Nothing else has this name. Raises StoreReadOnly, StoreUnusable.
    """
    new = database.with_name(name)
    _remove(new)
    try:
        yield new
    finally:
        # After the swap it has the database's name; and where the swap was written down, it must stay.
        if not folder.swap_path(database).exists():
            _remove(new)


def _remove(new: Path) -> None:
    try:
        for each in (new, folder.wal_path(new), folder.shm_path(new)):
            each.unlink(missing_ok=True)
    except OSError as error:
        raise of_the_system(error, new) from error


def put_in_place(database: Path, new: Path, kept: Path) -> None:
    """`new`, a whole database without a log, becomes `database`; what was there, and its log, `kept`.

    All three are in one folder. Returns when that is on the disk. Raises StoreReadOnly, DiskFull,
    StoreUnusable.
    """
    assert new.parent == kept.parent == database.parent, "a file is renamed within its folder"
    assert not folder.has_log(new), "a log would not come along"
    try:
        _own(new, folder.lock_path(database))
        sync(new)
        write_whole(folder.swap_path(database), json.dumps({"new": new.name, "kept": kept.name}).encode())
    except OSError as error:
        raise of_the_system(error, database) from error
    finish(database)


def _own(*paths: Path) -> None:
    """Root may do it for the service: what it writes belongs to whom the folder belongs."""
    if os.geteuid() == 0:
        for each in filter(Path.exists, paths):
            facts = each.parent.stat()
            os.chown(each, facts.st_uid, facts.st_gid)


def finish(database: Path) -> bool:
    """Carry out what was written down, as far as it is not done yet. False when there is nothing.

    Raises StoreReadOnly, DiskFull, StoreUnusable.
    """
    mark = folder.swap_path(database)
    try:
        if not mark.exists():
            return False
        names = json.loads(mark.read_bytes())
        _carry_out(database, database.with_name(names["new"]), database.with_name(names["kept"]))
        mark.unlink()
        sync(database.parent)
    except OSError as error:
        raise of_the_system(error, database) from error
    return True


def _carry_out(database: Path, new: Path, kept: Path) -> None:
    if not new.exists():
        return  # it was renamed, which is the last step
    if database.exists() and not kept.exists():
        database.rename(kept)
    log, kept_log = folder.wal_path(database), folder.wal_path(kept)
    if log.exists() and not kept_log.exists():
        log.rename(kept_log)
    folder.shm_path(database).unlink(missing_ok=True)
    sync(database.parent)
    new.rename(database)
    sync(database.parent)
