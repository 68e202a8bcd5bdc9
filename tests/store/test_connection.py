"""Each policy is in force on the connections that need it."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from pi_rag.config import StoreSettings
from pi_rag.store import Connection, connection, folder
from pi_rag.store.rows import value
from tests.plain import plain_environ


@pytest.fixture
def writer(path: Path) -> Iterator[Connection]:
    """A writing connection with all its policies."""
    folder.prepare(path)
    folder.lock_path(path).touch(mode=0o600)
    db = connection.open_writer(path, StoreSettings())
    connection.apply(db, connection.WRITER, StoreSettings())
    yield db
    db.close()


@pytest.fixture
def reader(writer: Connection, path: Path) -> Iterator[Connection]:
    """A reading connection beside it."""
    db = connection.open_reader(path, StoreSettings())
    yield db
    db.close()


@pytest.mark.parametrize(
    ("pragma", "wanted"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("page_size", 16384),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("temp_store", 2),
        ("cell_size_check", 1),
        ("mmap_size", 0),
        ("cache_size", -8192),
        ("busy_timeout", 5000),
        ("journal_size_limit", 64 * 2**20),
        ("secure_delete", 1),
    ],
)
def test_the_writer_keeps_every_policy(writer: Connection, pragma: str, wanted: object) -> None:
    """What is acknowledged is on the disk, references hold, and RAM is bounded."""
    assert value(writer, f"PRAGMA {pragma}") == wanted


@pytest.mark.parametrize(
    ("pragma", "wanted"),
    [
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("mmap_size", 0),
        ("cache_size", -8192),
        ("busy_timeout", 5000),
    ],
)
def test_a_reader_keeps_the_policies_of_every_connection(
    reader: Connection, pragma: str, wanted: object
) -> None:
    """Readers cost as little RAM as the writer, and trust a file as little."""
    assert value(reader, f"PRAGMA {pragma}") == wanted


def test_a_large_table_may_go_without_being_overwritten(writer: Connection) -> None:
    """What goes afterwards is overwritten again, also when something failed."""
    with pytest.raises(apsw.SQLError), connection.left_in_the_file(writer):
        assert value(writer, "PRAGMA secure_delete") == 2
        writer.execute("DROP TABLE nowhere")
    assert value(writer, "PRAGMA secure_delete") == 1


def test_a_reader_cannot_write(reader: Connection) -> None:
    """Whatever a search function does by mistake, the file stays."""
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("CREATE TABLE t (x)")


def test_the_schema_cannot_be_rewritten(writer: Connection) -> None:
    """Defensive: not even a statement of ours can damage the file on purpose."""
    writer.execute("PRAGMA writable_schema = ON")
    with pytest.raises(apsw.SQLError, match="may not be modified"):
        writer.execute("DELETE FROM sqlite_schema")


def test_no_further_extension_can_be_loaded(writer: Connection) -> None:
    """The door that let sqlite-vec in is closed behind it."""
    with pytest.raises((apsw.SQLError, apsw.ExtensionLoadingError), match="not authorized"):
        writer.load_extension("anything")


def test_a_new_database_and_its_log_belong_to_the_owner_alone(writer: Connection, path: Path) -> None:
    """Rights are right from the first moment, whatever the umask."""
    writer.execute("CREATE TABLE t (x)")
    for file in (path, folder.wal_path(path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "name", ["a b", "50%", "what?", "#1", "grüße", "a&b=c", b"\xff\xfe".decode("utf-8", "surrogateescape")]
)
def test_any_folder_name_is_taken_literally(tmp_path: Path, name: str) -> None:
    """A path is not an address: its signs mean nothing."""
    path = tmp_path / name / "pi-rag.db"
    folder.prepare(path)
    folder.lock_path(path).touch(mode=0o600)
    connection.open_writer(path, StoreSettings()).close()
    assert path.is_file()


def test_pythons_own_sqlite_is_never_loaded() -> None:
    """Two SQLite libraries in one process break each other's file locks."""
    code = (
        "import sys, pi_rag.store.store; from pi_rag.store import connection;"
        "connection.sqlite_vec_version();"
        "print([name for name in sys.modules if name in ('sqlite3', '_sqlite3', 'sqlite_vec')])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=plain_environ(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
