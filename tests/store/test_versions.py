"""Libraries that lose data are refused by what they say of themselves."""

from __future__ import annotations

import apsw
import pytest

from pi_rag.errors import LibraryTooOld
from pi_rag.store import connection, versions


@pytest.mark.parametrize("sqlite", ["3.51.2", "3.53.1", "3.9.99", "2.99.99", "", "nonsense"])
def test_an_old_sqlite_is_refused_by_name_and_number(sqlite: str) -> None:
    """A SQLite that can lose committed writes never opens the database."""
    with pytest.raises(LibraryTooOld, match=f"SQLite is {sqlite}; at least 3.53.2"):
        versions.check_versions(sqlite, "v0.1.9")


@pytest.mark.parametrize("vec", ["v0.1.8", "v0.1.6", "v0.0.99", "0.1.7-alpha.13", ""])
def test_an_old_sqlite_vec_is_refused_by_name_and_number(vec: str) -> None:
    """A sqlite-vec whose DELETE leaves rows behind never sees a vector."""
    with pytest.raises(LibraryTooOld, match=f"sqlite-vec is {vec}; at least 0.1.9"):
        versions.check_versions("3.54.1", vec)


@pytest.mark.parametrize(
    ("sqlite", "vec"),
    [("3.53.2", "v0.1.9"), ("3.100.0", "v0.1.10-alpha.4"), ("4.0.0", "1.0.0"), ("3.54.1.0", "0.2.0")],
)
def test_the_least_and_every_later_version_pass(sqlite: str, vec: str) -> None:
    """Numbers are compared as numbers: 0.1.10 is later than 0.1.9."""
    versions.check_versions(sqlite, vec)


def test_the_libraries_linked_here_pass() -> None:
    """What counts is the library that is loaded, not the version of a Python package."""
    versions.check_versions(apsw.sqlite_lib_version(), connection.sqlite_vec_version())
