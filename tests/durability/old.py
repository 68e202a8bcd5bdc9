"""Databases as each release left them: of every schema there was, with rows in every table of it."""

from __future__ import annotations

from pathlib import Path

from pi_rag.config import StoreSettings
from pi_rag.store import Connection, by_hash, connection, folder, migrations
from pi_rag.store.rows import all_rows
from tests.store.making import add_as_once, vector_of

NEWEST = len(migrations.STEPS)

FILLING: tuple[tuple[int, str], ...] = (
    (1, "INSERT INTO meta VALUES ('kept', 'as it was')"),
    (2, "INSERT INTO collections VALUES (1, 'default'), (2, 'house')"),
    (
        2,
        """
        INSERT INTO documents VALUES
            (1, 1, '/home/pi/tea.md', 'Tea', 'text', 'h1', '{"tag": "a"}', 22, 0, 1.0, 2.0),
            (4, 2, 'cake', 'Cake', 'text', 'h2', '{}', 10, 0, 3.0, 3.0)
        """,
    ),
    (2, "INSERT INTO document_texts VALUES (1, 'tea is hot\ntea in cups'), (4, 'cake & tea')"),
    (
        3,
        """
        INSERT INTO chunks (id, document_id, seq, start, end, page, heading, text, token_count) VALUES
            (1, 1, 0, 0, 10, NULL, '', 'tea is hot', 3), (2, 1, 1, 11, 22, 2, 'Cups', 'tea in cups', 3),
            (7, 4, 0, 0, 10, NULL, '', 'cake & tea', 3)
        """,
    ),
    (3, "UPDATE documents SET chunk_count = iif(id = 1, 2, 1)"),
    (
        5,
        """
        INSERT INTO jobs (id, collection, created_at, items_total, items_done)
            VALUES (3, 'default', 1.0, 4, 2)
        """,
    ),
    (
        5,
        """
        INSERT INTO job_items (id, job_id, kind, source, title, metadata, state, attempts) VALUES
            (8, 3, 'text', 'milk', '', '{}', 'queued', 0),
            (9, 3, 'file', '/home/pi/jam.md', '', '{}', 'running', 1)
        """,
    ),
    (5, "INSERT INTO item_payloads VALUES (8, x'6d696c6b')"),
    (
        5,
        "INSERT INTO job_refusals VALUES (1, 3, '/home/pi/x.bin', 'document_binary', 'Binary.', 'None.')",
    ),
    (6, "INSERT INTO query_uses VALUES (x'01', 3, 5.0)"),
    (6, "INSERT INTO query_vectors VALUES (x'01', zeroblob(32))"),
    (7, "UPDATE chunks SET text_hash = x'0a' WHERE id = 1"),
    (10, "UPDATE chunks SET copy_hash = 5 WHERE id IN (1, 7)"),
    (10, "INSERT INTO duplicates VALUES (7, 1, 4, 1, 0.9)"),
    (10, "INSERT INTO job_duplicates VALUES (1, 3, 'cake', 1, 1, '/home/pi/tea.md', 1)"),
    (
        12,
        """
        INSERT INTO dead_letters
            (id, job_id, kind, source, title, metadata, payload, attempts, code, message, hint, died_at)
        VALUES (6, 3, 'text', 'bread', '', '{}', x'627265616421', 3, 'document_gave_up', 'Often.', '', 4.0)
        """,
    ),
    (13, "INSERT INTO watches VALUES (1, '/home/pi', 'default', '[]', '[]', 1.0, 5)"),
    (
        13,
        """
        INSERT INTO watch_files (watch_id, path, size, mtime_ns, elsewhere) VALUES
            (1, 'tea.md', 20, 100, 0), (1, 'x.bin', 5, 100, 0)
        """,
    ),
    (14, "INSERT INTO document_items (document_id, item_id) VALUES (1, 2)"),
    (
        15,
        "INSERT INTO skipped VALUES (5, 'default', '/home/pi/y.bin', 'document_binary', 'Binary.', '', 2.0)",
    ),
    (17, "INSERT INTO memory_scopes (id, name) VALUES (1, 'user')"),
)
"""(since which schema, what was written then)."""

REFUSED_FILE = """
    UPDATE watch_files SET code = 'document_binary', message = 'Binary.', hint = 'None.'
    WHERE path = 'x.bin'
"""
"""Until schema 15 a watched file kept why it was not taken."""


def make(path: Path, schema: int) -> None:
    """A database of this schema at `path`, as a clean stop leaves it."""
    path.parent.mkdir(mode=0o700, parents=True)
    folder.lock_path(path).touch(0o600)
    db = connection.open_writer(path, StoreSettings())
    connection.apply(db, connection.WRITER, StoreSettings())
    migrations.migrate(db, migrations.STEPS[:schema])
    db.execute("BEGIN")
    for since, sql in FILLING:
        if since <= schema:
            db.execute(sql)
    _fill_by_age(db, schema)
    db.execute("COMMIT")
    db.close()


def _fill_by_age(db: Connection, schema: int) -> None:
    """What lay elsewhere, or was written in another way, before some schema."""
    if schema < 3:
        return
    passages = all_rows(db, "SELECT id, heading, text FROM chunks")
    for chunk_id, heading, text in passages:
        if schema < 8:
            add_as_once(db, chunk_id, vector_of(text))
        else:
            db.execute("INSERT INTO vectors VALUES (?, ?)", (chunk_id, vector_of(text)))
        if schema >= 4:
            sql = "INSERT INTO chunks_fts (rowid, title, heading, body) VALUES (?, 'T', ?, ?)"
            db.execute(sql, (chunk_id, heading, text))
    if schema >= 19:
        by_hash.create(db)
    if 13 <= schema < 15:
        db.execute(REFUSED_FILE)
