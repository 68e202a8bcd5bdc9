"""Whether the database is whole: its pages, its references, and that what it holds is in all its places.

It only reads and only reports. Nothing here mends or removes anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import apsw

from pi_rag.errors import StoreDamaged
from pi_rag.store import Connection
from pi_rag.store.rows import value

PROGRESS_STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock: a few milliseconds."""

_PAIRS = (
    ("passages without words", "SELECT id FROM chunks EXCEPT SELECT rowid FROM chunks_fts"),
    ("words without a passage", "SELECT rowid FROM chunks_fts EXCEPT SELECT id FROM chunks"),
    ("passages without hashes", "SELECT id FROM chunks EXCEPT SELECT rowid FROM hashes_fts"),
    ("hashes without a passage", "SELECT rowid FROM hashes_fts EXCEPT SELECT id FROM chunks"),
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
        "parts of memories without words",
        "SELECT id FROM memory_parts EXCEPT SELECT rowid FROM memory_fts",
    ),
    (
        "words without a part of a memory",
        "SELECT rowid FROM memory_fts EXCEPT SELECT id FROM memory_parts",
    ),
    ("memories without a text", "SELECT id FROM memories EXCEPT SELECT memory_id FROM memory_texts"),
    (
        "texts without a memory",
        "SELECT memory_id FROM memory_texts WHERE text <> '' EXCEPT SELECT id FROM memories",
    ),
    (
        "parts of memories with neither a vector nor a place among those that wait",
        "SELECT id FROM memory_parts WHERE memory_id NOT IN (SELECT memory_id FROM memory_pending) "
        "EXCEPT SELECT part_id FROM memory_vectors",
    ),
    (
        "scopes with a wrong count of memories",
        "SELECT id FROM memory_scopes WHERE facts + events + summaries + gone <> "
        "(SELECT count(*) FROM memories WHERE scope_id = memory_scopes.id)",
    ),
    (
        "vectors of another width than the first",
        "SELECT chunk_id FROM vectors WHERE length(vector) <> (SELECT length(vector) FROM vectors LIMIT 1)",
    ),
)


_LONG_CHARS = 1_000_000
"""In a text that is longer, passages are only seen to lie within it: to find a character, SQLite counts all
that are before it, which for each passage of a long text would take hours."""

_DEEP = (
    (
        "passages that are not in their document's text where they say",
        "SELECT chunks.id FROM chunks JOIN documents ON documents.id = document_id "
        "JOIN document_texts USING (document_id) "
        f"WHERE end > char_count OR (char_count <= {_LONG_CHARS} "
        "AND substr(document_texts.text, start + 1, end - start) <> chunks.text)",
    ),
    (
        "vectors that are not of unit length",
        "SELECT chunk_id FROM vectors WHERE length(vector) % 4 = 0 AND "
        "coalesce(vec_distance_l2(vector, zeroblob(length(vector))), -1) NOT BETWEEN 0.99 AND 1.01",
    ),
)


def check(db: Connection, *, is_older: bool = False) -> list[str]:
    """Every problem found, in plain sentences; empty when the database is whole. Reads all of it.

    `is_older`: its schema is not the newest, so not all tables that are compared are there.
    """
    return _problems(db, (_structure, _references) if is_older else (_structure, _references, _counted))


def check_deeply(db: Connection, *, is_older: bool = False) -> list[str]:
    """What takes longer: every index against its table, every passage against its text, every vector."""
    return _problems(db, (_integrity, _words) if is_older else (_integrity, _words, _content))


def _problems(db: Connection, looks: Sequence[Callable[[Connection], Iterable[str]]]) -> list[str]:
    problems: list[str] = []
    for look in looks:
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
    for index in _word_indexes(db):
        with contextlib.suppress(apsw.CorruptError):  # the check will say so
            value(db, f"SELECT rowid FROM {index} WHERE {index} MATCH 'a' LIMIT 1")
    return _said(db, "quick_check")


def _integrity(db: Connection) -> Iterator[str]:
    return _said(db, "integrity_check")


def _said(db: Connection, pragma: str) -> Iterator[str]:
    """A problem a line: SQLite puts several into one row, under a heading that says nothing."""
    lines = (line for (row,) in db.execute(f"PRAGMA {pragma}") for line in row.splitlines())
    return (line for line in lines if line != "ok" and not line.startswith("*** in database"))


def _content(db: Connection) -> Iterator[str]:
    return _found(db, _DEEP)


def _words(db: Connection) -> Iterator[str]:
    """What the indexes of words still know of passages and memories that are gone.

    They have no copy of the text, so SQLite's own check compares them with nothing.
    """
    for index in _word_indexes(db):
        with _places_of_words(db, index) as places:
            gone = f"SELECT doc FROM {places} EXCEPT SELECT rowid FROM {index}"
            number = value(db, f"SELECT count(*) FROM ({gone})")
        if number:
            yield f"{number} rows that are gone, and the words of which {index} still has"


def _word_indexes(db: Connection) -> list[str]:
    made = "SELECT name FROM sqlite_schema WHERE name IN ('chunks_fts', 'hashes_fts', 'memory_fts')"
    return [name for (name,) in db.execute(made)]


@contextlib.contextmanager
def _places_of_words(db: Connection, index: str) -> Iterator[str]:
    """A table of every place of every word. It is temporary: the database itself is not written."""
    reads_only = value(db, "PRAGMA query_only")
    db.execute("PRAGMA query_only = 0")
    try:
        db.execute(f"CREATE VIRTUAL TABLE temp.places USING fts5vocab (main, {index}, instance)")
        db.execute(f"PRAGMA query_only = {reads_only}")
        yield "places"
    finally:
        db.execute("PRAGMA query_only = 0")
        db.execute("DROP TABLE IF EXISTS temp.places")
        db.execute(f"PRAGMA query_only = {reads_only}")


def _references(db: Connection) -> Iterator[str]:
    for table, row_id, parent, _ in db.execute("PRAGMA foreign_key_check"):
        yield f"{table} row {row_id} refers to a row of {parent} that is not there"


def _counted(db: Connection) -> Iterator[str]:
    return _found(db, _PAIRS)


def _found(db: Connection, looks: Sequence[tuple[str, str]]) -> Iterator[str]:
    for what, sql in looks:
        number = value(db, f"SELECT count(*) FROM ({sql})")
        if number:
            yield f"{number} {what}"
