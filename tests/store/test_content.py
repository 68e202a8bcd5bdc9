"""Checksums of what a database holds: the same rows, the same sums; one bit elsewhere, another sum."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from pi_rag.config import StoreSettings
from pi_rag.store import Connection, connection, content, documents, identity, migrations
from tests.store.making import FINGERPRINT, axis, put
from tests.store.memory.keeping import fact, keep


@pytest.fixture
def other() -> Iterator[Connection]:
    """A second database, made as the first is."""
    made = Connection(":memory:")
    connection.apply(made, connection.EVERY_CONNECTION, StoreSettings())
    migrations.migrate(made)
    identity.claim_fingerprint(made, FINGERPRINT)
    yield made
    made.close()


def test_the_same_rows_have_the_same_sums_however_they_came(db: Connection, other: Connection) -> None:
    """What was in between, and where it lay in pages, does not matter; nor does a value of many pieces."""
    long = "tea " * content.PIECE_BYTES
    for each in (db, other):
        put(each, "a", [long, "milk"])
        if each is other:
            gone = put(each, "z", ["gone"] * 50)
            documents.remove(each, gone)
            each.execute("PRAGMA incremental_vacuum")
        keep(each, fact("The kettle is blue."), axis(0))

    assert content.digest(db).sections == content.digest(other).sections
    assert content.digest(db).content == content.digest(other).content


@pytest.mark.parametrize(
    ("sql", "section"),
    [
        ("UPDATE documents SET title = title || 'x'", "documents"),
        ("UPDATE document_texts SET text = replace(text, 'milk', 'mild')", "documents"),
        ("UPDATE chunks SET heading = 'x' WHERE id = 1", "passages"),
        ("UPDATE chunks SET text = replace(text, 'milk', 'mild') WHERE id = 1", "passages"),
        ("UPDATE vectors SET vector = zeroblob(32) WHERE chunk_id = 1", "vectors"),
        ("UPDATE memory_texts SET text = text || '.'", "memories"),
        ("UPDATE meta SET value = value || ' '", None),
        ("UPDATE chunks_fts_config SET v = v + 1", None),
    ],
)
def test_any_change_changes_the_sum_of_its_section_alone(
    db: Connection, sql: str, section: str | None
) -> None:
    """What is no content changes only the sum of all, and there too the long text is looked at."""
    put(db, "a", ["milk " * content.PIECE_BYTES, "tea"])
    keep(db, fact("The kettle is blue."), axis(0))
    before = content.digest(db)
    db.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 0)

    db.execute(sql)

    after = content.digest(db)
    changed = {name for name in before.sections if before.sections[name] != after.sections[name]}
    assert changed == ({section} if section else set())
    assert (before.content == after.content, before.whole == after.whole) == (section is None, False)


def test_rows_do_not_run_into_each_other(db: Connection, other: Connection) -> None:
    """The same letters, divided otherwise."""
    put(db, "ab", ["c"], title="d")
    put(other, "a", ["c"], title="bd")

    assert content.digest(db).content != content.digest(other).content


def test_who_paces_it_is_told_of_every_byte(db: Connection) -> None:
    """Also of those that are read in pieces, and can end it."""
    put(db, "a", ["tea " * content.PIECE_BYTES])
    told: list[int] = []

    content.digest(db, told.append)

    assert sum(told) >= 2 * 4 * content.PIECE_BYTES
    with pytest.raises(RuntimeError):
        content.digest(db, _end)


def _end(_: int) -> None:
    raise RuntimeError
