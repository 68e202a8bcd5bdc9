"""A backup in the place of the database: compared first, the old one kept, one of the two always there."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import NoBackup, PathNotFound, SchemaNewer, SocketInUse
from pi_rag.store import documents, folder, inspection, restore
from pi_rag.store.restore import Restored
from pi_rag.store.store import Store
from tests.store.making import put
from tests.store.test_backup import filled, making
from tests.store.test_inspection import files


def restored(source: Path, database: Path) -> Restored:
    return restore.restore(source, database, StoreSettings(), 0.0, lambda _: None)


@pytest.fixture
async def made(store: Store, tmp_path: Path) -> Path:
    """A backup of three documents."""
    await filled(store, 3)
    to = tmp_path / "backups"
    to.mkdir()
    return (await store.aside(making(store, to))).path


async def sources(path: Path) -> list[str]:
    opened = Store.open(path, StoreSettings(), SystemClock())
    rows = await opened.read(documents.listing, None, 100, 0)
    assert await opened.close()
    return [row.source for row in rows]


async def test_what_was_kept_is_back_by_its_checksum_and_the_old_one_is_beside(
    store: Store, path: Path, made: Path
) -> None:
    """With its log, under a name with the moment; the card and what is derived are gone."""
    await store.write(put, "later", ["milk"])
    await store.close()
    (path.parent / "index").mkdir(exist_ok=True)
    (path.parent / "index" / "snapshot.json").write_text("{}")

    done = restored(made, path)

    seen = inspection.inspect(path, StoreSettings(), deep=True)
    assert (seen.problems, seen.card) == ([], None)
    assert seen.digest is not None and seen.digest.sections == done.card.sections
    assert not (path.parent / "index").exists()
    assert done.kept == path.with_name("pi-rag.db.before-restore-19700101T000000Z")
    assert sorted(await sources(path)) == ["0", "1", "2"]
    kept = path.parent / "kept" / "pi-rag.db"
    kept.parent.mkdir()
    done.kept.rename(kept)
    kept.with_name("pi-rag.lock").touch()
    assert sorted(await sources(kept)) == ["0", "1", "2", "later"]


async def test_a_log_that_was_not_emptied_is_kept_and_not_mixed_in(
    store: Store, path: Path, made: Path, tmp_path: Path
) -> None:
    """As after a kill: the restored database has nothing of it, and the old one all of it."""
    await store.write(put, "later", ["milk"])
    killed = tmp_path / "killed" / "pi-rag.db"
    killed.parent.mkdir()
    for each in (path, folder.wal_path(path)):
        shutil.copy(each, killed.parent)

    done = restored(made, killed)

    assert done.kept is not None and folder.wal_path(done.kept).exists()
    assert sorted(await sources(killed)) == ["0", "1", "2"]
    assert "later" in await sources(done.kept)


async def test_a_folder_without_a_database_gets_one(made: Path, tmp_path: Path) -> None:
    """On a new machine; and one that has lost all but its log."""
    done = restored(made, tmp_path / "new" / "pi-rag.db")
    assert (done.kept, sorted(await sources(tmp_path / "new" / "pi-rag.db"))) == (None, ["0", "1", "2"])
    lost = tmp_path / "lost" / "pi-rag.db"
    lost.parent.mkdir()
    folder.wal_path(lost).write_bytes(b"what is left")
    assert restored(made, lost).kept is not None
    assert sorted(await sources(lost)) == ["0", "1", "2"]


async def test_a_service_that_runs_is_in_the_way(store: Store, path: Path, made: Path) -> None:
    """Nothing has changed."""
    with pytest.raises(SocketInUse):
        restored(made, path)
    assert await store.read(inspection.counts) and not path.with_name("pi-rag.db.restoring").exists()


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        ("missing", PathNotFound),
        ("noise", NoBackup),
        ("flip", NoBackup),
        ("cut", NoBackup),
        ("bare", NoBackup),
    ],
)
async def test_what_is_no_whole_backup_is_refused(
    store: Store, path: Path, made: Path, harm: str, kind: type[Exception]
) -> None:
    """Nothing there, noise, one byte changed, cut short, a database without a card: all stays as it was."""
    await store.write(put, "later", ["milk"])
    await store.close()
    before = files(path.parent)
    spoil(made, harm, path)
    with pytest.raises(kind):
        restored(made, path)
    assert files(path.parent) == before


def spoil(made: Path, harm: str, database: Path) -> None:
    data = bytearray(made.read_bytes())
    if harm == "missing":
        made.unlink()
        return
    if harm == "noise":
        data[:] = b"noise" * 10_000
    elif harm == "flip":
        data[data.index(b"tea 1 1 tea")] ^= 1
    elif harm == "cut":
        del data[-1000:]
    elif harm == "bare":
        data[:] = database.read_bytes()
    made.write_bytes(data)


async def test_a_newer_schema_is_refused(store: Store, path: Path, made: Path) -> None:
    """By name, before anything is touched."""
    await store.close()
    db = apsw.Connection(str(made))
    db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(SchemaNewer):
        restored(made, path)
    assert sorted(await sources(path)) == ["0", "1", "2"]


async def test_what_a_killed_restore_left_is_in_nobodys_way(store: Store, path: Path, made: Path) -> None:
    """Half a copy beside the database."""
    await store.close()
    half = path.with_name("pi-rag.db.restoring")
    half.write_bytes(b"half")
    assert sorted(await sources(path)) == ["0", "1", "2"]
    restored(made, path)
    assert not half.exists()
