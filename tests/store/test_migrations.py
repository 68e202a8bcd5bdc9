"""Schema steps are taken all or not at all, and only on a database of ours."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from pi_rag.errors import SchemaNewer, StoreUnusable
from pi_rag.store import Connection, migrations
from pi_rag.store.rows import all_rows, value


@pytest.fixture
def empty() -> Iterator[Connection]:
    """A database without a table."""
    made = Connection(":memory:")
    yield made
    made.close()


def _schema(db: Connection) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in all_rows(db, "SELECT name, sql FROM sqlite_schema ORDER BY name")]


def test_an_empty_database_takes_every_step_and_is_signed(empty: Connection) -> None:
    """From nothing to the newest schema in one go."""
    migrations.migrate(empty)
    assert migrations.schema_version(empty) == len(migrations.STEPS)
    assert value(empty, "PRAGMA application_id") == migrations.APPLICATION_ID


def test_a_second_start_changes_nothing(empty: Connection) -> None:
    """Opening is not upgrading."""
    migrations.migrate(empty)
    before = _schema(empty)
    migrations.migrate(empty)
    assert _schema(empty) == before


@pytest.mark.parametrize("taken", range(len(migrations.STEPS) + 1))
def test_every_older_schema_reaches_the_same_newest_one(empty: Connection, taken: int) -> None:
    """Wherever a database comes from, it ends as a fresh one begins."""
    fresh = Connection(":memory:")
    migrations.migrate(fresh)
    migrations.migrate(empty, migrations.STEPS[:taken])
    migrations.migrate(empty)
    assert _schema(empty) == _schema(fresh)
    fresh.close()


def test_a_failing_step_leaves_the_old_schema(empty: Connection) -> None:
    """Neither the steps before it nor the half of it that worked stay."""

    def fails_half_way(db: Connection) -> None:
        db.execute("CREATE TABLE half (x); INSERT INTO nowhere VALUES (1)")

    migrations.migrate(empty, migrations.STEPS[:2])
    before = _schema(empty)
    with pytest.raises(apsw.SQLError):
        migrations.migrate(empty, (*migrations.STEPS, fails_half_way))
    assert _schema(empty) == before
    assert migrations.schema_version(empty) == 2
    assert not empty.in_transaction


def test_a_newer_schema_is_refused(empty: Connection) -> None:
    """An older program would not know what it breaks."""
    migrations.migrate(empty)
    empty.execute(f"PRAGMA user_version = {len(migrations.STEPS) + 1}")
    with pytest.raises(SchemaNewer, match=f"schema {len(migrations.STEPS) + 1}"):
        migrations.refuse_stranger(empty)


@pytest.mark.parametrize(
    "sql", ["CREATE TABLE theirs (x)", "PRAGMA application_id = 7", "PRAGMA user_version = 3"]
)
def test_another_programs_database_is_refused(empty: Connection, sql: str) -> None:
    """Their tables are not ours to add to."""
    empty.execute(sql)
    with pytest.raises(StoreUnusable, match="another program"):
        migrations.refuse_stranger(empty)


def test_a_new_and_an_own_database_are_welcome(empty: Connection) -> None:
    """The check itself writes nothing."""
    migrations.refuse_stranger(empty)
    assert _schema(empty) == []
    migrations.migrate(empty)
    migrations.refuse_stranger(empty)


def test_steps_are_numbered_in_order() -> None:
    """The number in the name is the version that the step leads to."""
    assert [step.__name__[:3] for step in migrations.STEPS] == [
        f"s{number:02}" for number in range(1, len(migrations.STEPS) + 1)
    ]
