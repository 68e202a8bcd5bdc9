"""Pages are found although what leads to them is gone; the image is the file with its log over it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pi_rag.config import StoreSettings
from pi_rag.store import Connection, connection, folder, migrations
from pi_rag.store.salvage import cells, layout
from pi_rag.store.salvage.image import Image, opened
from pi_rag.store.salvage.layout import Layout
from pi_rag.store.salvage.trees import Forest
from tests.store.making import FINGERPRINT, put
from tests.store.salvage import damage

ROWS = 120


@pytest.fixture
def database(path: Path) -> Path:
    """A database whose texts fill a tree of two levels."""
    folder.prepare(path)
    folder.FolderLock(path).release()
    db = connection.open_writer(path, StoreSettings())
    connection.apply(db, connection.WRITER, StoreSettings())
    migrations.migrate(db)
    from pi_rag.store import identity

    identity.claim_fingerprint(db, FINGERPRINT)
    for number in range(ROWS):
        put(db, f"source {number}", [f"{number} " + "words of it " * 90])
    db.close()
    return path


@contextmanager
def _forest(path: Path) -> Iterator[tuple[Image, Layout, Forest]]:
    with opened(path) as image:
        laid = layout.found(image)
        yield image, laid, Forest(image, laid.roots.values())


def _ids(path: Path, table: str) -> list[int]:
    with _forest(path) as (_, laid, forest):
        cells_of = forest.rows(laid.roots[table], of_an_index=False)
        return sorted(cell.rowid or 0 for cell in cells_of)


def _root(path: Path, table: str) -> int:
    with opened(path) as image:
        return layout.found(image).roots[table]


def test_all_rows_are_found(database: Path) -> None:
    """Each once."""
    assert _ids(database, "document_texts") == list(range(1, ROWS + 1))


def test_leaves_are_found_without_the_page_above_them(database: Path) -> None:
    """The pointer map says whose they are."""
    root = _root(database, "document_texts")
    damage.overwrite(database, root, random.Random(1).randbytes(16384))
    assert _ids(database, "document_texts") == list(range(1, ROWS + 1))


def test_leaves_are_found_without_the_pointer_map(database: Path) -> None:
    """The page above them says so."""
    damage.overwrite(database, 2, bytes(16384))
    assert _ids(database, "document_texts") == list(range(1, ROWS + 1))


def test_a_page_that_two_trees_claim_is_the_one_s_of_the_map(database: Path) -> None:
    """A pointer that is damaged brings no rows of another table."""
    with _forest(database) as (image, laid, forest):
        others = forest.pages_of(laid.roots["chunks"])
        page = bytearray(image.page(laid.roots["document_texts"]))
        assert page[0] == cells.TABLE_INTERIOR
    page[8:12] = others[-1].to_bytes(4, "big")
    damage.overwrite(database, _root(database, "document_texts"), bytes(page))
    assert _ids(database, "document_texts") == list(range(1, ROWS + 1))
    assert _ids(database, "chunks") == list(range(1, ROWS + 1))


def test_without_its_list_of_tables_they_are_where_a_fresh_database_has_them(database: Path) -> None:
    """As the first page of a worn card may be the first to go."""
    damage.overwrite(database, 1, bytes(16384))
    with _forest(database) as (_, laid, _forest_of):
        assert {"documents", "document_texts", "chunks"} <= laid.roots.keys()
    assert _ids(database, "document_texts") == list(range(1, ROWS + 1))


def test_names_are_told_by_three_witnesses(database: Path) -> None:
    """One that is damaged is outvoted."""
    data = database.read_bytes()
    at = data.index(b"tabledocument_textsdocument_texts")
    database.write_bytes(data[: at + 5] + b"D" + data[at + 6 :])
    with _forest(database) as (_, laid, _forest_of):
        assert "document_texts" in laid.roots
        assert not laid.guessed


def test_the_log_counts(database: Path) -> None:
    """What is only there is read."""
    db = Connection(str(database))
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("INSERT INTO document_texts VALUES (9999, 'in the log')")
    with opened(database) as image:
        assert image.log.kept
    assert 9999 in _ids(database, "document_texts")
    db.close()


def test_a_page_beyond_the_end_is_zeros(database: Path) -> None:
    """A file that is cut short has pages of which nothing is known."""
    with database.open("r+b") as file:
        file.truncate(16384 * 5 + 10)
    with opened(database) as image:
        assert image.count == 6
        assert len(image.page(6)) == 16384
        assert image.page(50) == bytes(16384)
