"""An upgrade is cut short at every step, from every schema there was, and comes out the same in the end.

`DURABILITY_CASE=SCHEMA/CALL pytest tests/durability/test_migrations.py` takes one case alone.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from pi_rag.errors import PiRagError, StoreError
from pi_rag.store.store import Store
from tests.durability import disk, life, old, shim
from tests.durability.disk import Event, Image, Manner, Record
from tests.durability.life import Content
from tests.durability.shim import DO, Nth, Verdict
from tests.memory.housing import HandClock

SHORT_CALLS = 3
"""How many places of each upgrade are tried in the short form, each in every way."""

KEPT: tuple[tuple[int, str, list[object]], ...] = (
    (2, "documents", [1, 4]),
    (2, "document_texts", [1, 4]),
    (3, "chunks", [1, 2, 7]),
    (3, "vectors", [1, 2, 7]),
    (3, "chunks_fts", [1, 2, 7]),
    (3, "hashes_fts", [1, 2, 7]),
    (5, "jobs", [3]),
    (5, "job_items", [8, 9]),
    (5, "item_payloads", [8]),
    (5, "job_refusals", [1]),
    (6, "query_vectors", [b"\1"]),
    (10, "duplicates", [7]),
    (12, "dead_letters", [6]),
    (13, "watches", [1]),
    (13, "watch_files", [1, 1]),
    (14, "document_items", [1]),
)
"""Since which schema there was what, by the first column."""

SCHEMAS = range(1, old.NEWEST)


async def _upgrade(path: Path) -> None:
    """As a start does it. Raises as `Store.open`."""
    store = await asyncio.to_thread(Store.open, path, life.SETTINGS, HandClock())
    assert await store.close()


def _upgraded(path: Path) -> PiRagError | None:
    """What came of a start: an error of ours, or nothing."""
    try:
        asyncio.run(_upgrade(path))
    except PiRagError as error:
        return error
    return None


@dataclass(frozen=True)
class Whole:
    """An upgrade that nothing disturbs."""

    image: Image
    """The folder before it."""
    events: list[Event]
    calls: int
    content: Content
    """What there is afterwards."""


def _whole(schema: int, folder: Path) -> Whole:
    path, counting = folder / "pi-rag.db", Nth(-1, None, DO)
    old.make(path, schema)
    image: Image = {"pi-rag.db": path.read_bytes(), "pi-rag.lock": b""}
    record = Record(counting)
    with shim.between(record.judge, record.witness):
        asyncio.run(_upgrade(path))
    content = asyncio.run(life.found(path))
    shutil.rmtree(folder)
    return Whole(image, record.events, counting.seen, content)


def _fails(image: Image, folder: Path, number: int, *, lasting: bool) -> None:
    """The nth call fails, or all from it on, as after a kill."""
    disk.put_back(folder, image, random.Random(number))
    judge = Nth(number, None, Verdict("fail"), lasting)
    with shim.between(judge):
        error = _upgraded(folder / "pi-rag.db")
    assert judge.met
    assert error is None or isinstance(error, StoreError)


def _dies(image: Image, events: list[Event], folder: Path, number: int) -> None:
    """The power is cut after so many events."""
    dice = random.Random(number)
    left, _ = disk.cut(events, number, Manner.of(dice), dice, image)
    disk.put_back(folder, left, dice)


def _calls(count: int, schema: int, whole: bool) -> Iterable[int]:
    """After which calls to disturb it: all, or some that differ from schema to schema."""
    if alone := os.environ.get("DURABILITY_CASE"):
        of, call = alone.split("/")
        return [int(call)] if int(of) == schema else []
    return range(count) if whole else random.Random(schema).sample(range(count), SHORT_CALLS)


@pytest.mark.slow
@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_upgrade_that_is_cut_short_is_done_anew(ram: Path, long_form: bool, schema: int) -> None:
    """Whether a call fails, the service is killed, or the power goes: the next start brings the database up,
    and it holds what it would hold had nothing been.
    """
    folder = ram / "data"
    whole = _whole(schema, folder)
    ways: tuple[Callable[[int], None], ...] = (
        partial(_fails, whole.image, folder, lasting=True),
        partial(_fails, whole.image, folder, lasting=False),
        partial(_dies, whole.image, whole.events, folder),
    )
    for number in _calls(whole.calls, schema, long_form):
        for way in ways:
            try:
                way(number)
                assert asyncio.run(life.found(folder / "pi-rag.db")) == whole.content
            except BaseException:
                print(f"DURABILITY_CASE={schema}/{number}")
                raise
            shutil.rmtree(folder)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_upgrade_keeps_what_there_was(ram: Path, schema: int) -> None:
    """Every row that an old database had is there in the new one, or in what took its place."""
    path = ram / "data" / "pi-rag.db"
    old.make(path, schema)
    content = asyncio.run(life.found(path))
    for since, table, ids in KEPT:
        if schema >= since:
            assert [row[0] for row in content[table]] == ids, table
