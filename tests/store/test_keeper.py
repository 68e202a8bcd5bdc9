"""The RAM index is made, kept in step, saved and measured while the store works."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pi_rag.clock import SystemClock
from pi_rag.config import IndexSettings
from pi_rag.index.choice import Shape
from pi_rag.store import documents, identity, reindex
from pi_rag.store.keeper import Facts, Keeper, due
from pi_rag.store.nearest import nearest
from pi_rag.store.rows import all_rows
from pi_rag.store.store import Store
from pi_rag.types import Scope
from tests.store.indexed import SETTINGS, filled, opened, put_many, rows_of
from tests.store.making import FINGERPRINT, put

FOUR, TWO, NONE = Shape("turbo", 4), Shape("turbo", 2), Shape("exact", 32, "too many")
WIDE = replace(FINGERPRINT, model_sha256="1" * 64, dimensions=16)
STEADY = Facts(FINGERPRINT, 100, True, FOUR, FOUR, FOUR, 0, 10)


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (STEADY, "nothing"),
        (replace(STEADY, model=None), "nothing"),
        (replace(STEADY, usable=False), "make"),
        (replace(STEADY, fits=TWO, fits_with_room=TWO), "make"),
        (replace(STEADY, has=TWO, fits_with_room=TWO), "nothing"),
        (replace(STEADY, has=TWO, fits=TWO, fits_with_room=NONE), "nothing"),
        (replace(STEADY, has=TWO), "make"),
        (replace(STEADY, has=Shape("signs", 1)), "make"),
        (replace(STEADY, fits=NONE, fits_with_room=NONE), "drop"),
        (replace(STEADY, fits=NONE, fits_with_room=NONE, usable=False), "nothing"),
        (replace(STEADY, unsaved=10), "save"),
        (replace(STEADY, unsaved=9), "nothing"),
    ],
)
def test_what_is_due_follows_from_numbers(facts: Facts, wanted: str) -> None:
    """And a finer index is made only when there is room to spare."""
    assert due(facts) == wanted


@given(st.integers(0, 10**6))
def test_nothing_is_due_twice(unsaved: int) -> None:
    """What has just been saved is not saved again."""
    facts = replace(STEADY, unsaved=unsaved)
    assert due(replace(facts, unsaved=0)) == "nothing"


async def known(store: Store) -> set[int]:
    """All passages that the index proposes."""
    model = await store.read(identity.fingerprint)
    assert model is not None
    index, reason = store.derived.usable(model)
    assert index is not None, reason
    return set(index.propose(rows_of(1, 0).tobytes(), 100_000))


async def stored(store: Store) -> set[int]:
    """All passages that are there."""
    return {row[0] for row in await store.read(all_rows, "SELECT chunk_id FROM vectors")}


async def test_the_index_follows_every_commit(path: Path) -> None:
    """Added, replaced, removed, rolled back."""
    store = await filled(path)
    await Keeper(store, SystemClock()).look()
    assert await known(store) == await stored(store) == set(range(1, 301))
    await store.write(put_many, "second", 40, 2)
    await store.write(put_many, "second", 30, 3)
    await store.write(documents.remove_source, "first", None)
    with pytest.raises(ZeroDivisionError):
        await store.write(lambda db: put_many(db, "third", 5, 4) // 0)
    assert await known(store) == await stored(store)
    assert len(await known(store)) == 30
    await store.close()


async def test_what_is_written_while_it_is_made_is_in_it(path: Path) -> None:
    """Whatever was committed between the slices, before or behind the place it has reached."""
    store = await filled(path, passages=9000)
    keeper = Keeper(store, SystemClock())
    making = asyncio.create_task(keeper.look())
    for number in range(15):
        await store.write(put_many, f"d{number}", 20, number)
        if number % 3 == 0:
            await store.write(documents.remove_source, f"d{number // 2}", None)
    await store.write(lambda db: db.execute("DELETE FROM chunks WHERE id IN (1, 5000, 9000)"))
    assert await making == "make"
    assert await known(store) == await stored(store)
    await store.close()


async def test_a_snapshot_makes_the_next_start_ready_at_once(path: Path) -> None:
    """With what was written after it was made, and without what was removed."""
    store = await filled(path)
    await Keeper(store, SystemClock()).look()
    await store.write(put_many, "second", 40, 2)
    await store.write(documents.remove_source, "first", None)
    await store.close()
    again = opened(path)
    assert await known(again) == await stored(again) == set(range(301, 341))
    assert await Keeper(again, SystemClock()).look() == "nothing"
    await again.close()


async def test_at_a_stop_what_changed_is_saved(path: Path) -> None:
    """And nothing is, when nothing has."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    keeper.start()
    await store.write(put_many, "second", 40, 2)
    assert store.derived.unsaved == 40
    await keeper.stop()
    await keeper.stop()
    assert store.derived.unsaved == 0
    await store.close()
    again = opened(path)
    assert again.derived.unsaved == 0
    assert await known(again) == set(range(1, 341))
    await again.close()


async def test_after_so_many_changes_it_is_saved(path: Path) -> None:
    """The rest is taken from the database."""
    store = await filled(path, replace(SETTINGS, snapshot_changes=50))
    keeper = Keeper(store, SystemClock())
    assert await keeper.look() == "make"
    await store.write(put_many, "second", 49, 2)
    assert await keeper.look() == "nothing"
    await store.write(put_many, "third", 1, 2)
    assert await keeper.look() == "save"
    assert store.derived.unsaved == 0
    await store.close()


async def test_a_budget_that_is_outgrown_takes_bits_and_then_the_index(path: Path) -> None:
    """Searches go on, and status says why."""
    store = await filled(path, passages=100)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    assert keeper.status()["kind"].startswith("turbo-")
    store.derived.settings = IndexSettings(memory_mib_max=0)
    assert await keeper.look() == "drop"
    assert "memory_mib_max" in keeper.status()["reason"]
    assert await keeper.look() == "nothing"
    store.derived.settings = SETTINGS
    await store.write(put_many, "second", 5, 2)
    assert await keeper.look() == "make"
    await store.close()


async def test_recall_is_measured_on_the_last_query(path: Path) -> None:
    """Once for each; the mean is shown."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    assert await keeper.measure() is None
    store.derived.asked(rows_of(1, 7).tobytes())
    recall = await keeper.measure()
    assert recall is not None
    assert 0.7 <= recall <= 1.0
    assert await keeper.measure() is None
    assert keeper.status()["recall"] == {"at": 10, "mean": round(recall, 4), "samples": 1}
    await store.close()


async def test_recall_that_is_lost_is_seen(path: Path) -> None:
    """An index whose codes are of other vectors finds next to nothing, and the figure says so."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    model = await store.read(identity.fingerprint)
    assert model is not None
    index, _ = store.derived.usable(model)
    assert index is not None
    index.remove(range(1, 301))
    index.add(range(1, 301), rows_of(300, seed=77).tobytes())
    for seed in range(10):
        store.derived.asked(rows_of(1, seed + 20).tobytes())
        await keeper.measure()
    assert keeper.status()["recall"]["mean"] < 0.5
    await store.close()


async def test_the_service_keeps_it_by_itself(path: Path) -> None:
    """From the first document on, without being told."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    keeper.start()
    async with asyncio.timeout(30):
        while keeper.status()["passages"] != 300:
            await asyncio.sleep(0.01)
    await keeper.stop()
    await store.close()


async def test_an_index_that_cannot_follow_is_made_anew(path: Path) -> None:
    """The write is right and acknowledged all the same."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    model = await store.read(identity.fingerprint)
    assert model is not None
    index, _ = store.derived.usable(model)
    assert index is not None
    index.add = None  # type: ignore[method-assign,assignment]
    await store.write(put_many, "second", 5, 2)
    assert "could not follow" in keeper.status()["reason"]
    assert await keeper.look() == "make"
    assert await known(store) == await stored(store)
    await store.close()


async def test_everything_is_a_scope(path: Path) -> None:
    """A search without a filter is remembered for measuring, one with a filter is not."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    vector = rows_of(1, 3).tobytes()
    await store.read(nearest, store.derived, vector, 5, Scope(collection="default"))
    assert store.derived.take_asked() is None
    await store.read(nearest, store.derived, vector, 5, Scope())
    assert store.derived.take_asked() == vector
    await store.close()


async def swapped(store: Store) -> None:
    """Another model, of 16 numbers, takes the place of the first."""
    await store.write(reindex.begin, WIDE, 1.0)
    ids = [each.chunk_id for each in await store.read(reindex.waiting, 10_000)]
    vectors = np.eye(16, dtype="<f4")[np.arange(len(ids)) % 16]
    await store.write(reindex.put, reindex.Made(ids, vectors.tobytes(), [bytes(16)] * len(ids)), 16)
    await store.write(reindex.swap, 2.0)


async def test_another_model_in_the_middle_of_making_is_no_fault(path: Path) -> None:
    """What was begun is left, and one of the new vectors is made next."""
    store = await filled(path, passages=9000)
    keeper = Keeper(store, SystemClock())
    read, swaps = store.read, [swapped]

    async def read_and_swap(fn: Any, *args: Any) -> Any:
        rows = await read(fn, *args)
        if isinstance(rows, list) and swaps:
            store.read = read  # type: ignore[method-assign]
            await swaps.pop()(store)
        return rows

    store.read = read_and_swap  # type: ignore[method-assign,assignment]
    assert await keeper.look() == "make"
    assert store.derived.usable(WIDE)[0] is None
    assert await keeper.look() == "make"
    index = store.derived.usable(WIDE)[0]
    assert index is not None
    assert len(index) == 9000
    await store.close()


async def test_a_query_of_another_model_is_not_measured(path: Path) -> None:
    """Neither before there is an index of the new model nor after."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    store.derived.asked(rows_of(1, 7).tobytes())
    await swapped(store)
    assert await keeper.measure() is None
    store.derived.asked(rows_of(1, 7).tobytes())
    await keeper.look()
    assert await keeper.measure() is None
    await store.close()


async def test_a_folder_that_takes_no_snapshot_does_not_end_the_service(path: Path) -> None:
    """The index is used all the same, and the log says once why it is not saved."""
    store = await filled(path)
    (path.parent / "index").write_text("a file of somebody's")
    keeper = Keeper(store, SystemClock())
    with capture_logs() as logs:
        task = keeper.start()
        async with asyncio.timeout(30):
            while not logs or logs[-1]["event"] != "index_not_kept":
                await asyncio.sleep(0.01)
        assert not task.done()
        assert await known(store) == await stored(store)
        await keeper.stop()
    assert [each["code"] for each in logs if each["event"] == "index_not_kept"] == ["store_unusable"] * 2
    await store.close()


async def test_what_is_saved_is_published_though_the_index_is_gone_meanwhile(path: Path) -> None:
    """A write that it could not follow may come between the two."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    publish = await store.write(store.derived.save)
    assert publish is not None
    await store.write(lambda _: store.derived.without(NONE))
    publish()
    await store.close()
    again = opened(path)
    assert await known(again) == await stored(again)
    await again.close()


async def test_without_a_write_nothing_is_looked_at_again(path: Path) -> None:
    """To count passages reads every document where there is no index."""
    store = await filled(path, replace(SETTINGS, kind="exact"))
    keeper = Keeper(store, SystemClock())
    assert await keeper.look() == "nothing"
    reads = store.stats()["readers"]["reads"]
    assert await keeper.look() == "nothing"
    assert store.stats()["readers"]["reads"] == reads
    await store.close()


async def test_vectors_of_another_width_end_the_index_without_a_fault(path: Path) -> None:
    """After a change of the model a document may come before the keeper looks; a new index is then made."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    await swapped(store)
    wide_one = np.eye(1, 16, dtype="<f4").tobytes()
    with capture_logs() as logs:
        await store.write(put, "late", ["tea"], vectors=wide_one)
    _, reason = store.derived.usable(WIDE)
    await keeper.look()
    index, _ = store.derived.usable(WIDE)
    await store.close()

    assert "another model" in reason
    assert [each for each in logs if each["log_level"] == "error"] == []
    assert index is not None
    assert len(index) == 301
