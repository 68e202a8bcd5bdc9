"""Promises of pi_rag/ingest/unpacking.py: archives in the queue, opened by a real reading child."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pi_rag.clock import SystemClock
from pi_rag.config import from_values
from pi_rag.ingest import unpacking
from pi_rag.ingest.runner import Runner
from pi_rag.store import Connection, documents, identity, members
from pi_rag.store.rows import all_rows, value
from pi_rag.store.store import Store
from pi_rag.stress.making import pdf
from pi_rag.types import Fingerprint, JobRow, NewItem
from tests.embedder.fake import FakeEmbedder

from .making import pptx, tarred, zipped

BIRDS, BEES = b"# Birds\n\nThey fly far.", b"# Bees\n\nThey fly near."


@dataclass(frozen=True)
class Desk:
    """A queue that works, and its store."""

    runner: Runner
    store: Store

    async def add(self, path: Path) -> JobRow:
        """A job with this file, when it has ended."""
        return await self.finished(NewItem("path", str(path), metadata={"year": 2024}))

    async def finished(self, *items: NewItem) -> JobRow:
        """A job of these, when it has ended."""
        return await self.runner.finished(await self.runner.enqueue("default", items))

    async def sources(self) -> list[str]:
        """All that is stored, by name."""
        return sorted(row.source for row in await self.store.read(documents.listing, None, 100, 0))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    values = {"service.data": str(tmp_path / "data"), "embedder.workers": 1, "ingest.queue_mib_max": 1}
    settings = from_values(values)
    store = Store.open(settings.database_path, settings.store, SystemClock())
    await store.write(identity.claim_fingerprint, Fingerprint("fake", "0" * 64, "mean", "", 384, 1))
    embedder = FakeEmbedder()
    await embedder.start()
    runner = Runner(store, embedder, None, settings, SystemClock(), tokens_max=256)
    runner.start()
    yield Desk(runner, store)
    await runner.drain(5.0)
    await runner.stop()
    await store.close()


async def test_each_file_in_an_archive_is_a_document(desk: Desk, tmp_path: Path) -> None:
    """With its own source, title and the metadata of the archive; what is not taken is told by name."""
    path = tmp_path / "notes.zip"
    path.write_bytes(
        zipped({"a/birds.md": BIRDS, "bees.md": BEES, "w.png": b"x", "old.zip": zipped({"a": b"b"})})
    )
    job = await desk.add(path)
    assert (job.items_done, job.items_refused) == (2, 2)
    assert {each.source: each.code for each in job.refusals} == {
        f"{path}!/w.png": "document_binary",
        f"{path}!/old.zip": "document_binary",
    }
    assert await desk.sources() == [f"{path}!/a/birds.md", f"{path}!/bees.md"]
    rows = await desk.store.read(documents.listing, None, 100, 0)
    assert sorted((row.title, row.kind, row.metadata["year"]) for row in rows) == [
        ("Bees", "markdown", 2024),
        ("Birds", "markdown", 2024),
    ]


async def test_what_is_no_more_in_an_archive_goes(desk: Desk, tmp_path: Path) -> None:
    """When it is read again; what is as it was is not done again, and a neighbour of like name stays."""
    path, neighbour = tmp_path / "notes.zip", tmp_path / "notes.zip!.md"
    neighbour.write_bytes(BEES)
    await desk.add(neighbour)
    path.write_bytes(zipped({"birds.md": BIRDS, "bees.md": BEES}))
    await desk.add(path)
    path.write_bytes(zipped({"birds.md": BIRDS, "wasps.md": b"# Wasps"}))
    job = await desk.add(path)
    assert (job.items_done, job.items_unchanged) == (1, 1)
    assert await desk.sources() == [str(neighbour), f"{path}!/birds.md", f"{path}!/wasps.md"]


async def test_what_is_emptied_in_an_archive_leaves_no_ghost(desk: Desk, tmp_path: Path) -> None:
    """What was in it before is not in it any more: seen on the way out of the archive, or when it is read."""
    path = tmp_path / "notes.zip"
    path.write_bytes(zipped({"birds.md": BIRDS, "bees.md": BEES, "wasps.md": b"# Wasps"}))
    await desk.add(path)
    made = bytearray(zipped({"birds.md": BIRDS, "bees.md": b"", "wasps.md": b"# Wasps"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.rindex(mark) + place] |= 1  # behind a password
    path.write_bytes(made)
    job = await desk.add(path)
    assert {each.code for each in job.refusals} == {"document_empty", "document_encrypted"}
    assert await desk.sources() == [f"{path}!/birds.md"]


async def test_what_was_given_with_an_archive_stays(desk: Desk, tmp_path: Path) -> None:
    """When a watched folder finds it, and when it has changed: for what was in it, and what is new in it."""
    path = tmp_path / "notes.zip"
    path.write_bytes(zipped({"birds.md": BIRDS, "bees.md": BEES}))
    await desk.add(path)
    assert (await desk.finished(NewItem("file", str(path)))).items_unchanged == 2
    path.write_bytes(zipped({"bees.md": BEES, "wasps.md": b"# Wasps"}))
    job = await desk.finished(NewItem("file", str(path)))
    assert (job.items_done, job.items_unchanged) == (1, 1)
    rows = await desk.store.read(documents.listing, None, 100, 0)
    assert sorted((row.title, row.metadata["year"]) for row in rows) == [("Bees", 2024), ("Wasps", 2024)]


async def test_what_was_given_with_an_archive_stays_while_it_waits(desk: Desk, tmp_path: Path) -> None:
    """A watched folder may find it before anything that is in it is stored."""
    path = tmp_path / "notes.zip"
    path.write_bytes(zipped({"birds.md": BIRDS}))
    items = [NewItem("path", str(path), metadata={"year": 2024}), NewItem("file", str(path))]
    job = await desk.finished(*items)
    assert job.items_done + job.items_unchanged == 2
    (row,) = await desk.store.read(documents.listing, None, 100, 0)
    assert row.metadata["year"] == 2024


async def test_an_archive_that_is_removed_takes_its_files_along(desk: Desk, tmp_path: Path) -> None:
    """By its own source, as a watched folder removes a file that is gone."""
    path = tmp_path / "notes.zip"
    path.write_bytes(zipped({"birds.md": BIRDS, "bees.md": BEES}))
    await desk.add(path)
    assert await desk.store.write(documents.remove_source, str(path), "default") == 2
    assert await desk.sources() == []


async def test_an_archive_that_is_refused_leaves_what_is_there(desk: Desk, tmp_path: Path) -> None:
    """A damaged copy, a bomb or an empty one says so, and takes nothing away."""
    path = tmp_path / "notes.zip"
    path.write_bytes(zipped({"birds.md": BIRDS}))
    await desk.add(path)
    for data, code in (
        (path.read_bytes()[:60], "document_damaged"),
        (zipped({"zeros.txt": bytes(4 << 20)}), "document_too_large"),
        (zipped({}), "document_empty"),
    ):
        path.write_bytes(data)
        assert [each.code for each in (await desk.add(path)).refusals] == [code]
    assert await desk.sources() == [f"{path}!/birds.md"]


async def test_archives_wait_for_room_in_the_queue(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more is unpacked into it than may lie there; each has its turn, with what is in it."""
    held_mib: list[float] = []
    expand = members.expand

    def noted(db: Connection, *args: Any) -> None:
        expand(db, *args)
        held_mib.append(value(db, "SELECT sum(payload_bytes) FROM job_items") / 2**20)

    monkeypatch.setattr(members, "expand", noted)
    monkeypatch.setattr(unpacking, "ROOM_S", 0.01)
    for number in range(5):
        # Kept as it is for its ratio; no text, so that its turn is short.
        (tmp_path / f"{number}.tar").write_bytes(tarred({f"{number}.md": bytes(600_000)}))
    items = [NewItem("path", str(tmp_path / f"{number}.tar")) for number in range(5)]
    job = await desk.runner.finished(await desk.runner.enqueue("default", items))
    assert [each.code for each in job.refusals] == ["document_binary"] * 5
    assert len(held_mib) == 5
    assert max(held_mib) <= 1


async def test_a_packed_text_is_a_document(desk: Desk, tmp_path: Path) -> None:
    """As logs are kept."""
    path = tmp_path / "boiler.log.gz"
    path.write_bytes(gzip.compress(b"the boiler was lit"))
    assert (await desk.add(path)).items_done == 1
    assert await desk.sources() == [f"{path}!/boiler.log"]


async def test_pages_and_slides_reach_the_passages(desk: Desk, tmp_path: Path) -> None:
    """Also of what came out of an archive."""
    path = tmp_path / "notes.zip"
    path.write_bytes(
        zipped(
            {"a.pdf": pdf(["", "Bees fly near."]), "b.pptx": pptx(("Birds", "Far. " * 300), ("Bees", "near"))}
        )
    )
    await desk.add(path)
    sql = "SELECT source, page FROM chunks JOIN documents ON documents.id = document_id ORDER BY source, seq"
    rows = await desk.store.read(all_rows, sql)
    assert {(source.rpartition("/")[2], page) for source, page in rows} == {
        ("a.pdf", 2),
        ("b.pptx", 1),
        ("b.pptx", 2),
    }
