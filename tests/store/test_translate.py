"""Every exception of apsw has a kind of ours."""

from __future__ import annotations

import errno
import inspect
from pathlib import Path

import apsw
import pytest

from pi_rag.errors import (
    DiskFull,
    InternalError,
    PiRagError,
    QueryEmpty,
    RequestInvalid,
    StoreBusy,
    StoreDamaged,
    StoreReadOnly,
    StoreUnusable,
)
from pi_rag.store import Connection
from pi_rag.store.translate import KINDS, of_the_system, translated, translation


def _exceptions_of_apsw() -> list[type[Exception]]:
    found = [kind for _, kind in inspect.getmembers(apsw, inspect.isclass) if issubclass(kind, Exception)]
    assert len(found) > 30
    return found


@pytest.mark.parametrize("kind", _exceptions_of_apsw())
def test_every_exception_class_of_apsw_is_mapped_by_name(kind: type[Exception]) -> None:
    """A new version of apsw with a new exception makes this test fail, not a user's request."""
    assert issubclass(KINDS[kind], PiRagError)


def _failures_of_sqlite() -> list[int]:
    harmless = {"SQLITE_OK", "SQLITE_ROW", "SQLITE_DONE", "SQLITE_NOTICE", "SQLITE_WARNING"}
    codes = apsw.mapping_result_codes
    return [code for code in codes if isinstance(code, int) and codes[code] not in harmless]


@pytest.mark.parametrize("code", _failures_of_sqlite())
def test_every_result_code_of_sqlite_becomes_an_error_of_ours(code: int) -> None:
    """Whatever SQLite answers, the message keeps SQLite's own words and the hint says what to do."""
    error = translation(apsw.exception_for(code))
    assert isinstance(error, PiRagError)
    assert error.hint
    assert error.message.endswith(".")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (apsw.SQLITE_BUSY_SNAPSHOT, StoreBusy),
        (apsw.SQLITE_FULL, DiskFull),
        (apsw.SQLITE_IOERR_SHMSIZE, DiskFull),
        (apsw.SQLITE_CORRUPT_VTAB, StoreDamaged),
        (apsw.SQLITE_NOTADB, StoreDamaged),
        (apsw.SQLITE_READONLY_DBMOVED, StoreReadOnly),
        (apsw.SQLITE_CANTOPEN_ISDIR, StoreUnusable),
        (apsw.SQLITE_IOERR_READ, StoreUnusable),
        (apsw.SQLITE_IOERR_FSYNC, StoreDamaged),
        (apsw.SQLITE_CONSTRAINT_FOREIGNKEY, InternalError),
    ],
)
def test_what_a_person_can_act_on_is_told_apart(code: int, kind: type[PiRagError]) -> None:
    """A lock, a full disk, damage and missing rights are four different things to do."""
    assert type(translation(apsw.exception_for(code))) is kind


def test_a_disk_that_refuses_leads_to_the_kernels_messages() -> None:
    """The path was right before the disk failed. Of a file that cannot be opened the path may be wrong."""
    refused = [
        translation(apsw.exception_for(apsw.SQLITE_IOERR_WRITE)),
        of_the_system(OSError(errno.EIO, "Input/output error"), Path("/some/place")),
    ]
    other = translation(apsw.exception_for(apsw.SQLITE_CANTOPEN_ISDIR))

    assert all("sudo dmesg" in each.hint and "--data" not in each.hint for each in refused)
    assert "--data" in other.hint


def test_a_real_failure_is_translated_and_keeps_its_cause() -> None:
    """The log has SQLite's own exception behind ours."""
    db = Connection(":memory:")
    with pytest.raises(InternalError, match="no such column") as raised, translated():
        db.execute("SELECT absent")
    assert isinstance(raised.value.__cause__, apsw.SQLError)
    db.close()


def test_errors_of_ours_pass_untouched() -> None:
    """A desk's function may raise what it likes of our tree."""
    with pytest.raises(QueryEmpty), translated():
        raise QueryEmpty("nothing")


@pytest.mark.parametrize("value", ["half \ud800", 2**63])
def test_a_value_that_cannot_be_bound_is_the_requests_fault(value: object) -> None:
    """Half of a character or a number of 65 bits is answered 400, not 500."""
    db = Connection(":memory:")
    with pytest.raises(RequestInvalid), translated():
        db.execute("SELECT ?", (value,))
    db.close()


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, StoreReadOnly),
        (errno.EROFS, StoreReadOnly),
        (errno.ENOSPC, DiskFull),
        (errno.ENOTDIR, StoreUnusable),
        (errno.EIO, StoreUnusable),
    ],
)
def test_the_operating_systems_errors_name_the_path(number: int, kind: type[PiRagError]) -> None:
    """Rights, space and the rest are told apart, and the message says where."""
    error = of_the_system(OSError(number, "as the system says"), Path("/some/place"))
    assert type(error) is kind
    assert "/some/place" in error.message
    assert "as the system says" in error.message


@pytest.mark.parametrize(
    "says",
    ["invalid fts5 file format (found 0, expected 4 or 5) - run 'rebuild'", "no such table: chunks_fts"],
)
def test_a_table_that_is_not_there_any_more_is_damage(says: str) -> None:
    """SQLite says it in words, under the code of a faulty statement; one of ours stays a fault of ours."""
    assert isinstance(translation(apsw.SQLError(says)), StoreDamaged)
    assert isinstance(translation(apsw.SQLError("no such column: x")), InternalError)


def test_a_text_that_is_no_text_any_more_is_damage() -> None:
    """SQLite gives the bytes as they lie there."""
    with pytest.raises(StoreDamaged), translated():
        b"\xff".decode()
