"""The story of a search, over a real store and a strict fake embedder."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import CacheSettings, QuerySettings, StoreSettings
from pi_rag.errors import (
    BadInput,
    DeadlineExceeded,
    EmbedderUnavailable,
    FilterInvalid,
    ModelMismatch,
    ModelMissing,
    PiRagError,
    QueryEmpty,
    QueryTooLong,
)
from pi_rag.processes import right_of_way
from pi_rag.query import QueryDesk, Question
from pi_rag.query import desk as desk_module
from pi_rag.query_cache import QueryCache
from pi_rag.store import Connection, documents, duplicates, identity
from pi_rag.store.by_words import worded
from pi_rag.store.nearest import nearest
from pi_rag.store.store import Store
from pi_rag.types import Chunk, Fingerprint, Lane, Match, Mode, NewDocument, Original, Scope, Text

if TYPE_CHECKING:
    from pi_rag.types import Vectors

MEANINGS = {"cat": (1.0, 0.0, 0.0), "dog": (0.0, 1.0, 0.0), "tax": (0.0, 0.0, 1.0)}
"""A language of three meanings: a text means the sum of those it names."""


def vector(text: str) -> "Vectors":
    total = np.sum([axis for word, axis in MEANINGS.items() if word in text], axis=0, dtype=np.float32)
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


class ThreeMeanings:
    """An embedder that refuses what a desk must not send it, and fails when told to."""

    def __init__(self) -> None:
        self.failure: PiRagError | None = None
        self.asked: list[str] = []
        self.ways: list[bool] = []
        """Whether others stood aside while it was asked."""

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> "Vectors":
        assert lane == "query"
        assert 0 < deadline_s <= 60
        self.asked += [str(text) for text in texts]
        self.ways.append(right_of_way.ours().is_taken)
        await asyncio.sleep(0)  # as with a worker, others get their turn meanwhile
        if self.failure is not None:
            raise self.failure
        return np.stack([vector(str(text)) for text in texts])

    async def count_tokens(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> list[int]:
        raise AssertionError("A search counts no tokens.")


TEXTS = {
    "pets.md": "the cat sleeps on the mat",
    "dogs.md": "a dog barks at the postman",
    "money.md": "the tax is due in April, says the letter",
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store.open(tmp_path / "pi-rag.db", StoreSettings(), SystemClock())
    await store.write(identity.claim_fingerprint, Fingerprint("three", "0" * 64, "mean", "", 3, 1))
    for source, text in TEXTS.items():
        document = NewDocument("default", source, source, "text", text, source, {"kind": source[:4]})
        chunk = Chunk(0, 0, len(text), text, "", None, 5)
        await store.write(documents.put, document, [chunk], vector(text).tobytes(), 1000.0)
    yield store
    await store.close()


@pytest.fixture
def embedder() -> ThreeMeanings:
    return ThreeMeanings()


@pytest.fixture
async def cache(store: Store, embedder: ThreeMeanings) -> AsyncIterator[QueryCache]:
    cache = QueryCache(store, embedder, b"three", CacheSettings(), SystemClock(), lambda: None)
    await cache.start()
    yield cache
    await cache.stop()


@pytest.fixture
def desk(store: Store, cache: QueryCache) -> QueryDesk:
    return QueryDesk(
        store,
        cache,
        query_prefix="find: ",
        query_s_max=3.0,
        settings=QuerySettings(),
        clock=SystemClock(),
    )


async def test_others_stand_aside_for_a_search(
    desk: QueryDesk, embedder: ThreeMeanings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before its vector is made until its passages are read, or it has failed."""
    read = desk_module.hits  # type: ignore[attr-defined]  # as the desk calls it
    at_the_end: list[bool] = []

    def hits(*args: Any) -> Any:
        at_the_end.append(right_of_way.ours().is_taken)
        return read(*args)

    monkeypatch.setattr(desk_module, "hits", hits)
    await desk.search(Question("cat"))
    assert at_the_end == [True]
    embedder.failure = QueryEmpty("There is nothing in it.")
    with pytest.raises(QueryEmpty):
        await desk.search(Question("dog"))
    assert embedder.ways == [True, True]
    assert not right_of_way.ours().is_taken


async def test_both_ways_agree_on_the_first(desk: QueryDesk, embedder: ThreeMeanings) -> None:
    """A question asked in the document's own words finds it first, by both ways, with its citation."""
    answer = await desk.search(Question("where does the cat sleep"))

    first = answer.hits[0]
    assert first.passage.source == "pets.md"
    assert first.passage.text == TEXTS["pets.md"]
    assert first.fused.score == 1.0
    assert set(first.fused.scores) == {"vector", "text"}
    assert answer.degraded == ()
    assert set(answer.took_ms) == {"embed", "vector", "text", "fuse", "read", "total"}
    assert embedder.asked == ["find: where does the cat sleep"]


@pytest.mark.parametrize(
    ("mode", "stages"),
    [
        ("vector", {"embed", "vector", "fuse", "read", "total"}),
        ("text", {"text", "fuse", "read", "total"}),
    ],
)
async def test_one_way_alone_does_only_its_own_work(desk: QueryDesk, mode: Mode, stages: set[str]) -> None:
    """A mode that leaves a way out does not pay for it."""
    answer = await desk.search(Question("the dog", mode=mode))

    assert answer.hits[0].passage.source == "dogs.md"
    assert set(answer.took_ms) == stages


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
@pytest.mark.parametrize(
    ("failure", "word"),
    [
        (EmbedderUnavailable("down"), "embedder_unavailable"),
        (DeadlineExceeded("slow"), "embedder_timeout"),
        (ModelMismatch("another"), "model_mismatch"),
        (ModelMissing("none"), "embedder_unavailable"),
    ],
)
async def test_without_a_vector_the_words_answer_and_say_so(
    desk: QueryDesk, embedder: ThreeMeanings, failure: PiRagError, word: str, mode: Mode
) -> None:
    """Whatever is wrong with the embedder costs completeness, never the answer."""
    embedder.failure = failure

    answer = await desk.search(Question("letter about the tax", mode=mode))

    assert [hit.passage.source for hit in answer.hits][:1] == ["money.md"]
    assert answer.degraded == (word,)
    assert set(answer.hits[0].fused.scores) == {"text"}


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
async def test_a_question_asked_again_gets_the_same_answer_without_the_model(
    desk: QueryDesk, embedder: ThreeMeanings, mode: Mode
) -> None:
    """Hits, order and scores do not depend on whether the vector was there; `explain` says whether it was."""
    answers = [await desk.search(Question("the cat and the tax", mode=mode)) for _ in range(2)]
    desk.cache.shed()
    answers.append(await desk.search(Question("the cat and the tax", mode=mode)))

    assert [answer.explain["cache"] for answer in answers] == ["miss", "hit", "off"]
    assert answers[0].hits == answers[1].hits == answers[2].hits
    assert len(embedder.asked) == 2
    assert "embed" in answers[1].took_ms


async def test_words_alone_need_no_vector(desk: QueryDesk) -> None:
    """`explain` does not speak of a cache that was not asked."""
    answer = await desk.search(Question("the cat", mode="text"))

    assert answer.explain["cache"] is None


async def test_scope_and_k_bound_the_answer(desk: QueryDesk) -> None:
    """A filter leaves out what does not match, in both ways; k bounds what is left."""
    filtered = await desk.search(Question("cat dog tax", scope=Scope(filter={"kind": "dogs"})))
    elsewhere = await desk.search(Question("cat dog tax", scope=Scope(collection="elsewhere")))
    two = await desk.search(Question("cat dog tax", k=2))

    assert [hit.passage.source for hit in filtered.hits] == ["dogs.md"]
    assert elsewhere.hits == ()
    assert len(two.hits) == 2


async def put(store: Store, source: str, *texts: str) -> None:
    """A document with these passages."""
    chunks, start = [], 0
    for seq, text in enumerate(texts):
        chunks.append(Chunk(seq, start, start + len(text), text, "", None, 5))
        start += len(text) + 1
    document = NewDocument("default", source, source, "text", " ".join(texts), source, {})
    rows = b"".join(vector(text).tobytes() for text in texts)
    await store.write(documents.put, document, chunks, rows, 1000.0)


async def test_of_like_passages_one_gives_way_on_request(desk: QueryDesk, store: Store) -> None:
    """With diversity a copy comes after what says something else, and the hit tells how alike it is."""
    await put(store, "copy.md", "the cat sleeps on the rug")
    plain = await desk.search(Question("cat", mode="vector", k=2))
    diverse = await desk.search(Question("cat", mode="vector", k=2, diversity=0.5))

    assert {hit.passage.source for hit in plain.hits} == {"pets.md", "copy.md"}
    assert len({hit.passage.source for hit in diverse.hits} & {"pets.md", "copy.md"}) == 1
    assert [hit.likeness for hit in diverse.hits] == [0.0, 0.0]
    assert [hit.likeness for hit in plain.hits] == [None, None]
    assert "diversify" in diverse.took_ms
    assert diverse.explain["diversity"]["diversity"] == 0.5


async def test_one_document_takes_no_more_places_than_it_may(desk: QueryDesk, store: Store) -> None:
    """Others come up instead, and the passages that stay are its best."""
    await put(store, "cats.md", *(f"the cat number {number}" for number in range(4)))
    question = Question("cat", mode="vector", k=3, join=False)
    plain = await desk.search(question)
    shared = await desk.search(replace(question, per_document_max=1))

    assert [hit.passage.source for hit in plain.hits].count("cats.md") == 2
    assert [hit.passage.source for hit in shared.hits].count("cats.md") == 1
    assert len(shared.hits) == 3


@pytest.mark.parametrize(
    ("more", "sure"), [({}, 3), ({"unique": True}, None), ({"per_document_max": 1}, None)]
)
async def test_what_is_shown_is_sure_and_all_where_some_give_way(
    desk: QueryDesk, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], sure: int | None
) -> None:
    """Of the passages that are only fused, some that are nearly as near will do."""
    asked: list[int | None] = []

    def noted(*given: Any) -> Any:
        asked.append(given[5])
        return nearest(*given)

    monkeypatch.setattr(desk_module, "nearest", noted)
    await desk.search(Question("cat", 3, "vector", Scope(), **more))
    assert set(asked) == {sure}


async def test_passages_of_one_document_are_one_hit(desk: QueryDesk, store: Store) -> None:
    """The whole of what was found in it, with the offsets of the document."""
    await put(store, "cats.md", "the cat eats", "the cat drinks", "the tax is paid")
    answer = await desk.search(Question("cat", mode="vector", k=3))

    texts = {hit.passage.source: (hit.start, hit.end, hit.text) for hit in answer.hits}
    assert texts["cats.md"] == (0, 27, "the cat eats the cat drinks")


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (Question("cat dog"), {"pets.md", "dogs.md", "money.md"}),
        (Question("cat mat", match="all"), {"pets.md"}),
        (Question("cat dog", match="all"), set()),
        (Question("the cat sleeps", match="phrase"), {"pets.md"}),
        (Question("sleeps the cat", match="phrase"), set()),
        (Question('"dog barks"'), {"dogs.md"}),
        (Question("postm", match="prefix", mode="text"), {"dogs.md"}),
    ],
)
async def test_words_that_are_asked_for_are_in_every_hit(
    desk: QueryDesk, question: Question, found: set[str]
) -> None:
    """Meaning brings nothing in that lacks them, and still brings in what it likes where any will do."""
    answer = await desk.search(question)

    assert {hit.passage.source for hit in answer.hits} == found


async def test_more_hits_may_be_asked_for_than_candidates(desk: QueryDesk, store: Store) -> None:
    """Each way then proposes as many as are wanted."""
    desk.settings = replace(desk.settings, candidates=10)
    for number in range(15):
        await put(store, f"{number}.md", f"the cat number {number}")
    answer = await desk.search(Question("cat", k=12))

    assert len(answer.hits) == 12


@pytest.mark.parametrize(
    ("question", "error"),
    [
        (Question(""), QueryEmpty),
        (Question(" \n\t "), QueryEmpty),
        *((Question("?!,", mode=mode), QueryEmpty) for mode in get_args(Mode)),
        (Question('""'), QueryEmpty),
        (Question("*"), QueryEmpty),
        (Question("x" * 100_000), QueryTooLong),
        (Question("cat", scope=Scope(None, {"x": {"$gt": 1}})), FilterInvalid),
        (Question("cat", k=0), BadInput),
        (Question("cat", k=-1), BadInput),
        (Question("cat", k=10**9), BadInput),
        (Question("cat", neighbours=-1), BadInput),
        (Question("cat", neighbours=10**9), BadInput),
        (Question("cat", diversity=1.1), BadInput),
        (Question("cat", diversity=float("nan")), BadInput),
        (Question("cat", recency_half_life_days=-1.0), BadInput),
        (Question("cat", recency_half_life_days=float("inf")), BadInput),
        (Question("cat", per_document_max=0), BadInput),
        *((Question("cat", mode="vector", match=match), BadInput) for match in get_args(Match)[1:]),
    ],
)
async def test_a_question_at_fault_is_refused_before_any_work(
    desk: QueryDesk, embedder: ThreeMeanings, question: Question, error: type[PiRagError]
) -> None:
    """A query without a word, a huge one or an impossible k costs nobody anything."""
    with pytest.raises(error):
        await desk.search(question)

    assert embedder.asked == []


@pytest.mark.parametrize("query", ["7", "c++", "\N{FIRE}", "水", "?! lamp"])
async def test_a_letter_a_digit_or_a_picture_is_a_query(desk: QueryDesk, store: Store, query: str) -> None:
    """Whatever else stands beside it."""
    await put(store, "new.md", "the cat of house 7 can c++, 水, a lamp and \N{FIRE}")

    found = (await desk.search(Question(query, mode="text"))).hits

    assert [hit.passage.source for hit in found] == ["new.md"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("multi-agent cat", {"pets.md"}),
        ('cat "dog', {"pets.md", "dogs.md"}),
        ("OR", set()),
        ("ca*", set()),
        ("cat AND", {"pets.md"}),
        ("cat AND dog", {"pets.md", "dogs.md"}),
        ("cat NOT cat", {"pets.md"}),
        ("NEAR(cat dog)", {"pets.md", "dogs.md"}),
        ("title:cat", {"pets.md"}),
        ("-cat", {"pets.md"}),
        ("\ud800 cat \0", {"pets.md"}),
    ],
)
async def test_syntax_in_a_query_is_only_words(desk: QueryDesk, query: str, found: set[str]) -> None:
    """Nothing a person types is a syntax error or an operator: what holds one of the words is found."""
    answer = await desk.search(Question(query, mode="text"))

    assert {hit.passage.source for hit in answer.hits} == found


async def test_a_passage_forgotten_meanwhile_is_left_out(
    desk: QueryDesk, store: Store, embedder: ThreeMeanings
) -> None:
    """A delete between the look of the words and the reading costs one hit, not the answer."""
    original = store.read
    removed = False

    async def read(fn, *args):  # type: ignore[no-untyped-def]  # a stand-in for one method
        nonlocal removed
        if fn.__name__ == "answered" and not removed:
            removed = True
            await store.write(documents.remove_source, "pets.md", None)
        return await original(fn, *args)

    store.read = read  # type: ignore[method-assign,assignment]

    answer = await desk.search(Question("cat dog tax"))

    assert {hit.passage.source for hit in answer.hits} == {"dogs.md", "money.md"}


class Watched:
    """Stands before `Store.read` and sees what is read, and how many at once."""

    def __init__(self, store: Store) -> None:
        self.names: list[str] = []
        self.at_once = self.at_once_max = 0
        self._read = store.read
        store.read = self.read  # type: ignore[method-assign,assignment]

    async def read(self, fn, *args):  # type: ignore[no-untyped-def]  # a stand-in for one method
        self.names.append(fn.__name__)
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        try:
            return await self._read(fn, *args)
        finally:
            self.at_once -= 1


async def test_one_half_is_ahead_where_a_thread_is_free_for_it(desk: QueryDesk, store: Store) -> None:
    """The words while a query is embedded, the vectors of a known one; what both find is the same."""
    desk = with_reads(desk, store, 2)
    watched = Watched(store)
    new, known = [await desk.search(Question("cat")) for _ in range(2)]

    assert sorted(watched.names) == ["answered", "answered", "near", "words"]
    assert new.hits == known.hits


@pytest.mark.parametrize("reads", [1, 3])
async def test_in_a_crowd_a_search_is_one_read(desk: QueryDesk, store: Store, reads: int) -> None:
    """And no more are under way than there may be; nobody's answer is another for it."""
    desk = with_reads(desk, store, reads)
    alone = await desk.search(Question("cat"))
    watched = Watched(store)
    answers = await asyncio.gather(*(desk.search(Question("cat")) for _ in range(20)))

    assert watched.at_once_max == reads
    assert watched.names.count("answered") == 20
    assert watched.names.count("near") == reads // 2
    assert all(answer.hits == alone.hits for answer in answers)


def with_reads(desk: QueryDesk, store: Store, reads: int) -> QueryDesk:
    """The same desk for so many reads at once."""
    return QueryDesk(
        store,
        desk.cache,
        query_prefix="find: ",
        query_s_max=3.0,
        settings=QuerySettings(reads_max=reads),
        clock=SystemClock(),
    )


async def test_nobody_looks_deeper_than_the_bound(
    desk: QueryDesk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many passages give way to others, a search ends."""
    await put(store, "many.md", *["the cat sleeps"] * 100)
    depths = []

    def counted(db, query, depth, *args, **kwargs):  # type: ignore[no-untyped-def]  # one function's stand-in
        depths.append(depth)
        return worded(db, query, depth, *args, **kwargs)

    monkeypatch.setattr(desk_module, "worded", counted)
    monkeypatch.setattr(desk_module, "DEPTH_MAX", 60)
    answer = await desk.search(Question("cat", mode="text", k=3, per_document_max=1))

    assert depths == [QuerySettings().candidates, 60]
    assert [hit.passage.source for hit in answer.hits] == ["many.md"]


class Turning(ThreeMeanings):
    """Its index becomes another model's while it makes a vector."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.turns = 1

    async def embed(self, texts: Sequence[Text], *, lane: Lane, deadline_s: float) -> "Vectors":
        made = await super().embed(texts, lane=lane, deadline_s=deadline_s)
        if self.turns:
            self.turns -= 1
            await self.store.write(identity.write, NEXT)
        return made


THREE = Fingerprint("three", "0" * 64, "mean", "", 3, 1)
NEXT = Fingerprint("next", "1" * 64, "mean", "", 3, 1)


@pytest.fixture
async def turning(store: Store) -> AsyncIterator[tuple[QueryDesk, Turning, QueryCache]]:
    """A desk that says whose vectors it asks for, before an index that changes hands."""
    embedder = Turning(store)
    cache = QueryCache(store, embedder, b"three", CacheSettings(), SystemClock(), lambda: None)
    await cache.start()
    desk = QueryDesk(
        store, cache, query_prefix="", query_s_max=0.2, settings=QuerySettings(), clock=SystemClock()
    )
    desk.adopt("old: ", THREE)
    yield desk, embedder, cache
    await cache.stop()


async def test_a_vector_meets_only_the_index_of_its_model(
    turning: tuple[QueryDesk, Turning, QueryCache],
) -> None:
    """When the index is swapped under a search, it asks the model that follows, and the answer is whole."""
    desk, embedder, cache = turning
    follower = ThreeMeanings()
    searching = asyncio.create_task(desk.search(Question("cat", mode="vector")))
    while embedder.turns:
        await asyncio.sleep(0)
    cache.follow(follower, b"next")
    desk.adopt("new: ", NEXT)
    answer = await searching

    assert answer.degraded == ()
    assert answer.hits[0].passage.source == "pets.md"
    assert (embedder.asked[0], follower.asked) == ("old: cat", ["new: cat"])


async def test_the_vector_of_before_is_not_taken_for_the_next_models(
    turning: tuple[QueryDesk, Turning, QueryCache],
) -> None:
    """Where the model that follows cannot answer in time, words do: the widths may be equal by chance."""
    desk, embedder, cache = turning
    follower = ThreeMeanings()
    follower.failure = DeadlineExceeded("cold")
    searching = asyncio.create_task(desk.search(Question("cat")))
    while embedder.turns:
        await asyncio.sleep(0)
    cache.follow(follower, b"next")
    desk.adopt("new: ", NEXT)
    answer = await searching

    assert answer.degraded == ("embedder_timeout",)
    assert set(answer.hits[0].fused.scores) == {"text"}


async def test_where_no_model_follows_words_answer(turning: tuple[QueryDesk, Turning, QueryCache]) -> None:
    """A vector of another model is not compared, however long it takes; the answer says what is missing."""
    desk, _, _ = turning
    answer = await desk.search(Question("cat"))

    assert list(answer.degraded) == ["model_mismatch"]
    assert answer.hits[0].passage.source == "pets.md"


async def put_linked(store: Store, source: str, text: str, collection: str = "default") -> None:
    """A document whose passage is linked to what it repeats, as ingest does it."""
    document = NewDocument(collection, source, source, "text", text, source, {})
    chunk = Chunk(0, 0, len(text), text, "", None, 5)

    def write(db: Connection) -> None:
        document_id, _ = documents.put(db, document, [chunk], vector(text).tobytes(), 1000.0)
        duplicates.link(db, document_id, [[]], 0.95)

    await store.write(write)


async def test_a_hit_says_what_it_repeats_and_how_many_repeat_it(desk: QueryDesk, store: Store) -> None:
    """So that an agent sees that two hits say the same, without comparing texts."""
    await put_linked(store, "copy.md", TEXTS["pets.md"])
    hits = {hit.passage.source: hit for hit in (await desk.search(Question("cat"))).hits}

    assert hits["copy.md"].duplicate_of == Original(1, 1, "default", "pets.md", 1.0)
    assert hits["pets.md"].duplicate_of is None
    assert [hits[source].duplicates for source in ("copy.md", "pets.md", "dogs.md")] == [0, 1, 0]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
async def test_of_repeats_the_best_alone_is_shown_on_request(
    desk: QueryDesk, store: Store, mode: Mode
) -> None:
    """More copies than candidates are looked at, and yet what comes after them is found."""
    for number in range(QuerySettings().candidates + 10):
        await put_linked(store, f"copy-{number}.md", TEXTS["pets.md"])
    await put_linked(store, "other.md", "the dog sleeps on the mat, the cat and the tax sleep")
    question = Question("cat sleeps mat", k=2, mode=mode)

    all_of_them = await desk.search(question)
    each_once = await desk.search(replace(question, unique=True))

    assert [hit.passage.text for hit in all_of_them.hits] == [TEXTS["pets.md"]] * 2
    assert [hit.passage.source for hit in each_once.hits] == ["pets.md", "other.md"]


async def test_a_repeat_is_shown_where_its_original_is_out_of_scope(desk: QueryDesk, store: Store) -> None:
    """Two copies in a collection, the original in another: one of the copies is the answer."""
    for number in range(2):
        await put_linked(store, f"copy-{number}.md", TEXTS["pets.md"], "letters")
    answer = await desk.search(Question("cat", scope=Scope("letters"), unique=True))
    assert [hit.passage.source for hit in answer.hits] == ["copy-0.md"]
