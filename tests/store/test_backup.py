"""A copy of one moment while writes go on: whole and compared, or not there."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import BackupSettings, StoreSettings
from pi_rag.errors import BackupOvertaken, BackupUnwritable, DiskFull, Stopping, StoreDamaged
from pi_rag.store import Connection, backup, backups, connection, identity, inspection
from pi_rag.store.backup import Made, Making, Order
from pi_rag.store.rows import value
from pi_rag.store.store import Store
from tests.store.making import FINGERPRINT, put

FAST = BackupSettings(mib_s_max=4096.0)
MOMENT = 1_795_000_000.0


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """A folder for backups."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


def order(to: Path, made_at: float = MOMENT) -> Order:
    return Order(to, backup.name_at(made_at), "1.0", "/srv/data", "[service]\n", made_at)


def making(
    store: Store,
    to: Path,
    settings: BackupSettings = FAST,
    told: Callable[[str, float], None] = lambda _doing, _share: None,
    log_bytes: Callable[[], int] = lambda: 0,
) -> Making:
    return Making(order(to), settings, StoreSettings(), SystemClock(), told, log_bytes)


async def filled(store: Store, documents: int = 40) -> None:
    for number in range(documents):
        await store.write(put, f"{number}", [f"tea {number} {part} " * 60 for part in range(10)])


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


async def test_it_is_the_database_of_one_moment_while_writes_go_on(store: Store, to: Path) -> None:
    """What is written while it is copied is not in it, and no write waits for its end."""
    await filled(store)
    loop, written = asyncio.get_running_loop(), []

    def told(doing: str, _: float) -> None:
        # In the middle of the copying, on its thread: a write is acknowledged before it goes on.
        coming = asyncio.run_coroutine_threadsafe(store.write(put, f"{doing}", [f"milk {doing}"]), loop)
        written.append(coming.result(30))

    made: Made = await store.aside(making(store, to, told=told))

    assert len(written) >= 3
    assert (made.path, names(to)) == (to / backup.name_at(MOMENT), [backup.name_at(MOMENT)])
    seen = inspection.inspect(made.path, StoreSettings(), deep=True)
    assert (seen.problems, seen.card, seen.counts["documents"]) == ([], made.card, 40)
    assert (made.card.model or {})["model_name"] == FINGERPRINT.model_name
    assert made.path.stat().st_mode & 0o777 == 0o600
    db = apsw.Connection(str(made.path), flags=apsw.SQLITE_OPEN_READONLY)
    assert db.execute("PRAGMA journal_mode").get == "delete"  # nothing of it lies in another file
    db.close()


async def test_one_name_is_given_once(store: Store, to: Path) -> None:
    """Whatever lies there stays."""
    (to / backup.name_at(MOMENT)).write_text("a letter")
    with pytest.raises(BackupUnwritable, match="there already"):
        await store.aside(making(store, to))
    assert (to / backup.name_at(MOMENT)).read_text() == "a letter"
    assert names(to) == [backup.name_at(MOMENT)]


async def test_what_a_kill_left_goes_with_the_next_and_what_is_being_made_stays(
    store: Store, to: Path
) -> None:
    """A backup holds a lock on its own file for as long as it lives."""
    left, other, stranger = to / ".pi-rag-x.1.partial", to / ".pi-rag-y.2.partial", to / "y.partial"
    for each in (left, other, stranger):
        each.write_bytes(b"half")
    held = os.open(other, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)

    await store.aside(making(store, to))
    os.close(held)

    assert names(to) == [other.name, backup.name_at(MOMENT), stranger.name]


async def test_a_folder_that_cannot_be_written_is_said(store: Store, to: Path) -> None:
    """One that is not there, one that takes no file, and one without room."""
    with pytest.raises(BackupUnwritable, match="No such file"):
        await store.aside(making(store, to / "missing"))
    with pytest.raises((BackupUnwritable, DiskFull)):
        await store.aside(making(store, Path("/proc/self")))


async def test_a_full_disk_is_known_before_and_nothing_is_left(
    store: Store, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has both sizes."""
    facts = os.statvfs(to)
    full = replace_free(facts)
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(DiskFull, match=r"needs \d+ MiB"):
        await store.aside(making(store, to))
    assert names(to) == []


def replace_free(facts: os.statvfs_result) -> os.statvfs_result:
    fields = list(facts)
    fields[4] = 10  # f_bavail
    return os.statvfs_result(fields)


@pytest.mark.parametrize("bound", ["time", "log"])
async def test_it_gives_up_before_the_log_fills_the_disk(store: Store, to: Path, bound: str) -> None:
    """By time, and by what is written beside it; nothing is left, and the hint names the setting."""
    await filled(store)
    if bound == "time":
        work = making(store, to, replace(FAST, mib_s_max=0.5, snapshot_s_max=1.0))
    else:
        work = making(store, to, log_bytes=lambda: 600 * 2**20)
    with pytest.raises(BackupOvertaken) as told:
        await store.aside(work)
    assert "backup." in told.value.hint
    assert names(to) == []


async def test_closing_the_store_ends_it_and_leaves_nothing(store: Store, to: Path) -> None:
    """In the middle of the copying."""
    await filled(store)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(_doing: str, _share: float) -> None:
        loop.call_soon_threadsafe(begun.set)

    task = asyncio.create_task(store.aside(making(store, to, replace(FAST, mib_s_max=0.25), told)))
    await begun.wait()
    assert await store.close()
    with pytest.raises(Stopping):
        await task
    assert names(to) == []


def _lose(db: Connection) -> None:
    db.execute("DELETE FROM chunks_fts WHERE rowid = 1")


async def test_a_database_that_is_not_whole_makes_no_backup(store: Store, to: Path) -> None:
    """It would take the place of one that is."""
    await filled(store, 3)
    await store.write(_lose)
    with pytest.raises(StoreDamaged, match="without words"):
        await store.aside(making(store, to))
    assert names(to) == []


async def test_a_page_of_the_database_that_is_damaged_is_told_of_the_database(path: Path, to: Path) -> None:
    """Not of the copy, which nobody finds afterwards."""
    before = Store.open(path, StoreSettings(), SystemClock())
    await before.write(identity.claim_fingerprint, FINGERPRINT)
    await filled(before, 3)
    await before.close()
    store = Store.open(path, StoreSettings(), SystemClock())
    page = await store.read(lambda db: value(db, "SELECT rootpage FROM sqlite_schema WHERE name = 'chunks'"))
    with path.open("r+b") as file:
        file.seek((page - 1) * connection.PAGE_BYTES)
        file.write(b"\xff" * connection.PAGE_BYTES)

    with pytest.raises(StoreDamaged, match=r"^The database is damaged: ") as told:
        await store.aside(making(store, to))
    assert "pi-rag restore" in told.value.hint and names(to) == []
    await store.close()


@pytest.mark.parametrize("spoilt", ["a byte", "a row"])
async def test_a_copy_that_the_disk_spoils_is_not_kept(
    store: Store, to: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    """Between the copying and the comparing: a bit of a text, or a row that is another."""
    await filled(store, 3)
    inspect = inspection.inspect

    def spoiling(path: Path, *args: object, **named: object) -> object:
        if spoilt == "a row":
            db = apsw.Connection(str(path))
            db.execute("UPDATE document_texts SET text = replace(text, 'tea', 'tee') WHERE document_id = 1")
            db.close()
        else:
            data = bytearray(path.read_bytes())
            data[data.index(b"tea 1 1 tea")] ^= 1
            path.write_bytes(data)
        return inspect(path, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(inspection, "inspect", spoiling)
    with pytest.raises(StoreDamaged, match="was not kept"):
        await store.aside(making(store, to))
    assert names(to) == []


async def test_only_our_own_backups_of_this_data_are_thinned_out(store: Store, to: Path) -> None:
    """Those of another data folder, strangers' files and the one just made stay, whatever the clock said."""
    day = 86400.0
    made = {}
    for number in range(5):
        work = Making(
            order(to, MOMENT + number * day), FAST, StoreSettings(), SystemClock(), lambda *_: None, lambda: 0
        )
        made[number] = (await store.aside(work)).path
    theirs = replace(order(to), name="pi-rag-backup-theirs.db", data="/srv/other", made_at=0.0)
    work = Making(theirs, FAST, StoreSettings(), SystemClock(), lambda *_: None, lambda: 0)
    other = (await store.aside(work)).path
    (to / "pi-rag-backup-letter.db").write_text("a letter")
    made[0].rename(to / "keep-this-for-ever.db")

    gone = backups.thin_out(to, "/srv/data", made[1], days=2, weeks=0, settings=StoreSettings())

    assert gone == [made[2]]
    assert other.exists() and made[1].exists() and (to / "keep-this-for-ever.db").exists()
    assert backups.newest_at(to, "/srv/data", StoreSettings()) == MOMENT + 4 * day
    listed = backups.listing(to, StoreSettings())
    assert [each.card is None for each in listed] == [False] * 5 + [True]
