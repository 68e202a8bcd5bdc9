"""Answers given before, over a real store and a real desk that counts how often it is asked."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pi_rag import answer_cache
from pi_rag.answer_cache import AnswerCache, key_of, ram_bytes
from pi_rag.clock import SystemClock
from pi_rag.config import CacheSettings, QuerySettings, StoreSettings
from pi_rag.errors import EmbedderUnavailable, QueryEmpty, QueryTooLong, StoreBusy
from pi_rag.query import Answer, QueryDesk, Question
from pi_rag.query_cache import QueryCache
from pi_rag.store import documents, identity
from pi_rag.store.rows import value
from pi_rag.store.store import Store
from pi_rag.types import Scope
from tests.embedder.fake import FakeEmbedder
from tests.store.making import DIMENSIONS, FINGERPRINT, put

TEA = Question("tea", mode="text")
IN_BILLS = replace(TEA, scope=Scope("bills"))
IN_LETTERS = replace(TEA, scope=Scope("letters"))


class Desk(QueryDesk):
    """The real one. It counts, and does something of the test's choice before it gives its answer."""

    asked = 0
    meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def search(self, question: Question) -> Answer:
        self.asked += 1
        answer = await super().search(question)
        if self.meanwhile is not None:
            await self.meanwhile()
        return answer


@dataclass
class Time:
    """A clock that a test sets."""

    now_s: float = 100.0

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        raise AssertionError("Nothing here looks at the wall clock.")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(tmp_path / "pi-rag.db", StoreSettings(), SystemClock())
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    await store.write(put, "a", ["tea for two"], collection="bills")
    await store.write(put, "b", ["a letter about tea"], collection="letters")
    yield store
    await store.close()


@pytest.fixture
async def embedder() -> FakeEmbedder:
    fake = FakeEmbedder(DIMENSIONS)
    await fake.start()
    return fake


@pytest.fixture
def desk(store: Store, embedder: FakeEmbedder) -> Desk:
    vectors = QueryCache(store, embedder, None, CacheSettings(), SystemClock(), lambda: None)
    return Desk(
        store, vectors, query_prefix="", query_s_max=3.0, settings=QuerySettings(), clock=SystemClock()
    )


@pytest.fixture
def cache(store: Store, desk: Desk) -> AnswerCache:
    return made(store, desk)


@dataclass
class Machine:
    """What the machine says of its memory."""

    available_mib: float | None = None


def made(
    store: Store, desk: Desk, time: Time | None = None, machine: Machine | None = None, **settings: Any
) -> AnswerCache:
    machine = machine or Machine()
    return AnswerCache(
        desk, store, CacheSettings(**settings), time or SystemClock(), lambda: machine.available_mib
    )


async def origins(cache: AnswerCache, *questions: Question) -> list[str]:
    """Where each answer came from."""
    return [(await cache.search(question)).explain["results"] for question in questions]


def sources(answer: Answer) -> set[str]:
    return {hit.passage.source for hit in answer.hits}


async def test_a_question_asked_again_is_not_searched_again(cache: AnswerCache, desk: Desk) -> None:
    """The second answer has the hits of the first, says where it came from, and its own true time."""
    first, second = [await cache.search(TEA) for _ in range(2)]
    assert first.hits == second.hits
    assert [first.explain["results"], second.explain["results"]] == ["miss", "hit"]
    assert set(second.took_ms) == {"results", "total"}
    assert 0 < second.took_ms["total"] < first.took_ms["total"]
    assert desk.asked == 1


async def test_nobody_makes_way_for_an_answer_that_is_there(store: Store, desk: Desk) -> None:
    """Only a search takes workers and readers; without a cache each question is one."""
    told: list[int] = []
    for settings in (CacheSettings(), CacheSettings(results_max=0)):
        cache = AnswerCache(
            desk, store, settings, SystemClock(), lambda: None, lambda: told.append(desk.asked)
        )
        await origins(cache, TEA, TEA, TEA)
    assert told == [0, 1, 2, 3]


async def test_a_question_answered_from_ram_counts_as_asked(
    store: Store, desk: Desk, cache: AnswerCache
) -> None:
    """Or the vectors of the very questions that are asked most would not be kept over a restart."""
    embedder = FakeEmbedder(DIMENSIONS)
    await embedder.start()
    desk.cache = QueryCache(store, embedder, b"m", CacheSettings(), SystemClock(), lambda: None)
    await desk.cache.start()
    assert await origins(cache, *[replace(TEA, mode="hybrid")] * 3, TEA, TEA) == [
        "miss", "hit", "hit", "miss", "hit",
    ]  # fmt: skip
    assert desk.cache.status()["hits"] == 2
    await desk.cache.stop()
    assert await store.read(lambda db: value(db, "SELECT uses FROM query_uses")) == 3


async def test_an_answer_is_shared_and_nobody_can_change_it(cache: AnswerCache) -> None:
    """What one guest does to the explanation or the times, the next does not see."""
    first = await cache.search(TEA)
    assert isinstance(first.explain, dict)
    assert isinstance(first.took_ms, dict)
    whole = dict(first.explain) | {"results": "hit"}
    first.explain.clear()
    first.took_ms.clear()
    assert (await cache.search(TEA)).explain == whole


@pytest.mark.parametrize(
    "other",
    [
        replace(TEA, query="tee"),
        replace(TEA, query="Tea"),
        replace(TEA, k=9),
        replace(TEA, mode="hybrid"),
        replace(TEA, scope=Scope("bills")),
        replace(TEA, scope=Scope(filter={"year": 1})),
        replace(TEA, scope=Scope(filter={"year": True})),
        replace(TEA, scope=Scope(filter={"year": "1"})),
        replace(TEA, scope=Scope(filter={"year": {"in": [1]}})),
    ],
)
def test_whatever_differs_in_a_question_is_another_question(other: Question) -> None:
    """An answer is never given to a question that is only similar."""
    assert key_of(other, QuerySettings()) != key_of(TEA, QuerySettings())
    assert key_of(replace(other), QuerySettings()) == key_of(other, QuerySettings())


def test_the_order_of_a_filter_makes_no_other_question() -> None:
    """Nor does a program that builds it anew each time."""
    one, same = {"year": 1, "kind": "x"}, {"kind": "x", "year": 1}
    keys = {key_of(replace(TEA, scope=Scope(filter=each)), QuerySettings()) for each in (one, same)}
    assert len(keys) == 1


async def test_other_settings_of_the_search_make_other_answers(cache: AnswerCache, desk: Desk) -> None:
    """After a reload nothing is answered as it was before."""
    assert await origins(cache, TEA, TEA) == ["miss", "hit"]
    desk.settings = replace(desk.settings, title_weight=3.0)
    assert await origins(cache, TEA, TEA) == ["miss", "hit"]


async def test_a_write_drops_what_was_asked_where_it_wrote(cache: AnswerCache, store: Store) -> None:
    """A new document is found at once, a removed one never again; what was asked elsewhere stays."""
    asked = [IN_BILLS, IN_LETTERS, TEA]
    assert await origins(cache, *asked, *asked) == ["miss"] * 3 + ["hit"] * 3
    await store.write(put, "c", ["more tea"], collection="bills")
    assert await origins(cache, *asked) == ["miss", "hit", "miss"]
    assert sources(await cache.search(IN_BILLS)) == {"a", "c"}
    await store.write(documents.remove_source, "a", "bills")
    assert sources(await cache.search(TEA)) == {"b", "c"}
    assert cache.status()["dropped"] == 4
    assert cache.status()["entries"] == 2


async def test_what_no_document_fits_is_looked_at_again_after_any_write(
    cache: AnswerCache, store: Store
) -> None:
    """A filter's field that no document has may be one that somebody wrote elsewhere a moment ago."""
    question = replace(IN_BILLS, scope=replace(IN_BILLS.scope, filter={"status": "paid"}))
    assert "unknown_fields" in (await cache.search(question)).explain
    await store.write(put, "c", ["rain"], collection="letters", metadata={"status": "paid"})
    assert "unknown_fields" not in (await cache.search(question)).explain


async def test_an_answer_made_across_a_write_is_not_kept(
    cache: AnswerCache, store: Store, desk: Desk
) -> None:
    """It was read before the write: who asks after the write is acknowledged must not get it."""
    desk.meanwhile = lambda: store.write(put, "c", ["more tea"], collection="bills")
    assert sources(await cache.search(IN_BILLS)) == {"a"}
    desk.meanwhile = None
    assert sources(await cache.search(IN_BILLS)) == {"a", "c"}
    desk.meanwhile = lambda: store.write(put, "d", ["more tea"], collection="letters")
    assert await origins(cache, replace(IN_BILLS, k=1), replace(IN_BILLS, k=1)) == ["miss", "hit"]


async def test_an_answer_from_less_than_everything_is_not_kept(
    cache: AnswerCache, embedder: FakeEmbedder
) -> None:
    """Once the embedder is back the next answer is whole."""
    embedder.broken = EmbedderUnavailable("none")
    hybrid = replace(TEA, mode="hybrid")
    assert [(await cache.search(hybrid)).degraded for _ in range(2)] == [("embedder_unavailable",)] * 2
    embedder.broken = None
    assert (await cache.search(hybrid)).degraded == ()
    assert await origins(cache, hybrid) == ["hit"]


async def test_a_question_that_is_refused_is_refused_each_time(cache: AnswerCache, desk: Desk) -> None:
    """Also one that a reload has made too long."""
    for _ in range(2):
        with pytest.raises(QueryEmpty):
            await cache.search(replace(TEA, query=" "))
        with pytest.raises(QueryTooLong):
            await cache.search(replace(TEA, query="tea " * 10_000))
    assert cache.status()["entries"] == 0


async def test_answers_are_bounded_in_number_in_bytes_and_in_time(store: Store, desk: Desk) -> None:
    """The one used longest ago goes first; none is older than its time."""
    time = Time()
    cache = made(store, desk, time, results_max=2, results_ttl_s=10.0)
    assert await origins(cache, TEA, IN_BILLS, TEA, IN_LETTERS) == ["miss", "miss", "hit", "miss"]
    assert await origins(cache, TEA, IN_BILLS) == ["hit", "miss"]
    time.now_s += 10.0
    assert await origins(cache, TEA) == ["miss"]
    assert (cache.status()["evictions"], cache.status()["expired"]) == (2, 2)
    small = made(store, desk, results_mib_max=1)
    for k in range(1, 101):
        for words in ("tea", "letter", "two", "for", "about", "tea for", "tea two", "a tea"):
            await small.search(replace(TEA, query=words, k=k))
    assert small.status()["bytes"] <= small.status()["bytes_max"] == 2**20
    assert small.status()["evictions"] > 0


@pytest.mark.parametrize("off", [{"results_max": 0}, {"results_mib_max": 0}])
async def test_a_cache_that_is_off_keeps_nothing_and_says_so(
    store: Store, desk: Desk, off: dict[str, Any]
) -> None:
    """Each question is then searched."""
    cache = made(store, desk, **off)
    assert await origins(cache, TEA, TEA) == ["off", "off"]
    assert (cache.status()["state"], cache.status()["entries"]) == ("off", 0)


async def test_what_it_weighs_is_what_it_takes(store: Store, desk: Desk) -> None:
    """A little more than the truth is allowed, less is not: the bound is a bound of RAM."""
    for number in range(8):
        await store.write(put, f"/a/path/{number}", ["tea " * 200], title="A title", heading="A > heading")
    await desk.search(TEA)
    gc.collect()
    tracemalloc.start()
    answers = [await desk.search(TEA) for _ in range(200)]
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken <= sum(map(ram_bytes, answers)) <= 2 * taken


async def test_memory_that_is_short_is_given_back_at_once(cache: AnswerCache) -> None:
    """And used again from the next question on."""
    await cache.search(TEA)
    held = cache.status()["bytes"]
    assert cache.shed() == held > 0
    assert cache.status()["bytes"] == 0
    assert await origins(cache, TEA, TEA) == ["miss", "hit"]


async def test_when_the_machine_runs_short_answers_and_pages_are_given_up(store: Store, desk: Desk) -> None:
    """Answers at each look as long as it lasts, the caches of connections once; then all is as before."""
    machine = Machine(1000.0)
    cache = made(store, desk, None, machine, available_mib_min=128)
    await cache.search(TEA)
    machine.available_mib = 100.0
    await cache.look()
    assert cache.status()["entries"] == store.stats()["readers"]["idle"] == 0
    await cache.search(TEA)
    machine.available_mib = 150.0
    await cache.look()
    assert cache.status()["entries"] == 0
    assert store.stats()["readers"]["idle"] > 0
    machine.available_mib = 200.0
    await cache.look()
    assert await origins(cache, TEA, TEA) == ["miss", "hit"]
    assert cache.status()["sheds"] == 2


async def test_answers_are_made_anew_only_when_nobody_asks_or_writes(store: Store, desk: Desk) -> None:
    """A service at work is not given more of it."""
    cache = made(store, desk)
    await origins(cache, TEA, TEA)
    await store.write(put, "c", ["more tea"], collection="bills")
    await cache.look()
    assert cache.status()["warmed"] == 0
    await cache.search(IN_LETTERS)
    await cache.look()
    assert cache.status()["warmed"] == 0
    await cache.look()
    assert cache.status()["warmed"] == 1
    assert await origins(cache, TEA) == ["hit"]


async def test_it_looks_after_itself_until_it_is_stopped(
    store: Store, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is busy for a moment does not end that."""
    monkeypatch.setattr(answer_cache, "LOOK_S_BETWEEN", 0.001)
    cache, looks, twice = made(store, desk), 0, asyncio.Event()

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise StoreBusy("just now")
        twice.set()

    monkeypatch.setattr(cache, "look", look)
    task = cache.start()
    await asyncio.wait_for(twice.wait(), 10)
    await cache.stop()
    await cache.stop()
    assert task.cancelled()


async def test_what_a_write_dropped_and_is_wanted_is_made_anew(
    cache: AnswerCache, store: Store, desk: Desk
) -> None:
    """Before anybody asks; what nobody asked for a second time is let go, also when it was warmed before."""
    await origins(cache, TEA, TEA, IN_BILLS)
    await store.write(put, "c", ["more tea"], collection="bills")
    await cache.warm()
    assert desk.asked == 3
    assert cache.status()["warmed"] == 1
    await store.write(put, "c", ["still more tea"], collection="bills")
    await cache.warm()
    assert desk.asked == 3
    assert await origins(cache, TEA) == ["miss"]


async def test_the_most_wanted_are_made_anew_first_and_only_so_many(store: Store, desk: Desk) -> None:
    """And a search that fails leaves the others their turn."""
    cache = made(store, desk, results_warm=1)
    await origins(cache, TEA, TEA, IN_BILLS, IN_BILLS, IN_BILLS)
    await store.write(put, "c", ["more tea"], collection="bills")
    await cache.warm()
    assert await origins(cache, IN_BILLS, TEA) == ["hit", "miss"]

    async def fails() -> None:
        raise StoreBusy("all readers are taken")

    await store.write(put, "c", ["still more tea"], collection="bills")
    desk.meanwhile = fails
    await cache.warm()
    assert cache.status()["warmed"] == 1
    none = made(store, desk, results_warm=0)
    desk.meanwhile = None
    await origins(none, TEA, TEA)
    await store.write(put, "c", ["tea"], collection="bills")
    await none.warm()
    assert none.status()["warmed"] == 0


async def test_a_service_that_is_never_quiet_does_not_hoard_questions(store: Store, desk: Desk) -> None:
    """What is dropped and never made anew is kept in mind only as far as it would be made."""
    cache = made(store, desk, results_warm=2)
    for number in range(5):
        asked = replace(IN_BILLS, query=f"tea {number}")
        await origins(cache, *[asked] * (2 + number))
        await store.write(put, "c", [f"more tea {number}"], collection="bills")
        cache.drop_old()
    del asked
    gc.collect()  # what other tests left behind
    kept = [
        each.query
        for each in gc.get_objects()
        if isinstance(each, Question) and each.query in {f"tea {number}" for number in range(5)}
    ]
    assert sorted(kept) == ["tea 3", "tea 4"]
    await cache.warm()
    assert await origins(cache, replace(IN_BILLS, query="tea 4"), replace(IN_BILLS, query="tea 0")) == [
        "hit",
        "miss",
    ]


async def test_what_is_made_anew_under_other_settings_is_kept_under_those(store: Store, desk: Desk) -> None:
    """An answer is known by the settings it was made with."""
    cache = made(store, desk)
    await origins(cache, IN_BILLS, IN_BILLS)
    await store.write(put, "c", ["more tea"], collection="bills")
    cache.drop_old()
    before, desk.settings = desk.settings, replace(desk.settings, rrf_k=7.0)
    await cache.warm()
    assert await origins(cache, IN_BILLS) == ["hit"]
    desk.settings = before
    assert await origins(cache, IN_BILLS) == ["miss"]
