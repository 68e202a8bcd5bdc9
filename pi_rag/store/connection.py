"""How a connection to the database is opened: a list of small policies, each with its reason.

It knows the file and the settings, and nothing of the tables.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import apsw

from pi_rag.config import StoreSettings
from pi_rag.errors import StoreReadOnly, StoreUnusable
from pi_rag.store import Connection
from pi_rag.store.folder import has_log, lock_path, refuse_lone_log

Policy = Callable[[Connection, StoreSettings], None]

PAGE_BYTES = 16384

INCREMENTAL = 2
"""An `auto_vacuum` by which pages can be given back. A database made without it only uses them again."""


def load_sqlite_vec(db: Connection, _: StoreSettings) -> None:
    """Vector tables come from an extension.

    It is found without importing its package, which would import Python's own sqlite3: a second SQLite
    library in one process breaks the file locks of the first.
    """
    spec = importlib.util.find_spec("sqlite_vec")
    if spec is None or not spec.submodule_search_locations:
        raise StoreUnusable("sqlite-vec is not installed.", hint="Install the project again: ./install.sh")
    db.enable_load_extension(True)
    db.load_extension(os.fspath(Path(spec.submodule_search_locations[0]) / "vec0"))
    db.enable_load_extension(False)


def busy_timeout(db: Connection, settings: StoreSettings) -> None:
    """Wait for a stranger's lock, such as a backup tool's, instead of failing at once."""
    db.set_busy_timeout(int(settings.busy_s_max * 1000))


def defensive(db: Connection, _: StoreSettings) -> None:
    """No statement may damage the file on purpose: shadow tables and the schema are out of reach."""
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)


def distrust_schema(db: Connection, _: StoreSettings) -> None:
    """A file that somebody has tampered with cannot make its views and triggers call our functions."""
    db.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)


def foreign_keys(db: Connection, _: StoreSettings) -> None:
    """A passage without its document must be impossible; SQLite checks that only when asked to."""
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)


def cell_size_check(db: Connection, _: StoreSettings) -> None:
    """A damaged page is noticed when it is read, before it can do harm."""
    db.execute("PRAGMA cell_size_check = ON")


def small_cache(db: Connection, settings: StoreSettings) -> None:
    """Vector scans bypass the page cache, so little is enough; a negative number counts in KiB."""
    db.execute(f"PRAGMA cache_size = -{settings.cache_mib * 1024}")


def temporary_in_ram(db: Connection, _: StoreSettings) -> None:
    """Sorting must not write to the card."""
    db.execute("PRAGMA temp_store = MEMORY")


def no_memory_map(db: Connection, _: StoreSettings) -> None:
    """A read error of a worn card would kill the process by signal. A scan is 1/8 slower this way."""
    db.execute("PRAGMA mmap_size = 0")


def large_pages(db: Connection, _: StoreSettings) -> None:
    """A vector scan reads whole pages: 16 KiB ones need a quarter of the calls. Only a new file takes it."""
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")


def space_can_be_given_back(db: Connection, _: StoreSettings) -> None:
    """Without it a database never gets smaller. Its log gets a twentieth larger. Only a new file takes it.

    One that has it is not told again: SQLite would write it down each time, and a full disk has no room.
    """
    if db.execute("PRAGMA auto_vacuum").get != INCREMENTAL:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")


def removed_is_overwritten(db: Connection, _: StoreSettings) -> None:
    """What was removed or erased cannot be read from the file. Adding documents writes a hundredth more for
    it, replacing them a sixteenth, removing them a quarter: benchmarks/LOG.md.
    """
    db.execute("PRAGMA secure_delete = ON")


@contextlib.contextmanager
def left_in_the_file(db: Connection) -> Iterator[None]:
    """What goes meanwhile is overwritten when its place is used again: a large table of what can be read by
    nobody goes at once this way, and would else be written whole into the log.
    """
    db.execute("PRAGMA secure_delete = FAST")
    try:
        yield
    finally:
        db.execute("PRAGMA secure_delete = ON")


def write_ahead_log(db: Connection, _: StoreSettings) -> None:
    """Readers and the writer do not wait for one another. A network disk cannot do it, and is refused."""
    mode = db.execute("PRAGMA journal_mode = WAL").get
    if mode != "wal":
        raise StoreUnusable(f"The database cannot use a write-ahead log (its journal is {mode!r}).")


def sync_each_commit(db: Connection, _: StoreSettings) -> None:
    """What is acknowledged has reached the disk: with less, a power cut takes the last commits back."""
    db.execute("PRAGMA synchronous = FULL")


def bounded_log(db: Connection, settings: StoreSettings) -> None:
    """A log that grew once is cut back at the next checkpoint instead of keeping its size for ever."""
    db.execute(f"PRAGMA journal_size_limit = {settings.wal_mib_max * 2**20}")


def leave_log(db: Connection, *, leave: bool) -> None:
    """Whether the last connection, when it is closed, leaves the log as it is. Of a database that is damaged
    no byte is to change: who looks at it later needs both files.
    """
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(leave))


EVERY_CONNECTION: tuple[Policy, ...] = (
    load_sqlite_vec,
    busy_timeout,
    defensive,
    distrust_schema,
    foreign_keys,
    cell_size_check,
    small_cache,
    temporary_in_ram,
    no_memory_map,
)
"""None of these writes to the file, so they are safe on one that is not ours."""

WRITER: tuple[Policy, ...] = (
    large_pages,
    space_can_be_given_back,
    removed_is_overwritten,
    write_ahead_log,
    sync_each_commit,
    bounded_log,
)
"""These may write, so they come after the file is known to be ours."""


def open_writer(path: Path, settings: StoreSettings) -> Connection:
    """The connection that writes, before its WRITER policies. Makes the file if there is none.

    Raises StoreReadOnly when SQLite could open it for reading only.
    """
    db = _open(path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE, settings)
    if db.readonly("main"):
        db.close()
        raise StoreReadOnly(f"{path} can be read but not written.")
    return db


def open_reader(path: Path, settings: StoreSettings, *, nobody_writes: bool = False) -> Connection:
    """A connection that cannot write, whatever it is asked.

    `nobody_writes`: the file stays as it is, so it needs no log, no lock and no file beside it. SQLite takes
    that for granted, so it must be so.
    """
    return _open(path, apsw.SQLITE_OPEN_READONLY, settings, "&immutable=1" if nobody_writes else "")


def open_still(path: Path, settings: StoreSettings) -> Connection:
    """A reader of a file that stands still: a backup, or the database of a service that is stopped.

    Its log is read where there is one; else nothing is made beside it, and nothing locked. It may be called
    as it likes: nothing of its name is used. Raises StoreDamaged for a log without its database.
    """
    refuse_lone_log(path)
    more = "" if has_log(path) else "&immutable=1"
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro{more}"
    return _with_policies(Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI), settings)


def apply(db: Connection, policies: tuple[Policy, ...], settings: StoreSettings) -> None:
    """Put each policy into force, in order."""
    for policy in policies:
        policy(db, settings)


def sqlite_vec_version() -> str:
    """What the loaded extension says of itself, asked in RAM before any file is touched."""
    db = Connection(":memory:")
    try:
        load_sqlite_vec(db, StoreSettings())
        return str(db.execute("SELECT vec_version()").get)
    finally:
        db.close()


def _open(path: Path, flags: int, settings: StoreSettings, more: str = "") -> Connection:
    return _with_policies(Connection(_uri(path) + more, flags=flags | apsw.SQLITE_OPEN_URI), settings)


def _with_policies(db: Connection, settings: StoreSettings) -> Connection:
    try:
        apply(db, EVERY_CONNECTION, settings)
    except BaseException:
        leave_log(db, leave=has_log(Path(db.filename)))  # a damaged database is met here first
        db.close()
        raise
    return db


def _uri(path: Path) -> str:
    """A new database takes the rights of the lock file, 0600, from its first moment; so does its log."""
    return (
        f"file:{quote(os.fsencode(path.absolute()))}?modeof={quote(os.fsencode(lock_path(path).absolute()))}"
    )
