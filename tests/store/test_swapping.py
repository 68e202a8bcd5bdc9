"""Another database in the place of this one: at every moment one of the two is there whole."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.store import connection, documents, folder, identity, migrations, swapping
from pi_rag.store.store import Store
from tests.store.making import FINGERPRINT, put


class _Cut(Exception):
    """The power went."""


def _database(path: Path, source: str) -> None:
    folder.prepare(path)
    folder.FolderLock(path).release()
    db = connection.open_writer(path, StoreSettings())
    connection.apply(db, connection.WRITER, StoreSettings())
    migrations.migrate(db)
    identity.claim_fingerprint(db, FINGERPRINT)
    put(db, source, [f"the words of {source}"])
    db.close()


@pytest.fixture
def new(path: Path) -> Path:
    """A database and, beside it, the one that is to take its place."""
    _database(path, "old.txt")
    folder.wal_path(path).write_bytes(b"a log")
    fresh = path.with_name("pi-rag.new")
    _database(fresh, "new.txt")
    return fresh


async def _sources(path: Path) -> list[str]:
    store = Store.open(path, StoreSettings(), SystemClock())
    rows = await store.read(documents.listing, None, 10, None)
    assert await store.close()
    return [row.source for row in rows]


def test_the_new_one_is_there_and_the_old_one_is_kept_with_its_log(path: Path, new: Path) -> None:
    """Bit by bit, under the name that was chosen."""
    before, kept = path.read_bytes(), swapping.kept_path(path, "damaged", 0.0)
    swapping.put_in_place(path, new, kept)
    assert kept.name == "pi-rag.db.damaged-19700101T000000Z"
    assert kept.read_bytes() == before
    assert folder.wal_path(kept).read_bytes() == b"a log"
    assert asyncio.run(_sources(path)) == ["new.txt"]
    assert not folder.swap_path(path).exists()


@pytest.mark.parametrize("steps", range(8))
def test_a_swap_that_was_cut_short_is_ended_by_the_next_start(
    path: Path, new: Path, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each step that can be the last: the service never starts with an empty or a mixed database."""
    before, kept = path.read_bytes(), swapping.kept_path(path, "damaged", 0.0)
    left = [steps]

    def cut(method: str) -> None:
        original = getattr(Path, method)

        def counted(self: Path, *args: object, **named: object) -> object:
            if self.parent == path.parent and self.suffix != ".lock":
                if left[0] == 0:
                    raise _Cut
                left[0] -= 1
            return original(self, *args, **named)

        monkeypatch.setattr(Path, method, counted)

    for method in ("rename", "replace", "unlink"):
        cut(method)
    with contextlib.suppress(_Cut):
        swapping.put_in_place(path, new, kept)
    monkeypatch.undo()
    if folder.swap_path(path).exists() or kept.exists():
        assert asyncio.run(_sources(path)) == ["new.txt"]
        assert kept.read_bytes() == before
        assert folder.wal_path(kept).read_bytes() == b"a log"
    else:
        assert path.read_bytes() == before
        assert folder.wal_path(path).read_bytes() == b"a log"
        assert new.exists()


def test_a_name_that_is_taken_is_not_taken_again(path: Path) -> None:
    """Two recoveries within one second keep two files."""
    path.parent.mkdir()
    first = swapping.kept_path(path, "damaged", 5.0)
    first.touch()
    second = swapping.kept_path(path, "damaged", 5.0)
    folder.wal_path(second).touch()
    assert len({first, second, swapping.kept_path(path, "damaged", 5.0)}) == 3


def test_there_is_nothing_to_end_where_nothing_was_begun(path: Path) -> None:
    """A start looks for it each time."""
    path.parent.mkdir()
    assert not swapping.finish(path)
