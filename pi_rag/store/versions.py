"""Which SQLite and sqlite-vec are linked, and whether they are known to keep data.

The versions of the Python packages say nothing: what counts is the library that was loaded. This file knows
nothing of our database.
"""

from __future__ import annotations

import re

from pi_rag.errors import LibraryTooOld

SQLITE_MIN = (3, 53, 2)
"""Before 3.51.3 a WAL could lose committed writes; before 3.53.2 FTS5 could corrupt memory."""

SQLITE_VEC_MIN = (0, 1, 9)
"""Before 0.1.9 a DELETE could leave its row behind, and 0.1.6 was built for the wrong processor."""


def check_versions(sqlite: str, sqlite_vec: str) -> None:
    """Raise LibraryTooOld when either library is one that is known to lose data."""
    _check("SQLite", sqlite, SQLITE_MIN)
    _check("sqlite-vec", sqlite_vec, SQLITE_VEC_MIN)


def _check(name: str, found: str, least: tuple[int, int, int]) -> None:
    if _numbers(found) < least:
        needed = ".".join(map(str, least))
        raise LibraryTooOld(f"{name} is {found}; at least {needed} is needed, older ones can lose data.")


def _numbers(version: str) -> tuple[int, ...]:
    """`v0.1.10-alpha.4` is (0, 1, 10): a pre-release counts as its release. Nonsense counts as oldest."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, match.groups())) if match else ()
