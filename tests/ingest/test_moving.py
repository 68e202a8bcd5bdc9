"""Promises of pi_rag/ingest/moving.py: what goes into another watched folder is the same document."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pi_rag.ingest import moving, sight
from pi_rag.ingest import watched as watched_folder
from pi_rag.ingest.differences import Seen, Stamp
from pi_rag.ingest.story import content_digest
from pi_rag.store import checkup
from pi_rag.store.documents import MadeFrom
from pi_rag.store.watches import Elsewhere, Watch
from pi_rag.types import NewItem
from tests.embedder.fake import FakeEmbedder
from tests.ingest.folders import Home, home, make, until

HERE = Stamp(3, 7)


@pytest.fixture
async def at_home(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path, FakeEmbedder()) as made:
        yield made


async def watched(made: Home, *folders: Path, collections: tuple[str, ...] = ("default",) * 2) -> None:
    for folder, collection in zip(folders, collections, strict=True):
        folder.mkdir(exist_ok=True)
        await made.watching.add(str(folder), collection, [], [])

    async def are_seen() -> bool:
        return all(each["seen_at"] for each in await made.watching.listing())

    await until(are_seen)


@pytest.mark.parametrize("forth", [True, False])
async def test_a_file_that_goes_into_another_folder_is_the_same_document(
    at_home: Home, tmp_path: Path, forth: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number and what was given with it; nothing is embedded. Whichever folder hears of it first."""
    monkeypatch.setattr(watched_folder, "CROSSING_S", 9.0)  # a busy machine has time too
    here, there = (at_home.root, tmp_path / "other")[:: 1 if forth else -1]
    here.mkdir(exist_ok=True)
    make(here, a_md="green tea", b_md="coffee", in__c_md="milk")
    given = NewItem("bytes", str(here / "a.md"), "Of tea", b"green tea", {"year": 2024})
    await at_home.runner.finished(await at_home.runner.enqueue("default", [given]))
    await watched(at_home, at_home.root, tmp_path / "other")

    async def lie(*paths: Path) -> bool:
        stored = (await at_home.documents()).values()
        return {row.source for row in stored} == {str(path) for path in paths}

    await until(lambda: lie(here / "a.md", here / "b.md", here / "in/c.md"))
    before = await at_home.documents()
    embedded = at_home.runner.status()["passages"]
    (here / "a.md").rename(there / "new.md")
    (here / "in").rename(there / "in")
    await until(lambda: lie(there / "new.md", here / "b.md", there / "in/c.md"))
    after = await at_home.documents()
    assert {row.id for row in after.values()} == {row.id for row in before.values()}
    moved = next(row for row in after.values() if row.source.endswith("new.md"))
    assert (moved.title, moved.metadata) == ("Of tea", {"year": 2024})
    assert at_home.runner.status()["passages"] == embedded
    told = {each["folder"]: each["files"] for each in await at_home.watching.listing()}
    assert told == {str(here): 1, str(there): 2}
    assert await at_home.store.read(checkup.check) == []


async def test_a_file_that_takes_long_to_recognise_is_stored_anew(
    at_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is large, or the disk is slow, and the folder that it left waits no longer: it is not lost."""
    monkeypatch.setattr(watched_folder, "CROSSING_S", 0.0)
    has_come, has_gone = threading.Event(), threading.Event()
    across, forget = moving.across, watched_folder.Watched._forget

    def late(*args: Any) -> list[moving.Move]:
        if moves := across(*args):
            has_come.set()
            assert has_gone.wait(10)
        return moves

    async def meanwhile(self: watched_folder.Watched, paths: Sequence[str]) -> None:
        assert not paths or await asyncio.to_thread(has_come.wait, 10)
        await forget(self, paths)

    monkeypatch.setattr(moving, "across", late)
    monkeypatch.setattr(watched_folder.Watched, "_forget", meanwhile)
    other = tmp_path / "other"
    make(at_home.root, a_md="green tea")
    await watched(at_home, at_home.root, other)
    await at_home.holds("a.md")
    (at_home.root / "a.md").rename(other / "a.md")
    await at_home.holds()
    has_gone.set()
    await at_home.holds(str(other / "a.md"))


async def test_into_another_collection_it_is_another_document(at_home: Home, tmp_path: Path) -> None:
    """There it is stored, and here it is gone."""
    other = tmp_path / "other"
    make(at_home.root, a_md="tea")
    await watched(at_home, at_home.root, other, collections=("one", "two"))
    await at_home.holds("a.md")
    (at_home.root / "a.md").rename(other / "a.md")
    (row,) = (await at_home.holds(str(other / "a.md"))).values()
    assert row.collection == "two"


def test_what_is_still_there_or_on_a_drive_that_is_away_has_not_moved(tmp_path: Path) -> None:
    """A copy is no move, nor is a backup of a stick that was pulled out; each file moves once."""
    here, there = tmp_path / "here", tmp_path / "there"
    make(here, a_md="tea", b_md="tea", c_md="tea")
    make(there, kept_md="tea")
    device = sight.device_of(str(there))
    digest = content_digest("", {}, b"tea")

    def elsewhere(path: str, *, device: int | None = device, content: str = digest) -> Elsewhere:
        watch = Watch(2, str(there), "default", [], [], 1.0, device)
        return Elsewhere(watch, path, HERE, MadeFrom(content, "", {}))

    come = [Seen(name, HERE) for name in ("a.md", "b.md")] + [Seen("c.md", Stamp(3, 8))]
    others = [
        elsewhere("kept.md"),
        elsewhere("gone.md", device=1),
        elsewhere("other.md", content="x"),
        elsewhere("one.md"),
        elsewhere("two.md"),
        elsewhere("three.md"),
    ]
    moves = moving.across(str(here), others, come, 1)
    assert [(each.before, each.after.path) for each in moves] == [("one.md", "a.md"), ("two.md", "b.md")]
