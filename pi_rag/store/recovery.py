"""Recovery: whatever can be read of a damaged database, in a new one, made by the store's own code.

The damaged file is only read (`salvage/`). Rows that fit their table go into a fresh database, documents and
memories are judged, what can be made from them is made anew, and the result must pass the checkup before it
is put in place. Then the damaged file has another name, and not a byte of it has changed.

No service runs meanwhile: the lock of the folder is taken first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import apsw

from pi_rag.config import StoreSettings
from pi_rag.errors import PathNotFound, PiRagError, SchemaNewer, StoreDamaged, StoreUnusable
from pi_rag.store import (
    Connection,
    by_hash,
    by_words,
    checkup,
    connection,
    folder,
    identity,
    inspection,
    migrations,
    swapping,
    upkeep,
    versions,
)
from pi_rag.store.rows import all_rows, value
from pi_rag.store.salvage import (
    filling,
    image,
    layout,
    mending,
    mending_memory,
    mending_queue,
    witnesses,
)
from pi_rag.store.salvage.filling import Filled
from pi_rag.store.salvage.image import Image
from pi_rag.store.salvage.layout import Layout
from pi_rag.store.salvage.mending import Documents, ToQueue
from pi_rag.store.salvage.mending_memory import Memories, WordsHash
from pi_rag.store.salvage.mending_queue import Queue
from pi_rag.store.salvage.trees import Forest
from pi_rag.store.translate import of_the_system, translated

NEW_SUFFIX = ".recovering"
"""The new database while it is made: `pi-rag.recovering`, which has the lock of `pi-rag.db`."""

WORD = "damaged"
"""The old one is called `pi-rag.db.damaged-TIME` afterwards."""

RESTORE = (
    "Restore a backup: pi-rag restore. Without one, begin anew in another --data folder, and add the "
    "sources again. Keep the damaged file."
)


@dataclass(frozen=True, slots=True)
class Means:
    """What the rooms above lend: the store knows neither lines of an export nor how facts are told apart."""

    to_queue: ToQueue
    words_hash: WordsHash


@dataclass(frozen=True, slots=True)
class Saved:
    """What was found in a damaged database, and what became of it."""

    pages: int
    log_pages: int
    """Pages of commits that were only in the log."""
    log_damaged: int
    """Of these, those that are not whole; they are read all the same."""
    log_last_torn: bool
    """Whether the last commit was left out: it is not whole, as after a power cut."""
    schema_version: int
    guessed: Sequence[str]
    """Tables and indexes that the list of tables does not name, and that were found all the same."""
    missing: Sequence[str]
    """Tables that were not found: what they held is lost."""
    unread: int
    """Pages of tables and indexes that could not be read."""
    unvouched: Sequence[str]
    """Tables of which a page or a row could not be read, where nothing else tells which rows they had."""
    cut: bool
    """Whether the file ends before its database does."""
    refused: int
    """Rows that could not be read, as far as they could be counted."""
    documents: Documents
    memories: Memories
    queue: Queue
    passages: int
    vectors: int
    model: str | None
    """The one that made the vectors; None where that is gone, so that all are made anew."""
    problems: Sequence[str] = field(default_factory=list)
    """What the checkup says of the new database: nothing."""
    database: Path | None = None
    kept: Path | None = None
    """Where the damaged one is now; None where nothing was put in place."""
    said: Sequence[str] = field(default_factory=list)
    """What the checkup says of the damaged file, where no row shows that it is damaged."""
    is_sound: bool = False
    """Whether the file itself is whole, so that there was nothing to do, and nothing was done."""

    @property
    def has_blemish(self) -> bool:
        """Whether anything at all was not as a database that is whole has it."""
        papers, memories, queue = self.documents, self.memories, self.queue
        of_rows = (papers.mended, papers.partial, papers.lost, papers.queued, memories.lost, memories.partial)
        of_log = (self.log_damaged, self.log_last_torn, queue.lost, queue.partial)
        return any((*of_rows, *of_log, self.guessed, self.missing, self.unread, self.cut, self.problems))


def recover(
    path: Path, to: Path, settings: StoreSettings, means: Means, now: float, *, dry_run: bool
) -> Saved:
    """Save what can be read of the database `path` into `to`, which takes its place where it is the same.

    With `dry_run` the new database is made, looked at and removed again. So it is where the file turns out to
    be whole: that is not replaced. Raises SocketInUse while a service runs, PathNotFound, StoreDamaged when
    there is nothing that can be read, SchemaNewer, StoreUnusable for another program's file, DiskFull,
    StoreReadOnly.
    """
    versions.check_versions(apsw.sqlite_lib_version(), connection.sqlite_vec_version())
    with _held(path, to), swapping.beside(to, f"{to.stem}{NEW_SUFFIX}") as new:
        with image.opened(path) as found, translated(f"The new database {new}"):
            saved = _made(new, found, settings, means, now)
        if path == to and not saved.has_blemish:
            said = _said_of(path, settings, saved.schema_version)
            saved = replace(saved, said=said, is_sound=not said)
            if saved.is_sound:
                return saved
        return saved if dry_run else _placed(saved, path, to, new, now)


@contextmanager
def _held(path: Path, to: Path) -> Iterator[None]:
    """Hold both folders. Where the new one goes, what was begun there before is ended first; the other one is
    only read, and may lie where nothing can be written."""
    if not path.exists() and not folder.has_log(path) and not folder.swap_path(path).exists():
        raise PathNotFound(f"There is no database {path}.", hint="Name its folder with --data.")
    with ExitStack() as undo:
        if to != path:
            inspection.refuse_half_swapped(path)
            undo.enter_context(inspection.read_alone(path))
        _make_folder(to.parent)
        undo.callback(folder.FolderLock(to).release)
        swapping.finish(to)
        if to != path and (to.exists() or folder.has_log(to)):
            raise StoreUnusable(f"{to} is there already.", hint="Name a folder without a database with --to.")
        yield


def _make_folder(place: Path) -> None:
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise of_the_system(error, place) from error


def _said_of(path: Path, settings: StoreSettings, schema_version: int) -> list[str]:
    """What SQLite and the checkup find, if anything: there may be damage in what is only made anew."""
    seen = inspection.Inspection(path, is_deep=True)
    try:
        inspection.look_over(seen, settings)
    except (apsw.Error, PiRagError, ValueError, TypeError) as error:  # damage may be no text and no JSON
        return [*seen.problems, str(error) or type(error).__name__]
    if seen.schema != schema_version:
        seen.problems.append(f"its schema says {seen.schema}, and is that of {schema_version}")
    return seen.problems


def _placed(saved: Saved, path: Path, to: Path, new: Path, now: float) -> Saved:
    if saved.problems:
        raise StoreDamaged(
            f"What was saved of {path} is not whole: {saved.problems[0]}. Nothing was put in its place.",
            hint=RESTORE,
        )
    kept = swapping.kept_path(to, WORD, now)
    swapping.put_in_place(to, new, kept)
    return replace(saved, database=to, kept=kept if kept.exists() else None)


def _made(new: Path, found: Image, settings: StoreSettings, means: Means, now: float) -> Saved:
    """The new database, whole and closed, and what is in it."""
    laid = _laid_out(found)
    forest = Forest(found, laid.roots.values())
    db = connection.open_writer(new, settings)
    try:
        connection.apply(db, connection.WRITER, settings)
        db.execute("PRAGMA synchronous = OFF")  # it counts only once it is whole, and is synced then
        db.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 0)
        migrations.migrate(db, migrations.STEPS[: laid.schema.version])
        filled = filling.fill(db, forest, laid)
        migrations.migrate(db)
        saved = _mended(db, found, laid, filled, forest, means, now)
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        db.close(True)
    return saved


def _laid_out(found: Image) -> Layout:
    """Raises StoreUnusable, SchemaNewer, StoreDamaged when there is nothing to read."""
    if not found.count:
        raise StoreDamaged("The database is an empty file: there is nothing to save.", hint=RESTORE)
    if layout.is_another_programs(found):
        raise StoreUnusable("It is a database of another program.", hint="Choose another --data.")
    if layout.is_newer(found):
        raise SchemaNewer("It was written by a newer pi_rag.", hint="Upgrade pi_rag, and recover with that.")
    laid = layout.found(found)
    if not {"documents", "document_texts", "chunks", "memories"} & laid.roots.keys():
        raise StoreDamaged(
            "Its list of tables is gone, and no table is where a fresh database has it.", hint=RESTORE
        )
    return laid


def _mended(
    db: Connection,
    found: Image,
    laid: Layout,
    filled: Filled,
    forest: Forest,
    means: Means,
    now: float,
) -> Saved:
    told = witnesses.heard(forest, laid)
    db.execute("BEGIN IMMEDIATE")
    queue = mending_queue.mend(db, told, now)
    documents = mending.mend(db, filled, told, means.to_queue, now)
    memories = mending_memory.mend(db, filled, told, means.words_hash, now)
    _drop_loose(db)
    by_words.create(db)
    by_hash.create(db)
    db.execute("COMMIT")
    upkeep.plan(db)
    model = identity.fingerprint(db)
    return Saved(
        pages=found.count,
        log_pages=sum(map(len, found.log.kept)),
        log_damaged=found.log.damaged,
        log_last_torn=found.log.last_is_torn,
        schema_version=laid.schema.version,
        guessed=sorted(laid.guessed),
        missing=filling.missing(laid),
        unread=forest.unread(),
        unvouched=filling.unvouched(forest, laid, filled),
        cut=found.cut,
        refused=sum(filled.refused.values()),
        documents=documents,
        memories=memories,
        queue=queue,
        passages=value(db, "SELECT count(*) FROM chunks"),
        vectors=value(db, "SELECT count(*) FROM vectors"),
        model=model.model_name if model else None,
        problems=checkup.check(db),
    )


def _drop_loose(db: Connection) -> None:
    """Rows that refer to one that is not there, until there are none: they say nothing without it."""
    links = all_rows(
        db,
        """
        SELECT tables.name, links."from", links."table", coalesce(links."to", keys.name)
        FROM sqlite_schema AS tables, pragma_foreign_key_list(tables.name) AS links
        LEFT JOIN pragma_table_info(links."table") AS keys ON keys.pk = 1
        WHERE tables.type = 'table'
        """,
    )
    while any(_dropped(db, *link) for link in links):
        pass


def _dropped(db: Connection, table: str, column: str, parent: str, key: str) -> bool:
    there = f'SELECT "{key}" FROM "{parent}"'
    db.execute(f'DELETE FROM "{table}" WHERE "{column}" IS NOT NULL AND "{column}" NOT IN ({there})')
    return db.changes() > 0
