"""The vectors of queries, over a real store and a strict fake embedder."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_rag import query_cache
from pi_rag.clock import SystemClock
from pi_rag.config import CacheSettings, StoreSettings
from pi_rag.errors import DiskFull, EmbedderUnavailable
from pi_rag.query_cache import QueryCache, changed, has_room
from pi_rag.store import Connection, query_vectors
from pi_rag.store.query_vectors import KeptQuery
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store
from tests.embedder.fake import FakeEmbedder

MAKER = b"m" * 16


@dataclass
class Machine:
    """What the machine says of its memory."""

    available_mib: float | None = 1000.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(tmp_path / "pi-rag.db", StoreSettings(), SystemClock())
    yield store
    await store.close()


@pytest.fixture
async def embedder() -> FakeEmbedder:
    fake = FakeEmbedder()
    await fake.start()
    return fake


@contextlib.asynccontextmanager
async def caching(
    store: Store,
    embedder: FakeEmbedder,
    settings: CacheSettings | None = None,
    *,
    maker: bytes | None = MAKER,
    machine: Machine | None = None,
) -> AsyncIterator[QueryCache]:
    """A cache as the service has it, from its start to its stop."""
    machine = machine or Machine()
    cache = QueryCache(
        store, embedder, maker, settings or CacheSettings(), SystemClock(), lambda: machine.available_mib
    )
    keeping = await cache.start()
    try:
        yield cache
    finally:
        await cache.stop()
        assert keeping.cancelled() or keeping.exception() is None


async def ask(cache: QueryCache, *texts: str) -> list[str]:
    """Where each vector came from."""
    return [(await cache.vector(text, deadline_s=1.0))[1] for text in texts]


def uses(db: Connection) -> list[int]:
    return [row[0] for row in all_rows(db, "SELECT uses FROM query_uses ORDER BY uses")]


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_a_query_asked_again_costs_the_model_nothing(store: Store, embedder: FakeEmbedder) -> None:
    """The second vector is the first, bit by bit, and the embedder is asked once."""
    async with caching(store, embedder) as cache:
        first, origin = await cache.vector("q: where is the lamp", deadline_s=1.0)
        again, from_cache = await cache.vector("q: where is the lamp", deadline_s=1.0)
        other = await ask(cache, "q: where is the Lamp", "where is the lamp")

    plain = (await embedder.embed(["q: where is the lamp"], lane="query", deadline_s=1.0))[0].tobytes()
    assert (origin, from_cache) == ("miss", "hit")
    assert first == again == plain
    assert other == ["miss", "miss"]


async def test_a_known_query_is_answered_while_the_embedder_is_gone(
    store: Store, embedder: FakeEmbedder
) -> None:
    """What fails is not remembered, and what is remembered does not fail."""
    async with caching(store, embedder) as cache:
        await ask(cache, "known")
        embedder.broken = EmbedderUnavailable("none")
        assert await ask(cache, "known") == ["hit"]
        with pytest.raises(EmbedderUnavailable):
            await ask(cache, "unknown")
        embedder.broken = None
        assert await ask(cache, "unknown") == ["miss"]


async def test_what_was_asked_more_than_once_is_there_after_a_restart(
    store: Store, embedder: FakeEmbedder
) -> None:
    """A start loads it with its count; what was asked once was not worth a write."""
    async with caching(store, embedder) as cache:
        await ask(cache, "often", "often", "often", "once")
        vector, _ = await cache.vector("often", deadline_s=1.0)
    asked = len(embedder.calls)
    async with caching(store, embedder) as cache:
        again, origin = await cache.vector("often", deadline_s=1.0)
        assert cache.status()["kept"] == 1
        assert await ask(cache, "once") == ["miss"]

    assert (again, origin) == (vector, "hit")
    assert len(embedder.calls) == asked + 1
    assert await store.read(uses) == [5]


async def test_no_text_of_a_query_reaches_the_disk(
    store: Store, embedder: FakeEmbedder, tmp_path: Path
) -> None:
    """Only a hash and the vector do."""
    async with caching(store, embedder) as cache:
        await ask(cache, "canaryword", "canaryword")

    assert await store.read(uses) == [2]
    assert b"canaryword" not in bytes_in(tmp_path)


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_no_more_rows_are_kept_than_wanted(store: Store, embedder: FakeEmbedder, count: int) -> None:
    """The most used ones are; fewer wanted at the next start removes the others."""
    texts = [f"query {number}" for number in range(4) for _ in range(number + 2)]
    async with caching(store, embedder) as cache:
        await ask(cache, *texts)
    assert await store.read(uses) == [2, 3, 4, 5]
    async with caching(store, embedder, CacheSettings(query_kept_max=count)):
        assert await store.read(uses) == [2, 3, 4, 5][4 - count :]


async def test_vectors_of_another_maker_are_neither_used_nor_kept(
    store: Store, embedder: FakeEmbedder
) -> None:
    """Another model, or the same one with a longer window, begins anew."""
    async with caching(store, embedder) as cache:
        await ask(cache, "lamp", "lamp")
    async with caching(store, embedder, maker=b"n" * 16) as cache:
        assert await ask(cache, "lamp") == ["miss"]
        assert await store.read(uses) == []
    async with caching(store, embedder) as cache:
        assert await ask(cache, "lamp") == ["miss"]


async def test_zero_turns_it_off_and_removes_what_was_kept(store: Store, embedder: FakeEmbedder) -> None:
    """Every query is embedded, and nothing of it stays."""
    async with caching(store, embedder) as cache:
        await ask(cache, "lamp", "lamp")
    async with caching(store, embedder, CacheSettings(query_mib_max=0)) as cache:
        assert await ask(cache, "lamp", "lamp") == ["off", "off"]
        assert cache.status()["state"] == "off"
    assert await store.read(uses) == []


async def test_without_a_usable_model_it_is_off_and_touches_nothing(
    store: Store, embedder: FakeEmbedder
) -> None:
    """Going back to the right model finds everything as it was."""
    async with caching(store, embedder) as cache:
        await ask(cache, "lamp", "lamp")
    async with caching(store, embedder, maker=None) as cache:
        assert await ask(cache, "lamp") == ["off"]
    assert await store.read(uses) == [2]


async def test_a_save_writes_only_what_changed(store: Store, embedder: FakeEmbedder) -> None:
    """A card wears by writes: nothing new is no transaction, and a new count does not write its vector."""
    async with caching(store, embedder) as cache:
        await ask(cache, "a", "a", "b", "b")
        before = store.stats()["writer"]["writes"]
        await cache.save()
        await cache.save()
        assert store.stats()["writer"]["writes"] == before + 1
        await ask(cache, "a", "b", "b", "c")
        await store.write(lambda db: db.execute("UPDATE query_vectors SET vector = x'00'"))
        await cache.save()
        assert await store.read(uses) == [3, 4]
        assert await store.read(value, "SELECT count(*) FROM query_vectors WHERE vector = x'00'") == 2


async def test_a_full_disk_costs_only_the_saving(
    store: Store, embedder: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries are answered all the same, and the next save has everything."""
    write = store.write

    async def full(*_: object) -> None:
        raise DiskFull("The disk is full.")

    async with caching(store, embedder) as cache:
        await ask(cache, "lamp", "lamp")
        monkeypatch.setattr(store, "write", full)
        await cache.save()
        assert await ask(cache, "lamp") == ["hit"]
        monkeypatch.setattr(store, "write", write)
        await cache.save()
        assert await store.read(uses) == [3]


async def test_short_memory_empties_it_and_room_brings_back_what_was_kept(
    store: Store, embedder: FakeEmbedder
) -> None:
    """It stays off until there is clearly room again; what the database holds is not lost by it."""
    machine = Machine()
    settings = CacheSettings(available_mib_min=100)
    async with caching(store, embedder, settings, machine=machine) as cache:
        await ask(cache, "lamp", "lamp")
        await cache.save()
        machine.available_mib = 99.0
        await cache.look()
        assert (cache.status()["state"], cache.status()["bytes"]) == ("shed", 0)
        assert await ask(cache, "lamp") == ["off"]
        await cache.save()
        machine.available_mib = 124.0
        await cache.look()
        assert cache.status()["state"] == "shed"
        machine.available_mib = 125.0
        await cache.look()
        assert await ask(cache, "lamp") == ["hit"]
        assert cache.status()["sheds"] == 1


async def test_a_vector_that_comes_after_the_shedding_is_not_kept(
    store: Store, embedder: FakeEmbedder
) -> None:
    """What was under way when memory ran short does not fill the cache again."""
    let = asyncio.Event()
    embed = embedder.embed

    async def slowly(*args, **kwargs):  # type: ignore[no-untyped-def]  # a stand-in for one method
        await let.wait()
        return await embed(*args, **kwargs)

    embedder.embed = slowly  # type: ignore[method-assign]
    async with caching(store, embedder) as cache:
        asked = asyncio.create_task(ask(cache, "lamp"))
        await asyncio.sleep(0)
        cache.shed()
        let.set()
        assert await asked == ["miss"]
        assert cache.status()["entries"] == 0


async def test_it_looks_after_itself(
    store: Store, embedder: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without being told, it saves what has changed and sees that memory is short."""
    monkeypatch.setattr(query_cache, "LOOK_S_BETWEEN", 0.001)
    machine = Machine()
    settings = CacheSettings(save_s=0.001)
    async with caching(store, embedder, settings, machine=machine) as cache, asyncio.timeout(10):
        await ask(cache, "lamp", "lamp")
        while await store.read(uses) != [2]:
            await asyncio.sleep(0.001)
        machine.available_mib = 1.0
        while cache.status()["state"] != "shed":
            await asyncio.sleep(0.001)


@given(st.floats(0, 1e6), st.integers(0, 65_536))
def test_between_the_two_bounds_it_stays_as_it_is(available_mib: float, least: int) -> None:
    """Below the bound it is off, a quarter above it is on, and in between nothing changes."""
    on, off = has_room(True, available_mib, least), has_room(False, available_mib, least)
    assert on or not off
    assert on == (available_mib >= least)
    assert off == (available_mib >= least * 1.25)


def test_a_machine_that_does_not_tell_is_taken_to_have_room() -> None:
    """Where /proc says nothing, the bound in bytes is the only one."""
    assert has_room(True, None, 128) and has_room(False, None, 128)


@given(st.dictionaries(st.binary(max_size=1), st.integers(1, 3)), st.data())
def test_the_changes_lead_from_what_is_saved_to_what_is_wanted(
    saved: dict[bytes, int], data: st.DataObject
) -> None:
    """Applied to what is there they give what is wanted, and they touch nothing that is right already."""
    wanted = data.draw(st.dictionaries(st.binary(max_size=1), st.integers(1, 3)))
    changes = changed(saved, [KeptQuery(key, b"v", count, 0.0) for key, count in wanted.items()])
    after = {key: count for key, count in saved.items() if key not in changes.gone}
    after |= {each.hash: each.uses for each in (*changes.new, *changes.used)}
    assert after == wanted
    right = {key for key in saved.keys() & wanted.keys() if saved[key] == wanted[key]}
    assert right.isdisjoint(each.hash for each in (*changes.new, *changes.used))
    assert bool(changes) == (saved != wanted)
    assert isinstance(changes, query_vectors.Changes)


async def test_another_model_begins_with_nothing_of_the_one_before(
    store: Store, embedder: FakeEmbedder
) -> None:
    """Once it follows, every vector is its own, on the disk too, and also where there was no model."""
    follower = FakeEmbedder(dimensions=8)
    await follower.start()
    async with caching(store, embedder, maker=None) as cache:
        nothing = await ask(cache, "lamp")
        cache.follow(embedder, MAKER)
        await cache.look()
        before = await ask(cache, "lamp", "lamp")
        await cache.save()
        cache.follow(follower, b"n" * 16)
        fresh, origin = await cache.vector("lamp", deadline_s=1.0)
        await cache.look()
        after = await ask(cache, "lamp", "lamp")
        kept = await store.read(uses)

    assert (nothing, before, after) == (["off"], ["miss", "hit"], ["miss", "hit"])
    assert (len(fresh), origin) == (8 * 4, "off")
    assert kept == []
