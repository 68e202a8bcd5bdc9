"""Whether the database is whole: its pages, its references, and that each passage is in all three places.

It only reads and only reports. Nothing here mends or removes anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import apsw

from pi_rag.errors import StoreDamaged
from pi_rag.store import Connection
from pi_rag.store.rows import value

PROGRESS_STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock: a few milliseconds."""

_PAIRS = (
    ("passages without words", "SELECT id FROM chunks EXCEPT SELECT rowid FROM chunks_fts"),
    ("words without a passage", "SELECT rowid FROM chunks_fts EXCEPT SELECT id FROM chunks"),
    (
        "documents without their text",
        "SELECT id FROM documents EXCEPT SELECT document_id FROM document_texts",
    ),
    ("texts without a document", "SELECT document_id FROM document_texts EXCEPT SELECT id FROM documents"),
    (
        "passages without a document",
        "SELECT id FROM chunks WHERE document_id NOT IN (SELECT id FROM documents)",
    ),
    (
        "documents with a wrong count of passages",
        "SELECT id FROM documents WHERE chunk_count <> "
        "(SELECT count(*) FROM chunks WHERE document_id = documents.id)",
    ),
    ("passages without a vector", "SELECT id FROM chunks EXCEPT SELECT chunk_id FROM vectors"),
    ("vectors without a passage", "SELECT chunk_id FROM vectors EXCEPT SELECT id FROM chunks"),
    (
        "vectors of another width than the first",
        "SELECT chunk_id FROM vectors WHERE length(vector) <> (SELECT length(vector) FROM vectors LIMIT 1)",
    ),
)


def check(db: Connection) -> list[str]:
    """Every problem found, in plain sentences; empty when the database is whole. Reads all of it."""
    problems: list[str] = []
    for look in (_structure, _references, _counted):
        try:
            problems += look(db)
        except apsw.CorruptError as error:
            # One look may be impossible and the next still tell more.
            problems.append(str(error))
    return problems


def check_quickly(db: Connection, out_of_time: Callable[[], bool]) -> None:
    """Look at as much of the file's structure as time allows. Raises StoreDamaged when that is not whole."""
    stopped = False

    def stop() -> bool:
        nonlocal stopped
        stopped = stopped or out_of_time()
        return stopped

    problems: list[str] = []
    db.set_progress_handler(stop, PROGRESS_STEPS)
    try:
        problems.extend(_structure(db))
    except apsw.InterruptError:
        pass  # what was found until then counts
    finally:
        db.set_progress_handler(None)
    # A look at the word index that was stopped half-way is reported as a problem, and is none.
    real = [problem for problem in problems if not (stopped and "unable to validate" in problem)]
    if real:
        raise StoreDamaged(f"The database {db.filename} is damaged: {real[0]}.")


def _structure(db: Connection) -> Iterator[str]:
    """Pages and tables by SQLite's own check, which asks FTS5 about its index too.

    FTS5 checks by what it remembers of the index from this connection's last read, and calls what another
    connection has merged since damage; so the index is read first.
    """
    if value(db, "SELECT 1 FROM sqlite_schema WHERE name = 'chunks_fts'"):
        with contextlib.suppress(apsw.CorruptError):  # the check will say so
            value(db, "SELECT rowid FROM chunks_fts WHERE chunks_fts MATCH 'a' LIMIT 1")
    return (row[0] for row in db.execute("PRAGMA quick_check") if row[0] != "ok")


def _references(db: Connection) -> Iterator[str]:
    for table, row_id, parent, _ in db.execute("PRAGMA foreign_key_check"):
        yield f"{table} row {row_id} refers to a row of {parent} that is not there"


def _counted(db: Connection) -> Iterator[str]:
    for what, sql in _PAIRS:
        number = value(db, f"SELECT count(*) FROM ({sql})")
        if number:
            yield f"{number} {what}"
