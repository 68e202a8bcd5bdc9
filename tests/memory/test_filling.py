"""What waits for its vectors gets them; what cannot be embedded holds up nobody; a new model begins anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pi_rag.config import RememberSettings
from pi_rag.errors import EmbedderUnavailable, TokensInvalid
from pi_rag.memory import clearing, filling
from pi_rag.memory.filling import Filling
from pi_rag.memory.means import Maker, Means
from pi_rag.memory_types import Caller, NewFact
from pi_rag.store.memory import memories, usage, vectors
from tests.memory.housing import FINGERPRINT, HandClock, Housed, housed, settings_of
from tests.store.memory.keeping import fact, keep

if TYPE_CHECKING:
    from pi_rag.types import Lane, Text, Vectors


class Choosy:
    """The fake embedder, which is away at times and cannot read some texts."""

    def __init__(self, house: Housed) -> None:
        self.house = house
        self.away = False
        self.asked = 0

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        self.asked += 1
        if self.away:
            raise EmbedderUnavailable("It is away.")
        if any("unreadable" in str(each) for each in texts):
            raise TokensInvalid("It cannot be read.")
        return await self.house.embedder.embed(texts, lane=lane, deadline_s=deadline_s)

    async def count_tokens(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[int]:
        return await self.house.embedder.count_tokens(texts, lane=lane, deadline_s=deadline_s)


class Bench:
    """A filling with its store, whose model can be changed."""

    def __init__(self, house: Housed) -> None:
        self.house = house
        self.embedder = Choosy(house)
        self.made_by = FINGERPRINT
        self.filling = Filling(self.means, 10.0)

    def means(self) -> Means:
        return replace(self.house.desk.means, maker=lambda: Maker(self.embedder, self.made_by, "", 512))

    async def keep(self, *texts: str) -> list[int]:
        return [await self.house.store.write(keep, fact(text)) for text in texts]

    async def pending(self) -> int:
        return (await self.house.store.read(usage.totals)).pending


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Nothing is kept yet."""
    house = await housed(tmp_path / "data" / "pi-rag.db", HandClock(), RememberSettings())
    yield Bench(house)
    await house.close()


async def test_what_waits_gets_its_vectors(bench: Bench) -> None:
    """In steps of some; then nothing is asked again until somebody writes."""
    await bench.keep(*(f"fact {number}" for number in range(filling.AT_ONCE + 2)))
    assert [await bench.filling.look() for _ in range(3)] == [filling.AT_ONCE, 2, 0]
    assert await bench.pending() == 0
    assert await bench.house.store.read(vectors.model) == FINGERPRINT
    asked = bench.embedder.asked
    assert await bench.filling.look() == 0 and bench.embedder.asked == asked
    await bench.keep("one more")
    assert await bench.filling.look() == 1
    assert bench.filling.status() == {"filled": filling.AT_ONCE + 3, "refused": 0, "cleared": 0}


async def test_what_cannot_be_embedded_holds_up_nobody(bench: Bench) -> None:
    """It goes on waiting, is found by its words, and is not asked for again in this run."""
    await bench.keep("tea", "unreadable", "milk")
    assert await bench.filling.look() == 3
    assert await bench.filling.look() == 0
    assert await bench.pending() == 1
    assert bench.filling.status() == {"filled": 2, "refused": 1, "cleared": 0}


async def test_a_new_model_makes_all_vectors_anew(bench: Bench) -> None:
    """Those of the old one are gone with the first look; what it could not read is tried again."""
    await bench.keep("tea", "unreadable")
    while await bench.filling.look():
        pass
    bench.made_by = replace(FINGERPRINT, model_sha256="1" * 64)
    bench.embedder.away = True
    with pytest.raises(EmbedderUnavailable):
        await bench.filling.look()
    assert await bench.pending() == 2
    bench.embedder.away = False
    while await bench.filling.look():
        pass
    assert await bench.pending() == 1
    assert await bench.house.store.read(vectors.model) == bench.made_by


async def test_vectors_of_a_model_that_has_gone_meanwhile_are_not_stored(bench: Bench) -> None:
    """The new one makes them again."""
    await bench.keep("tea")
    embed = bench.embedder.embed
    other = replace(FINGERPRINT, model_sha256="1" * 64)

    async def change_meanwhile(texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> Vectors:
        bench.made_by = other
        return await embed(texts, lane=lane, deadline_s=deadline_s)

    bench.embedder.embed = change_meanwhile  # type: ignore[method-assign]
    await bench.filling.look()
    assert await bench.pending() == 1
    bench.embedder.embed = embed  # type: ignore[method-assign]
    await bench.filling.look()
    assert await bench.pending() == 0
    assert await bench.house.store.read(vectors.model) == other


async def test_the_loop_goes_on_when_the_embedder_comes_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It beats while it waits, and ends when it is told to."""
    monkeypatch.setattr(filling, "FAILED_S_BETWEEN", 0.01)
    await bench.keep("tea")
    bench.embedder.away = True
    beaten = asyncio.Event()
    bench.filling.beat = beaten.set
    bench.filling.start()
    while bench.embedder.asked < 2:
        beaten.clear()
        await beaten.wait()
    bench.embedder.away = False
    while await bench.pending():
        beaten.clear()
        await beaten.wait()
    await bench.filling.stop()
    await bench.filling.stop()


async def test_what_was_recalled_is_written_down_at_the_end(bench: Bench) -> None:
    """Until then it is gathered in RAM."""
    [kept] = await bench.keep("tea")
    bench.house.desk.means.learned.uses.note([kept, kept])
    bench.filling.start()
    await bench.filling.stop()
    found = await bench.house.store.read(memories.one, kept)
    assert found is not None and found.uses == 2 and found.used_at == bench.house.clock.now


async def test_what_is_gone_beyond_its_bound_is_erased_by_the_loop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its slow rounds, one after the other, and also while the embedder is away."""
    monkeypatch.setattr(filling, "SLOW_S_BETWEEN", 0.0)
    monkeypatch.setattr(filling, "FAILED_S_BETWEEN", 0.01)
    monkeypatch.setattr(clearing, "AT_ONCE", 2)
    bench.house.desk.follow(settings_of(gone_max=10))
    ids = await bench.keep("in force", *(f"fact {number}" for number in range(13)))
    await bench.house.store.write(memories.put_away, ids[1:], "superseded", bench.house.clock.now)
    bench.embedder.away = True
    beaten = asyncio.Event()
    bench.filling.beat = beaten.set
    bench.filling.start()
    while bench.filling.status()["cleared"] < 3:
        beaten.clear()
        await beaten.wait()
    await bench.filling.stop()
    found = await bench.house.store.read(memories.get, ids)
    assert [each.id for each in found] == [ids[0], *ids[4:]]


async def test_the_audit_log_is_held_to_its_bound_by_the_loop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its oldest lines go in a slow round, whoever wrote them."""
    monkeypatch.setattr(filling, "SLOW_S_BETWEEN", 0.0)
    bench.house.desk.follow(settings_of(audit_max=3))
    caller = Caller("person")
    for number in range(6):
        await bench.house.desk.remember(NewFact(f"fact {number}"), caller)
    newest = (await bench.house.desk.changes(caller, limit=1))[0].id
    bench.filling.start()
    while len(kept := await bench.house.desk.changes(caller, limit=10)) > 3:
        pass  # each look waits for the database
    await bench.filling.stop()
    assert [each.id for each in kept] == [newest, newest - 1, newest - 2]
