"""A file that stands still is looked over: what is wrong is told, and nothing of it is changed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import apsw
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.errors import PathNotFound, SchemaNewer, SocketInUse, Stopping, StoreUnusable
from pi_rag.store import folder
from pi_rag.store.inspection import Inspection, inspect
from pi_rag.store.store import Store
from tests.durability import old
from tests.store.making import FINGERPRINT, put


def look(path: Path, *, deep: bool = True) -> Inspection:
    return inspect(path, StoreSettings(), deep=deep)


def files(at: Path) -> dict[str, str]:
    """What lies in a folder, name by name, but not when it was touched."""
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in at.iterdir()}


def harmed(path: Path, how: str) -> None:
    """As a card might."""
    data, page = bytearray(path.read_bytes()), 16384
    third, fifth = data[3 * page : 4 * page], data[5 * page : 6 * page]
    if how == "flip":
        data[3 * page : 4 * page] = b"\xff" * page
    elif how == "cut":
        del data[-100:]
    elif how == "swap":
        data[3 * page : 4 * page], data[5 * page : 6 * page] = fifth, third
    path.write_bytes(data)


async def closed(store: Store, path: Path) -> Path:
    await store.write(put, "a", ["tea", "milk"])
    await store.close()
    return path


async def test_a_whole_database_is_said_to_be_whole(store: Store, path: Path) -> None:
    """With what is in it, and what made its vectors."""
    await closed(store, path)

    seen = look(path)

    assert (seen.problems, seen.card, seen.model) == ([], None, FINGERPRINT)
    wanted = {"documents": 1, "passages": 2, "vectors": 2, "memories": 0, "waiting": 0}
    assert (seen.counts, seen.digest is not None) == (wanted, True)


async def test_what_is_only_in_the_log_is_seen_and_nothing_is_left_beside(
    store: Store, path: Path, tmp_path: Path
) -> None:
    """As after a kill: the log stays what it is, and its index goes as it came."""
    await store.write(put, "a", ["tea", "milk"])
    killed = tmp_path / "killed" / path.name
    killed.parent.mkdir()
    for each in (path, folder.wal_path(path)):
        shutil.copy(each, killed.parent)
    before = files(killed.parent)

    seen = look(killed)

    assert (seen.problems, seen.counts["documents"]) == ([], 1)
    assert files(killed.parent) == before and folder.wal_path(killed).exists()


async def test_a_database_in_use_is_refused(store: Store, path: Path) -> None:
    """The service can be asked instead."""
    with pytest.raises(SocketInUse):
        look(path)


async def test_a_stopped_folder_may_be_looked_at_twice_at_once_but_not_served(
    store: Store, path: Path
) -> None:
    """The lock is shared, and held until it is done."""
    await closed(store, path)
    seen: list[object] = []

    def pause(_: int) -> None:
        seen.append(look(path, deep=False).problems)
        with pytest.raises(SocketInUse):
            Store.open(path, StoreSettings(), SystemClock())

    assert inspect(path, StoreSettings(), deep=False, pause=pause).problems == []
    assert seen and all(each == [] for each in seen)


@pytest.mark.parametrize("harm", ["flip", "cut", "swap", "nothing"])
async def test_damage_is_told_and_not_raised(store: Store, path: Path, harm: str) -> None:
    """A page overwritten, a file cut short, two pages in each other's place; the file stays as it is."""
    await closed(store, path)
    harmed(path, harm)
    before = files(path.parent)

    assert bool(look(path).problems) == (harm != "nothing")
    assert files(path.parent) == before


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("UPDATE chunks SET start = 1, end = 4 WHERE id = 1", "not in their document's text"),
        ("UPDATE chunks SET end = 999 WHERE id = 1", "not in their document's text"),
        ("UPDATE vectors SET vector = zeroblob(32) WHERE chunk_id = 1", "not of unit length"),
        (f"UPDATE vectors SET vector = X'0000C07F{'00' * 28}'", "not of unit length"),
    ],
)
async def test_a_deep_look_sees_what_is_whole_and_wrong(
    store: Store, path: Path, sql: str, problem: str
) -> None:
    """A passage that is elsewhere, a vector that is none; the light look does not read them so."""
    await closed(store, path)
    db = apsw.Connection(str(path))
    db.execute(sql)
    db.close()

    assert look(path, deep=False).problems == []
    assert any(problem in each for each in look(path).problems)


async def test_a_log_without_its_database_is_told_and_kept(store: Store, path: Path) -> None:
    """It holds what was acknowledged, and SQLite would delete it."""
    await store.write(put, "a", ["tea"])
    cut = path.parent / "cut"
    cut.mkdir()
    shutil.copy(folder.wal_path(path), cut / "pi-rag.db-wal")
    (cut / "pi-rag.db").touch()
    before = files(cut)

    assert before["pi-rag.db-wal"] != before["pi-rag.db"]
    assert "its log pi-rag.db-wal is there" in " ".join(look(cut / "pi-rag.db").problems)
    assert files(cut) == before


@pytest.mark.parametrize("deep", [False, True])
async def test_commits_that_a_damaged_log_hides_are_told(store: Store, path: Path, *, deep: bool) -> None:
    """SQLite takes them for what a power cut tore: the rest is whole, and the service would not start."""
    await store.empty_log()
    for number in range(6):
        await store.write(put, f"{number}", ["tea"])
    cut = path.parent / "cut"
    cut.mkdir()
    for each in (path, folder.wal_path(path)):
        shutil.copy(each, cut / each.name)
    assert look(cut / path.name, deep=deep).problems == []
    data = bytearray(folder.wal_path(path).read_bytes())
    data[5000] ^= 1
    folder.wal_path(cut / path.name).write_bytes(data)

    [told] = look(cut / path.name, deep=deep).problems
    assert "6 commits would be lost" in told


@pytest.mark.parametrize("schema", range(2, old.NEWEST + 1))
def test_one_of_an_older_schema_is_whole(tmp_path: Path, schema: int) -> None:
    """What such a one has not yet is no damage, however deep the look."""
    old.make(tmp_path / "data" / "pi-rag.db", schema)
    assert look(tmp_path / "data" / "pi-rag.db").problems == []


def test_what_is_no_database_of_ours(tmp_path: Path) -> None:
    """Nothing, noise, another program's, an empty one, a newer one: each has its own word."""
    with pytest.raises(PathNotFound):
        look(tmp_path / "nothing.db")
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"noise " * 10_000)
    assert "not a database" in " ".join(look(noise).problems)
    for name, sql, kind in (
        ("other", "CREATE TABLE t (x)", StoreUnusable),
        ("empty", "VACUUM", StoreUnusable),
        ("newer", "PRAGMA application_id = 0x70695261; PRAGMA user_version = 9999", SchemaNewer),
    ):
        made = apsw.Connection(str(tmp_path / f"{name}.db"))
        made.execute(sql)
        made.close()
        (tmp_path / f"{name}.db").touch()
        with pytest.raises(kind):
            look(tmp_path / f"{name}.db")


async def test_a_swap_that_was_cut_short_is_said(store: Store, path: Path) -> None:
    """What is there is neither the old database nor the new one until the next start has carried it out."""
    await closed(store, path)
    folder.swap_path(path).touch()
    with pytest.raises(StoreUnusable, match="cut short"):
        look(path)


async def test_it_ends_when_it_is_told_to(store: Store, path: Path) -> None:
    """In the middle of a statement."""
    for number in range(60):
        await store.write(put, f"{number}", [f"tea {number} " * 20] * 20)
    await store.close()
    with pytest.raises(Stopping):
        inspect(path, StoreSettings(), deep=True, stop=lambda: True)
