"""Which collections a write touched is never told too little."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import StoreSettings
from pi_rag.store import Connection, documents, identity, jobs, query_vectors
from pi_rag.store.query_vectors import Changes, KeptQuery
from pi_rag.store.store import Store
from pi_rag.types import NewItem
from tests.store.making import FINGERPRINT, axis, put
from tests.store.memory.keeping import fact, keep

KEPT = KeptQuery(b"h", b"v", 2, 1.0)


def generations(store: Store) -> list[int]:
    """Of two collections that a test writes to, of one that is never there, and of all."""
    return [store.generation(name) for name in ("bills", "letters", "nowhere", None)]


async def moved(store: Store, write: Callable[..., Any], *args: Any, **options: Any) -> list[bool]:
    """Which of the generations a write has moved; none ever goes back."""
    before = generations(store)
    await store.write(write, *args, **options)
    after = generations(store)
    assert all(new >= old for old, new in zip(before, after, strict=True))
    return [new != old for old, new in zip(before, after, strict=True)]


BILLS, LETTERS = [True, False, False, True], [False, True, False, True]
NOTHING, EVERYTHING = [False] * 4, [True] * 4


async def test_a_document_touches_its_own_collection(store: Store) -> None:
    """Stored, replaced, removed, and with it the last of its collection; by number or by source."""
    assert await moved(store, put, "a", ["tea"], collection="bills") == BILLS
    assert await moved(store, put, "a", ["milk"], collection="letters") == LETTERS
    assert await moved(store, put, "a", ["milk", "tea"], collection="bills") == BILLS
    assert await moved(store, documents.remove, 1) == BILLS
    assert await moved(store, put, "b", ["tea"], collection="bills") == BILLS
    assert await moved(store, documents.remove_source, "a", None) == LETTERS
    assert await moved(store, documents.remove_source, "nothing", None) == NOTHING


async def test_collections_of_an_earlier_run_are_known(store: Store, path: Path) -> None:
    """A service that starts again tells them apart as before."""
    await store.write(put, "a", ["tea"], collection="bills")
    await store.write(put, "a", ["tea"], collection="letters")
    assert await store.close()
    again = Store.open(path, StoreSettings(), SystemClock())
    assert await moved(again, put, "a", ["milk"], collection="letters") == LETTERS
    assert await again.close()


@pytest.mark.parametrize(
    ("write", "args"),
    [
        (jobs.enqueue, ("bills", [NewItem("text", "a", "", b"tea")], 10, 1.0)),
        (jobs.claim, (3, 1.0)),
        (query_vectors.save, (Changes([KEPT], [], []),)),
        (keep, (fact("tea", "t"), axis(0))),
        (lambda db: db.execute("ANALYZE"), ()),
        (lambda db: db.execute("INSERT INTO chunks_fts (chunks_fts) VALUES ('optimize')"), ()),
    ],
)
async def test_what_changes_no_answer_touches_nothing(
    store: Store, write: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    """The queue, the vectors of queries, what agents keep, and the upkeep."""
    await store.write(put, "a", ["tea"], collection="bills")
    await store.write(put, "b", ["tea"], collection="letters")
    await store.write(keep, fact("The first one says which model it is of."), axis(1))
    assert await moved(store, write, *args) == NOTHING


async def test_what_nobody_has_named_touches_everything(store: Store) -> None:
    """Another model, or a table that a later step of the schema makes."""
    await store.write(identity.claim_fingerprint, FINGERPRINT)
    assert await moved(store, lambda db: db.execute("DELETE FROM meta")) == EVERYTHING
    await store.write(lambda db: db.execute("CREATE TABLE strange (x)"))
    assert await moved(store, lambda db: db.execute("INSERT INTO strange VALUES (1)")) == EVERYTHING


async def test_a_write_that_is_taken_back_touches_nothing_yet(store: Store) -> None:
    """And the collection whose number it had used does not lend its name to the next."""

    def fails(db: Connection) -> None:
        put(db, "a", ["tea"], collection="bills")
        raise KeyError("ours")

    before = generations(store)
    with pytest.raises(KeyError):
        await store.write(fails)
    assert generations(store) == before
    await store.write(put, "a", ["tea"], collection="letters")
    before = generations(store)
    assert await moved(store, put, "a", ["milk"], collection="letters") == LETTERS


async def test_nothing_looks_new_before_it_is_committed(store: Store) -> None:
    """Who reads the old state meanwhile has the old number, and the new one is there with the answer."""
    inside, go = threading.Event(), threading.Event()

    def slow(db: Connection) -> None:
        put(db, "a", ["tea"], collection="bills")
        inside.set()
        assert go.wait(10)

    before = generations(store)
    writing = asyncio.create_task(store.write(slow))
    assert await asyncio.to_thread(inside.wait, 10)
    assert generations(store) == before
    go.set()
    await writing
    assert generations(store) != before
