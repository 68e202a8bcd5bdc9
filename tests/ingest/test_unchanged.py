"""Promises of pi_rag/ingest/unchanged.py: a folder that is added again costs next to nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pi_rag.ingest import exported, mounts, unchanged
from pi_rag.ingest.beneath import Roots
from pi_rag.ingest.story import content_digest
from pi_rag.store import documents, export, jobs
from pi_rag.store.rows import value
from pi_rag.types import JobRow, NewItem
from tests.embedder.fake import FakeEmbedder
from tests.ingest.folders import Home, home, make


@pytest.fixture
async def at_home(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path, FakeEmbedder()) as made:
        yield made


async def added(made: Home, **more: object) -> JobRow:
    """The folder, added as `pi-rag add` does it."""
    item = NewItem("path", str(made.root), **more)  # type: ignore[arg-type]  # as given
    return await made.runner.finished(await made.runner.enqueue("default", [item]))


async def asked(made: Home, items: Sequence[NewItem]) -> list[NewItem]:
    """Which of these files are not stored as they are."""
    rest = (Roots(), content_digest, lambda _: None)
    return await unchanged.changed(made.store, made.runner.disk, "default", items, *rest)


async def test_what_has_not_changed_takes_no_place_in_the_queue(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what was there before, only what is new or has changed is queued; the rest is counted."""
    monkeypatch.setattr(unchanged, "AT_ONCE", 3)
    make(at_home.root, **{f"n{number}_md": f"note {number}" for number in range(10)})
    assert (await added(at_home)).items_done == 10
    again = await added(at_home)
    assert (again.items_total, again.items_unchanged, again.items_done) == (10, 10, 0)

    make(at_home.root, n3_md="another note", new_md="new", x_jpg="no text")
    queued = "SELECT seq FROM sqlite_sequence WHERE name = 'job_items'"
    before = await at_home.store.read(value, queued)
    third = await added(at_home)
    assert (third.items_total, third.items_unchanged, third.items_done, third.items_refused) == (12, 9, 2, 1)
    assert await at_home.store.read(value, queued) == before + 3  # the folder itself, and two files


async def test_other_metadata_are_a_change(at_home: Home) -> None:
    """As when the file had been named by itself."""
    make(at_home.root, a_md="tea")
    await added(at_home)
    assert (await added(at_home, metadata={"year": 2024})).items_done == 1
    assert (await added(at_home, metadata={"year": 2024})).items_unchanged == 1


async def test_what_was_given_with_a_file_stays(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder, added again, says nothing of it: title and metadata are those of before, whether the file
    has changed or not, and whether it is small or not. Something else that is given takes their place."""
    make(at_home.root, a_md="tea")
    given = NewItem("bytes", str(at_home.root / "a.md"), "Of tea", b"tea", {"year": 2024})
    await at_home.runner.finished(await at_home.runner.enqueue("default", [given]))
    assert (await added(at_home)).items_unchanged == 1
    monkeypatch.setattr(unchanged, "SMALL_MIB", 0)
    assert (await added(at_home)).items_unchanged == 1
    make(at_home.root, a_md="green tea")
    assert (await added(at_home)).items_done == 1
    document = (await at_home.documents())["a.md"]
    assert (document.title, document.metadata) == ("Of tea", {"year": 2024})
    assert (await added(at_home, metadata={"room": "kitchen"})).items_done == 1
    document = (await at_home.documents())["a.md"]
    assert (document.title, document.metadata) == ("Of tea", {"room": "kitchen"})


async def test_a_title_given_later_leaves_what_was_given_before(at_home: Home) -> None:
    """A client sends the file itself then; what it says nothing of stays."""
    make(at_home.root, a_md="tea")
    await added(at_home, metadata={"year": 2024})
    given = NewItem("bytes", str(at_home.root / "a.md"), "Of tea", b"tea", {})
    await at_home.runner.finished(await at_home.runner.enqueue("default", [given]))
    document = (await at_home.documents())["a.md"]
    assert (document.title, document.metadata) == ("Of tea", {"year": 2024})
    assert (await added(at_home)).items_unchanged == 1


@pytest.mark.parametrize("is_there", [True, False])
async def test_what_was_given_outlives_an_export_and_an_import(at_home: Home, is_there: bool) -> None:
    """Also into a memory that has the document already: its folder, added again, finds it unchanged."""
    make(at_home.root, a_md="tea")
    given = NewItem("bytes", str(at_home.root / "a.md"), "Of tea", b"tea", {"year": 2024})
    await at_home.runner.finished(await at_home.runner.enqueue("default", [given]))
    stored = await at_home.store.read(export.following, "default", 0)
    assert stored is not None
    line = json.loads(exported.line(stored, vectors=False))
    if not is_there:
        await at_home.store.write(documents.remove, stored.document.id)
    item = NewItem("export", line["source"], payload=exported.payload(line, None))
    await at_home.runner.finished(await at_home.runner.enqueue("default", [item]))
    assert (await added(at_home)).items_unchanged == 1
    make(at_home.root, a_md="green tea")
    assert (await added(at_home)).items_done == 1
    document = (await at_home.documents())["a.md"]
    assert (document.title, document.metadata) == ("Of tea", {"year": 2024})


async def test_an_export_that_says_nothing_of_it_leaves_what_was_given(at_home: Home) -> None:
    """Such as one that another program has written."""
    make(at_home.root, a_md="tea")
    await added(at_home, metadata={"year": 2024})
    line = {"source": str(at_home.root / "a.md"), "text": "tea", "metadata": {"year": 2024}, "title": "a"}
    item = NewItem("export", str(at_home.root / "a.md"), payload=exported.payload(line, None))
    await at_home.runner.finished(await at_home.runner.enqueue("default", [item]))
    assert (await added(at_home)).items_done == 1
    assert (await at_home.documents())["a.md"].metadata == {"year": 2024}


async def test_a_large_file_and_one_that_cannot_be_read_wait_for_their_turn(
    at_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the first is found unchanged, and the second says why it is not taken."""
    make(at_home.root, large_md="tea " * 100, gone_md="coffee")
    await added(at_home)
    monkeypatch.setattr(unchanged, "SMALL_MIB", 0)
    assert (await added(at_home)).items_unchanged == 2
    items = [NewItem("path", str(at_home.root / name)) for name in ("large.md", "gone.md")]
    (at_home.root / "gone.md").unlink()
    left = await asked(at_home, items)
    assert left == items


async def test_what_is_in_hand_waits_for_its_turn(at_home: Home) -> None:
    """What is stored of it may be another in a moment, and the file must be read after that."""
    make(at_home.root, a_md="tea")
    await added(at_home)
    item = NewItem("path", str(at_home.root / "a.md"))

    async def left() -> list[NewItem]:
        return await asked(at_home, [item])

    assert await left() == []
    await at_home.runner.stop()
    await at_home.store.write(jobs.enqueue, "default", [item], 10, 1.0)
    assert await at_home.store.write(jobs.claim, 3, 1.0)
    assert await left() == [item]


async def test_each_mount_is_asked_in_its_own_name(at_home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a dead one among the files of a folder is known for what it is."""
    make(at_home.root, a_md="tea", nas__b_md="coffee", z_md="cocoa")
    await added(at_home)
    table = at_home.root.parent / "mountinfo"
    table.write_text(f"43 22 0:38 / {at_home.root}/nas rw - nfs4 nas:/x rw\n")
    monkeypatch.setattr(mounts, "TABLE", table)
    paths, ask = [], at_home.runner.disk.ask

    async def told(path: str, *further: Any) -> Any:
        paths.append(path)
        return await ask(path, *further)

    monkeypatch.setattr(at_home.runner.disk, "ask", told)
    items = [NewItem("file", str(at_home.root / name)) for name in ("a.md", "nas/b.md", "z.md")]
    assert await asked(at_home, items) == []
    assert paths == [item.source for item in items]
