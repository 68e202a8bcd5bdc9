"""Whatever proposes, exact vectors decide, within the scope, and the answer says which way was taken."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import IndexSettings
from pi_rag.errors import VectorInvalid
from pi_rag.store import Connection, citing, documents, identity, scope
from pi_rag.store.keeper import Keeper
from pi_rag.store.nearest import exact, nearest
from pi_rag.store.store import Store
from pi_rag.types import Scope
from tests.store.indexed import SETTINGS, filled, opened, put_many, rows_of, truly_nearest
from tests.store.making import FINGERPRINT, axis, put, tilted


@pytest.fixture(params=["auto", "signs", "hnsw"])
async def indexed(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Store]:
    """A store with three hundred passages in `default`, a hundred in `other`, and an index of each kind."""
    settings = IndexSettings(kind=request.param, exact_passages_max=20, proposals_extra=20)
    store = await filled(path, settings)
    await store.write(put_many, "second", 100, 2, "other")
    assert await Keeper(store, SystemClock()).look() == "make"
    yield store
    await store.close()


async def test_the_nearest_are_found_with_their_exact_cosine(indexed: Store) -> None:
    """As comparing all of them finds them."""
    hits = 0
    for row in rows_of(20, seed=5):
        answer = await indexed.read(nearest, indexed.derived, row.tobytes(), 5, Scope())
        truth = await truly_nearest(indexed, row.tobytes(), 5)
        assert answer.explain["way"] == "index"
        assert len(answer.found) == 5
        hits += len({each for each, _ in truth} & {each for each, _ in answer.found})
        assert answer.found == sorted(answer.found, key=lambda each: -each[1])
    assert hits >= 85


@pytest.mark.parametrize("listed_max", [0, scope.LISTED_MAX])
@pytest.mark.parametrize(("collection", "count"), [("default", 300), ("other", 100), ("none", 0)])
async def test_a_scope_is_kept_to_and_filled(
    indexed: Store, collection: str, count: int, listed_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as there are, up to k, and none from outside, whether it seems cheap to list or not."""
    monkeypatch.setattr(scope, "LISTED_MAX", listed_max)
    within = Scope(collection=collection)
    vector = rows_of(1, seed=6).tobytes()
    answer = await indexed.read(nearest, indexed.derived, vector, 30, within)
    assert len(answer.found) == min(30, count)
    everything = await indexed.read(nearest, indexed.derived, vector, 1000, within)
    assert len(everything.found) == count
    assert set(answer.found) <= set(everything.found)


async def test_a_scope_that_seems_small_is_listed_after_one_look(
    indexed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To look at ten times as many proposals takes longer than to list it."""
    looks = []

    def holds(db: Connection, within: Scope, ids: Sequence[int]) -> set[int]:
        looks.append(len(ids))
        return real(db, within, ids)

    real = scope.holds
    monkeypatch.setattr(scope, "holds", holds)
    await indexed.write(put_many, "tiny", 7, 9, "tiny")
    vector = rows_of(1, seed=6).tobytes()
    await indexed.read(nearest, indexed.derived, vector, 5, Scope(collection="tiny"))
    assert len(looks) == 1


async def test_a_narrow_scope_is_compared_whole(indexed: Store) -> None:
    """Which is exact."""
    await indexed.write(put_many, "tiny", 7, 9, "tiny")
    answer = await indexed.read(
        nearest, indexed.derived, rows_of(1, seed=6).tobytes(), 5, Scope(collection="tiny")
    )
    assert len(answer.found) == 5
    assert answer.explain["filter"] == "before, all of it compared"


async def test_a_removed_passage_is_never_an_answer(indexed: Store) -> None:
    """Not even while the index still proposes it."""
    await indexed.write(documents.remove_source, "first", None)
    assert indexed.derived.status()["passages"] == 100
    answer = await indexed.read(nearest, indexed.derived, rows_of(1, seed=1).tobytes(), 100, Scope())
    assert {chunk_id for chunk_id, _ in answer.found} == set(range(301, 401))


async def test_few_passages_need_no_index(path: Path) -> None:
    """All are compared, and it is said."""
    store = await filled(path, passages=20)
    await Keeper(store, SystemClock()).look()
    answer = await store.read(nearest, store.derived, axis(0), 5, Scope())
    assert answer.explain == {"way": "all", "why": "there are only 20 passages"}
    await store.close()


async def test_an_emptied_index_is_no_missing_one(path: Path) -> None:
    """Status and answer say how many passages there are, not that something is being made."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    await store.write(documents.remove_source, "first", None)
    answer = await store.read(nearest, store.derived, axis(0), 5, Scope())
    assert (answer.found, answer.explain["why"]) == ([], "there are only 0 passages")
    assert keeper.status()["reason"] is None
    await store.close()


async def test_before_the_index_is_made_all_are_compared(path: Path) -> None:
    """Nothing is missed meanwhile."""
    store = await filled(path)
    answer = await store.read(nearest, store.derived, axis(0), 5, Scope())
    assert answer.found == await store.read(exact, axis(0), 5, Scope())
    assert answer.explain == {"way": "all", "why": "the index is being made"}
    await store.close()


async def test_an_index_of_another_model_is_passed_over(path: Path) -> None:
    """Its proposals would be noise."""
    store = await filled(path)
    keeper = Keeper(store, SystemClock())
    await keeper.look()
    await store.write(identity.write, replace(FINGERPRINT, model_sha256="2" * 64))
    answer = await store.read(nearest, store.derived, axis(0), 5, Scope())
    assert answer.explain["way"] == "all"
    assert await keeper.look() == "make"
    answer = await store.read(nearest, store.derived, axis(0), 5, Scope())
    assert answer.explain["way"] == "index"
    await store.close()


async def test_before_any_model_there_is_nothing_near(path: Path) -> None:
    """It is no error."""
    store = opened(path)
    answer = await store.read(nearest, store.derived, axis(0), 5, Scope())
    assert answer.found == []
    await store.close()


async def test_a_vector_of_another_width_is_refused(indexed: Store) -> None:
    """Before anything is compared."""
    with pytest.raises(VectorInvalid):
        await indexed.read(nearest, indexed.derived, axis(0)[:-4], 5, Scope())


async def test_with_the_index_off_all_are_compared(path: Path) -> None:
    """By setting."""
    store = await filled(path, IndexSettings(kind="exact", exact_passages_max=20))
    assert await Keeper(store, SystemClock()).look() == "nothing"
    answer = await store.read(nearest, store.derived, axis(0), 5, Scope())
    assert answer.explain["way"] == "all"
    assert SETTINGS.kind == "auto"
    await store.close()


def test_the_nearest_come_first_with_their_cosine(db: Connection) -> None:
    """Similarities are true cosines: 1 for the same direction, 0 across, -1 for the opposite."""
    put(db, "across", ["a"], vectors=axis(1))
    put(db, "same", ["b"], vectors=axis(0))
    put(db, "near", ["c"], vectors=tilted(2, 0.8))
    put(db, "opposite", ["d"], vectors=struct.pack("<8f", -1, *[0.0] * 7))
    hits = exact(db, axis(0), 10, Scope())
    assert [each.source for each in citing.passages(db, [hit for hit, _ in hits])] == [
        "same",
        "near",
        "across",
        "opposite",
    ]
    assert [cosine for _, cosine in hits] == pytest.approx([1.0, 0.8, 0.0, -1.0], abs=1e-6)


def test_a_k_of_a_thousand_and_more_works(db: Connection) -> None:
    """A larger k than sqlite-vec takes gives what it can give."""
    put(db, "a", ["tea"] * 1500, vectors=axis(0) * 1500)
    assert len(exact(db, axis(0), 1000, Scope())) == 1000
    assert len(exact(db, axis(0), 100_000, Scope())) == 1500
