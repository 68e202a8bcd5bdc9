"""The store opens what is sound, refuses what is not without touching it, and closes without a trace."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import (
    LibraryTooOld,
    PiRagError,
    SchemaNewer,
    SocketInUse,
    Stopping,
    StoreBusy,
    StoreDamaged,
    StoreReadOnly,
    StoreUnusable,
)
from pi_rag.store import (
    Connection,
    by_words,
    checkup,
    citing,
    connection,
    documents,
    folder,
    identity,
    jobs,
    migrations,
)
from pi_rag.store.nearest import exact
from pi_rag.store.rows import value
from pi_rag.store.store import Store
from pi_rag.types import Counts, NewItem, Scope
from tests.store.making import FINGERPRINT, axis, put
from tests.store.test_pool import ENDLESS


def _open(path: Path, **changes: float) -> Store:
    return Store.open(path, replace(StoreSettings(), **changes), SystemClock())  # type: ignore[arg-type]


def _filled(path: Path, count: int = 20) -> None:
    """A closed database of some documents."""

    async def fill() -> None:
        store = _open(path)
        await store.write(identity.claim_fingerprint, FINGERPRINT)
        for number in range(count):
            await store.write(put, f"{number}", [f"passage {number} {word}" for word in ("tea", "milk")])
        assert await store.close()

    asyncio.run(fill())


def _examined(path: Path) -> tuple[int, list[str]]:
    """How many documents a database holds, and what the checkup says of it."""

    async def examine() -> tuple[int, list[str]]:
        store = _open(path)
        found = (await store.read(documents.counts)).documents, await store.read(checkup.check)
        assert await store.close()
        return found

    return asyncio.run(examine())


def _files(path: Path) -> dict[str, bytes]:
    """What lies in the folder of a database, but for the lock."""
    files = [file for file in path.parent.glob("*") if file.is_file() and file.suffix != ".lock"]
    return {file.name: file.read_bytes() for file in files}


def _refused(path: Path, kind: type[PiRagError]) -> PiRagError:
    """The error that opening gives. No file was changed, removed or left behind."""
    before = _files(path)
    with pytest.raises(kind) as raised:
        _open(path)
    assert _files(path) == before
    assert str(path.parent) in raised.value.message
    return raised.value


def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    """And only the database and its lock are left in the folder, for nobody else to read."""
    _filled(path)
    assert sorted(file.name for file in path.parent.iterdir()) == ["pi-rag.db", "pi-rag.lock"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _examined(path) == (20, [])


async def test_a_desk_composes_functions_into_one_transaction(store: Store) -> None:
    """A document and the end of its item are there together, or neither is."""
    await store.write(jobs.enqueue, "default", [NewItem("text", "a")] * 2, 10, 1.0)

    def take_in(db: Connection, *, fail: bool) -> None:
        item = jobs.claim(db, 3, 1.0)
        assert item is not None
        put(db, "a", ["tea"])
        jobs.finish(db, item, "done", 1, None, 2.0)
        if fail:
            raise KeyError("after all of it")

    with pytest.raises(KeyError):
        await store.write(take_in, fail=True)
    assert await store.read(documents.counts) == Counts(0, 0, 0, 1, 2)
    await store.write(take_in, fail=False)
    assert await store.read(documents.counts) == Counts(1, 1, 1, 1, 1)


async def test_beginning_a_large_document_does_not_write_it_again(store: Store) -> None:
    """A card wears by what is written to it."""
    item = NewItem("bytes", "a.pdf", payload=random.Random(1).randbytes(4 * 2**20))
    await store.write(jobs.enqueue, "default", [item], 10, 1.0)
    before_mib = store.stats()["writer"]["wal_used_mib"]
    claimed = await store.write(jobs.claim, 3, 1.0)
    assert claimed is not None
    assert claimed.payload == item.payload
    await store.write(jobs.put_back, claimed, counted=False)
    assert store.stats()["writer"]["wal_used_mib"] - before_mib < 0.5


async def test_a_read_beside_writes_sees_one_state(store: Store) -> None:
    """A search, its passages and their counts fit together, whatever is written meanwhile."""
    inside, go = threading.Event(), threading.Event()

    def twice(db: Connection) -> tuple[int, int]:
        before = documents.counts(db).documents
        inside.set()
        assert go.wait(10)
        return before, documents.counts(db).documents

    reading = asyncio.create_task(store.read(twice))
    assert await asyncio.to_thread(inside.wait, 10)
    await store.write(put, "a", ["tea"])
    go.set()
    assert await reading == (0, 0)
    assert (await store.read(documents.counts)).documents == 1


async def test_a_writer_and_many_readers_never_meet_a_lock(store: Store) -> None:
    """No `database is locked`: reads go on and fit together while documents are put and removed."""

    async def write() -> None:
        for number in range(120):
            await store.write(put, f"{number % 7}", ["tea and milk", f"number {number}"])
            if number % 5 == 0:
                await store.write(documents.remove_source, f"{number % 3}", None)

    def look(db: Connection) -> None:
        near = exact(db, axis(0), 5, Scope())
        worded = by_words.by_words(db, "tea number", 5, Scope("default"), 1, 1)
        for hits in (near, worded):
            assert len(citing.passages(db, [hit for hit, _ in hits])) == len(hits)

    async def read(writing: asyncio.Task[None]) -> None:
        while not writing.done():
            await store.read(look)

    writing = asyncio.create_task(write())
    await asyncio.gather(writing, *(read(writing) for _ in range(8)))
    assert await store.read(checkup.check) == []
    assert store.stats()["writer"]["failed"] == 0


async def test_a_strangers_lock_is_waited_for_and_then_said(path: Path) -> None:
    """Somebody holds the database with another program: try later, and nothing is lost."""
    store = _open(path, busy_s_max=0.1)
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    stranger = Connection(str(path))
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy):
        await store.write(put, "a", ["tea"])
    stranger.execute("ROLLBACK")
    await store.write(put, "a", ["tea"])
    stranger.close()
    assert await store.close()


async def test_the_statistics_are_json_and_say_what_is_there(store: Store) -> None:
    """For status and metrics."""
    await store.write(put, "a", ["tea"])
    await store.read(documents.counts)
    stats = json.loads(json.dumps(store.stats()))
    assert stats["readers"]["reads"] == 1
    assert stats["writer"]["writes"] == 2
    assert stats["wal_mib"] > 0
    assert stats["schema_version"] >= 5


async def test_closing_waits_for_the_work_and_refuses_more(path: Path) -> None:
    """Twice is harmless; and the folder is free at once."""
    store = _open(path)
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    tasks = [asyncio.create_task(store.write(put, f"{number}", ["tea"])) for number in range(10)]
    await asyncio.sleep(0)
    assert await store.close()
    assert len(await asyncio.gather(*tasks)) == 10
    with pytest.raises(Stopping):
        await store.write(put, "late", ["tea"])
    with pytest.raises(Stopping):
        await store.read(documents.counts)
    assert await store.close()
    again = _open(path)
    assert (await again.read(documents.counts)).documents == 10
    assert await again.close()


async def test_work_without_end_does_not_hold_up_a_shutdown(path: Path) -> None:
    """Both a read and a write are stopped; the write leaves nothing."""
    store = _open(path, close_s_max=0.1)
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    inside = threading.Semaphore(0)

    def endless(db: Connection) -> None:
        if not db.readonly("main"):
            put(db, "a", ["tea"])
        inside.release()
        value(db, ENDLESS)

    tasks = [asyncio.create_task(run(endless)) for run in (store.read, store.write)]
    for _ in tasks:
        assert await asyncio.to_thread(inside.acquire, timeout=10)
    assert await store.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Stopping, Stopping]
    again = _open(path)
    assert (await again.read(documents.counts)).documents == 0
    assert await again.close()


async def test_a_second_service_is_refused_in_this_process_too(path: Path) -> None:
    """Two writers would each believe to be the only one."""
    store = _open(path)
    with pytest.raises(SocketInUse, match=str(os.getpid())):
        _open(path)
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    assert await store.close()


def test_a_second_process_is_refused_and_gets_in_once_the_first_is_killed(path: Path) -> None:
    """The lock is the kernel's: no kill leaves it behind."""
    code = (
        "import sys, time; from pathlib import Path; from pi_rag.store.store import Store;"
        "from pi_rag.config import StoreSettings; from pi_rag.clock import SystemClock;"
        f"store = Store.open(Path({str(path)!r}), StoreSettings(), SystemClock());"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "open\n"
        with pytest.raises(SocketInUse, match=str(first.pid)):
            _open(path)
        first.kill()
        first.wait()
        assert _examined(path) == (0, [])


def test_old_libraries_are_refused_before_anything_is_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the folder is there afterwards."""
    monkeypatch.setattr(connection, "sqlite_vec_version", lambda: "v0.1.8")
    with pytest.raises(LibraryTooOld):
        _open(path)
    assert not path.parent.exists()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    """Whatever it is, somebody may still need it."""
    path.parent.mkdir()
    path.write_bytes(random.Random(7).randbytes(50_000))
    error = _refused(path, StoreDamaged)
    assert "not a database" in error.message
    assert "Nothing is deleted" in error.hint


def test_a_folder_in_the_databases_place_is_refused(path: Path) -> None:
    """As are pipes and devices; see the folder's tests."""
    path.mkdir(parents=True)
    _refused(path, StoreUnusable)


def test_another_programs_database_is_refused(path: Path) -> None:
    """Its journal mode and its tables stay as they are."""
    path.parent.mkdir()
    theirs = Connection(str(path))
    theirs.execute("CREATE TABLE theirs (x)")
    theirs.close()
    assert "another program" in _refused(path, StoreUnusable).message


def test_a_database_of_a_newer_version_is_refused(path: Path) -> None:
    """Upgrading is said, not tried."""
    _filled(path, 1)
    newer = Connection(str(path))
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    assert "schema 99" in _refused(path, SchemaNewer).message


def test_a_truncated_database_is_refused_wherever_it_was_cut(path: Path) -> None:
    """At the header, within a page, between two pages or a byte before its end."""
    _filled(path, 60)
    whole = path.read_bytes()
    page = connection.PAGE_BYTES
    assert len(whole) > 8 * page
    dice = random.Random(3)
    cuts = [1, 16, 99, 100, 511, 512, 4096, page - 1, page, 3 * page, len(whole) - page, len(whole) - 1]
    for cut in [*cuts, *(dice.randrange(1, len(whole)) for _ in range(30))]:
        path.write_bytes(whole[:cut])
        _refused(path, StoreDamaged)
    path.write_bytes(whole)
    assert _examined(path) == (60, [])


async def _meets_damage(path: Path) -> bool:
    """Whether opening, checking and searching notice that something is wrong."""
    try:
        store = _open(path)
    except StoreDamaged:
        return True
    try:
        await store.read(by_words.by_words, "tea", 5, Scope(), 1, 1)
        await store.read(exact, axis(0), 5, Scope())
        return bool(await store.read(checkup.check))
    except PiRagError:
        return True
    finally:
        await store.close()


def test_a_damaged_page_is_an_error_with_a_name_and_never_a_crash(path: Path) -> None:
    """Each page in turn is overwritten: opening, checking and searching notice it or give a result."""
    _filled(path, 60)
    whole = path.read_bytes()
    page, dice, found = connection.PAGE_BYTES, random.Random(5), 0
    for start in range(0, len(whole), page):
        path.write_bytes(whole[:start] + dice.randbytes(page) + whole[start + page :])
        found += asyncio.run(_meets_damage(path))
    assert found >= len(whole) // page // 2


def test_a_refused_database_leaves_the_folder_free(path: Path) -> None:
    """When the file is mended, the same process can open it."""
    _filled(path, 1)
    whole = path.read_bytes()
    path.write_bytes(b"nonsense" * 5000)
    _refused(path, StoreDamaged)
    path.write_bytes(whole)
    assert _examined(path) == (1, [])


@contextmanager
def _unprivileged() -> Iterator[None]:
    """Without the rights of root, which may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A database's path in a folder that everybody may enter."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    yield home / "pi-rag.db"
    home.chmod(0o755)
    shutil.rmtree(home)


def _read_as_it_is(path: Path) -> None:
    """The store can be read, says so, and refuses a write."""

    async def read() -> None:
        store = _open(path)
        assert (store.is_read_only, (await store.read(documents.counts)).documents) == (True, 1)
        with pytest.raises(StoreReadOnly):
            await store.write(put, "more", ["passage"])
        assert await store.close()

    asyncio.run(read())


def test_a_file_without_rights_is_read(public_path: Path) -> None:
    """It fails at the first document, with the reason, and not before."""
    _filled(public_path, 1)
    public_path.parent.chmod(0o777)
    public_path.chmod(0o444)
    folder.lock_path(public_path).chmod(0o666)
    with _unprivileged():
        _read_as_it_is(public_path)


@pytest.mark.parametrize("has_lock", [True, False])
def test_a_folder_without_rights_is_read_where_a_service_has_run(public_path: Path, has_lock: bool) -> None:
    """Where none has, there is nothing that would keep another one from writing meanwhile: it is refused."""
    _filled(public_path, 1)
    public_path.chmod(0o666)
    lock = folder.lock_path(public_path)
    if has_lock:
        lock.chmod(0o666)
    else:
        lock.unlink()
    public_path.parent.chmod(0o555)
    with _unprivileged():
        if has_lock:
            _read_as_it_is(public_path)
        else:
            _refused(public_path, StoreReadOnly)


def test_a_folder_that_cannot_be_made_is_refused(public_path: Path) -> None:
    """`--data` points to where this user may not write."""
    public_path.parent.chmod(0o555)
    with _unprivileged():
        _refused(public_path.parent / "deeper" / "pi-rag.db", StoreReadOnly)


def _make_unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a disk that takes no more writes; tests/stress/test_read_only.py has a real one."""

    def refuse(path: Path) -> None:
        raise StoreReadOnly(f"{path.parent} cannot be written by this user.")

    monkeypatch.setattr(folder, "prepare", refuse)


@pytest.mark.parametrize("with_log", [False, True])
async def test_what_cannot_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_log: bool
) -> None:
    """With what a crash left in the log, and without a log; every write is refused with the reason."""
    whole = tmp_path / "whole" / "pi-rag.db"
    await asyncio.to_thread(_filled, whole)
    writing = _open(whole)
    await writing.write(put, "late", ["passage of the log"])
    if not with_log:
        assert await writing.close()
    shutil.copytree(whole.parent, tmp_path / "copy")
    if with_log:
        assert await writing.close()
    _make_unwritable(monkeypatch)
    path = tmp_path / "copy" / "pi-rag.db"
    assert folder.has_log(path) == with_log
    store, beside = _open(path), _open(path)
    counts = await store.read(documents.counts)
    with pytest.raises(StoreReadOnly, match="by this user"):
        await store.write(put, "more", ["passage"])
    await asyncio.gather(store.read_turn(), store.write_turn())

    assert (store.is_read_only, counts.documents) == (True, 21)
    assert await store.close() and await beside.close()


async def test_what_somebody_writes_is_not_taken_for_unchanging(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that may not write the folder of one that does so is refused, as any second one is."""
    _make_unwritable(monkeypatch)
    with pytest.raises(SocketInUse):
        _open(path)


def test_without_rights_nothing_is_made_of_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no database, or one of an older schema, the reason is told as ever."""
    _make_unwritable(monkeypatch)
    with pytest.raises(StoreReadOnly):
        _open(path)
    path.parent.mkdir()
    old = Connection(str(path))
    connection.apply(old, connection.WRITER, StoreSettings())
    migrations.migrate(old, migrations.STEPS[:7])
    old.close()
    folder.lock_path(path).touch()
    with pytest.raises(StoreReadOnly):
        _open(path)
