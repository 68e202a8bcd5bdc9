"""Asking leaves nothing open behind it."""

from __future__ import annotations

from pi_rag.store import Connection
from pi_rag.store.rows import all_rows, one_row, value


def test_answers_have_the_shape_that_was_asked_for(db: Connection) -> None:
    """Rows, a row, a value; and None where there is none."""
    sql = "VALUES (1, 'a'), (2, 'b')"
    assert all_rows(db, sql) == [(1, "a"), (2, "b")]
    assert one_row(db, sql) == (1, "a")
    assert value(db, sql) == 1
    assert (one_row(db, "SELECT 1 WHERE ?", (0,)), value(db, "SELECT 1 WHERE ?", (0,))) == (None, None)


def test_no_cursor_is_left_half_read(db: Connection) -> None:
    """A half-read one would hold the table that the next statement wants to drop."""
    db.execute("CREATE TABLE t (x)")
    db.execute("INSERT INTO t VALUES (1), (2)")
    kept = [all_rows(db, "SELECT x FROM t"), one_row(db, "SELECT x FROM t"), value(db, "SELECT x FROM t")]
    db.execute("DROP TABLE t")
    assert kept == [[(1,), (2,)], (1,), 1]
