"""A snapshot is used only when it is whole and belongs to this very database; else the index is made anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pi_rag.clock import SystemClock
from pi_rag.store import identity
from pi_rag.store.keeper import Keeper
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store
from tests.store.indexed import SETTINGS, filled, opened, put_many
from tests.store.making import FINGERPRINT
from tests.store.test_keeper import known, stored


async def saved(path: Path) -> Path:
    """A closed store with a snapshot; the snapshot's folder."""
    store = await filled(path)
    await Keeper(store, SystemClock()).look()
    await store.close()
    return path.parent / "index"


def _opened(path: Path) -> tuple[Store, list[str]]:
    """The store, and what it said of an unusable snapshot."""
    with capture_logs() as lines:
        store = opened(path)
    return store, [line["reason"] for line in lines if line["event"] == "index_snapshot_unusable"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["codes", "numbers", "snapshot.json"])
@pytest.mark.parametrize("harm", [_cut, _flip, Path.unlink])
async def test_a_damaged_snapshot_is_made_anew_and_said_once(
    path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    """Torn, flipped or missing: every passage is found again, and the log says why."""
    folder = await saved(path)
    if (name, harm) == ("snapshot.json", _flip):
        (folder / name).write_text("{")
    else:
        harm(folder / name)
    store, said = _opened(path)
    assert len(said) == 1
    keeper = Keeper(store, SystemClock())
    assert await keeper.look() == "make"
    assert await keeper.look() == "nothing"
    assert await known(store) == await stored(store)
    await store.close()
    again, said = _opened(path)
    assert said == []
    assert await known(again) == await stored(again)
    await again.close()


async def test_one_of_another_model_is_not_used(path: Path) -> None:
    """Its codes would mean nothing."""
    await saved(path)
    store = opened(path)
    await store.write(identity.write, replace(FINGERPRINT, model_sha256="3" * 64))
    await store.close()
    again, said = _opened(path)
    assert said == ["it is of another model"]
    assert await Keeper(again, SystemClock()).look() == "make"
    await again.close()


async def test_one_of_another_time_is_not_used(path: Path) -> None:
    """A database that was copied back gives its numbers to others: the later snapshot does not fit."""
    await saved(path)
    shutil.copy(path, path.with_name("copy.db"))
    store = opened(path)
    keeper = Keeper(store, SystemClock())
    keeper.start()
    await store.write(put_many, "second", 50, 2)
    await keeper.stop()
    await store.close()
    shutil.copy(path.with_name("copy.db"), path)
    again, said = _opened(path)
    await again.write(put_many, "other", 50, 3)
    assert said == ["it is of another database"]
    await Keeper(again, SystemClock()).look()
    assert await known(again) == await stored(again)
    await again.close()


async def test_one_of_another_number_of_bits_is_not_used(path: Path) -> None:
    """The settings of today decide."""
    await saved(path)
    store = opened(path, replace(SETTINGS, bits=3))  # no processor's own choice
    keeper = Keeper(store, SystemClock())
    assert await keeper.look() == "make"
    assert keeper.status()["kind"] == "turbo-3"
    await store.close()


async def test_a_kill_between_saving_and_publishing_leaves_none(path: Path) -> None:
    """Without its card the files are nothing."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    await store.write(put_many, "second", 40, 2)
    await store.write(store.derived.save)
    await store.close()
    again = opened(path)
    assert await Keeper(again, SystemClock()).look() == "make"
    assert await known(again) == await stored(again)
    await again.close()


async def test_a_failed_save_is_not_taken_for_one(path: Path) -> None:
    """The note is rolled back with its transaction, and the files have lost their card."""
    store = await filled(path)
    await Keeper(store, SystemClock()).look()
    await store.write(put_many, "second", 40, 2)

    with pytest.raises(ZeroDivisionError):
        await store.write(lambda db: (store.derived.save(db), 1 / 0))
    await store.close()
    again = opened(path)
    assert await Keeper(again, SystemClock()).look() == "make"
    assert await known(again) == await stored(again)
    await again.close()


async def test_removals_are_noted_only_while_there_is_a_snapshot(path: Path) -> None:
    """Else the notes would grow for ever."""
    store = await filled(path)
    await store.write(lambda db: db.execute("DELETE FROM chunks WHERE id = 1"))
    assert await store.read(value, "SELECT count(*) FROM removed_chunks") == 0
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    await store.write(lambda db: db.execute("DELETE FROM chunks WHERE id = 2"))
    assert await store.read(all_rows, "SELECT * FROM removed_chunks") == [(2,)]
    store.derived.settings = replace(SETTINGS, kind="exact")
    assert await keeper.look() == "drop"
    await store.write(lambda db: db.execute("DELETE FROM chunks WHERE id = 3"))
    assert await store.read(value, "SELECT count(*) FROM removed_chunks") == 0
    await store.close()


async def test_its_card_names_no_text(path: Path) -> None:
    """Only what it belongs to, and sums."""
    folder = await saved(path)
    card = json.loads((folder / "snapshot.json").read_text())
    assert set(card) == {"database", "shape", "model", "digests"}
